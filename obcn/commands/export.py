"""``obcn export``."""

from pathlib import Path
from typing import Annotated

import typer

from obcn.commands.files import make_folder
from obcn.errors import UserError


def export(
    model: Annotated[
        str, typer.Argument(help="A shipped checkpoint's name (see `obcn models`) or a .safetensors file.")
    ],
    onnx: Annotated[Path, typer.Option("--onnx", help="The file to write.", metavar="OUT.onnx")],
) -> None:
    """Write a detector as one .onnx file that takes photos of any size and keeps its distributions.

    Example: `obcn export obcn --onnx obcn.onnx`
    """
    from obcn.opening import EXPORTED, is_exported

    if is_exported(model):
        raise UserError(f"{model} is an .onnx file already; name a checkpoint")
    if not is_exported(onnx):
        raise UserError(f"{onnx}: the name of the file to write must end in {EXPORTED}")
    from obcn.checkpoints import load_for_inference
    from obcn.exporting.write import export_detector

    detector, card = load_for_inference(model)
    make_folder(onnx.parent)
    opened, agreed = export_detector(detector, card, onnx)
    for what, words in [("file", str(onnx)), *opened.card.lines()[1:]]:
        typer.echo(f"{what + ':':<15}{words}")
    typer.echo(
        f"{'agrees:':<15}{agreed.boxes} boxes of the check picture to {agreed.pixels:.2g} px, "
        f"scores to {agreed.score:.2g}"
    )
