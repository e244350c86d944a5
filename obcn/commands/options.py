"""Options that several commands share, and what they mean."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from obcn.errors import UserError

if TYPE_CHECKING:
    from obcn.data import Annotations
    from obcn.models.detector import Detector

ModelOption = Annotated[
    str, typer.Option(help="A shipped checkpoint's name (see `obcn models`) or a .safetensors file.")
]
DecodeOption = Annotated[
    Literal["argmax", "expectation"] | None, typer.Option(help="How a bin head's distribution becomes an offset.")
]
StagesOption = Annotated[int | None, typer.Option(help="Use only the first so many stages of a bin head.")]
DeviceOption = Annotated[
    Literal["cpu", "cuda"] | None, typer.Option(help="By default cuda where there is one, else cpu.")
]


def chosen_device(asked: str | None) -> str:
    """The device that ``--device`` means.

    Raises:
        UserError: cuda is asked for and is not there.
    """
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise UserError("no CUDA device here; use --device cpu")
    return asked or ("cuda" if torch.cuda.is_available() else "cpu")


def decode_by(detector: "Detector", decode: Literal["argmax", "expectation"] | None, stages: int | None) -> None:
    """Have a detector decode as ``--decode`` and ``--stages`` say.

    Raises:
        UserError: its head cannot.
    """
    try:
        detector.codec = detector.codec.decoding(decode, stages)
    except ValueError as error:
        raise UserError(str(error)) from error


def show_notes(*sets: "Annotations") -> None:
    """Say on stderr what the readers left out of the data."""
    for annotations in sets:
        for note in annotations.notes:
            typer.echo(f"obcn: {note}", err=True)
