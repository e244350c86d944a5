"""Options that several commands share, and what they mean."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from obcn.errors import UserError

if TYPE_CHECKING:
    from obcn.data import Annotations
    from obcn.models.scoring import PhotoScorer

ModelOption = Annotated[
    str, typer.Option(help="A shipped checkpoint's name (see `obcn models`) or a .safetensors or .onnx file.")
]
DecodeOption = Annotated[
    Literal["argmax", "expectation"] | None, typer.Option(help="How a bin head's distribution becomes an offset.")
]
StagesOption = Annotated[int | None, typer.Option(help="Use only the first so many stages of a bin head.")]
RankOption = Annotated[
    Literal["score", "certainty"] | None,
    typer.Option(help="What boxes rank by: class score, or score and how sure the head is. Default: as its card says."),
]
MergeOption = Annotated[
    Literal["suppression", "voting"] | None,
    typer.Option(help="Keep the best of the boxes on an object, or let them vote. Default: as the card says."),
]
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


def decode_by(detector: "PhotoScorer", decode: Literal["argmax", "expectation"] | None, stages: int | None) -> None:
    """Have a detector decode as ``--decode`` and ``--stages`` say.

    Raises:
        UserError: its head cannot, or has nothing to decode or to choose from.
    """
    codec = detector.codec
    if decode is not None and codec.rule is None:
        raise UserError(f"--decode {decode} needs a head that keeps a distribution; this one regresses: leave it out")
    try:
        detector.codec = codec.decoding(decode, stages)
    except ValueError as error:
        raise UserError(str(error)) from error
    # Regression in several looks has stages too, though none keeps a distribution.
    if stages is not None and not codec.num_stages and detector.codec == codec:
        raise UserError("--stages needs a head of stages; this one regresses at once: leave it out")


def show_notes(*sets: "Annotations") -> None:
    """Say on stderr what the readers left out of the data."""
    for annotations in sets:
        for note in annotations.notes:
            typer.echo(f"obcn: {note}", err=True)


def select_by(
    detector: "PhotoScorer",
    rank_by: Literal["score", "certainty"] | None,
    merge_by: Literal["suppression", "voting"] | None,
) -> None:
    """Have a detector rank and merge boxes as ``--rank-by`` and ``--merge-by`` say.

    Raises:
        UserError: its head keeps no distribution to rank by.
    """
    if rank_by == "certainty" and not detector.codec.num_stages:
        raise UserError("--rank-by certainty needs a head that keeps a distribution; this one regresses: leave it out")
    as_shipped = detector.thresholds
    detector.thresholds = replace(
        as_shipped, rank_by=rank_by or as_shipped.rank_by, merge_by=merge_by or as_shipped.merge_by
    )
