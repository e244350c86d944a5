"""``obcn models``."""

from pathlib import Path
from typing import Annotated

import typer

from obcn.errors import UserError


def models(
    file: Annotated[Path | None, typer.Argument(help="An .onnx file to look into.", metavar="FILE.onnx")] = None,
    say: Annotated[
        list[str] | None,
        typer.Option(
            help="What FILE.onnx does not say of itself, as KEY=VALUE; kept in FILE.onnx.yaml (docs/any-detector.md)."
        ),
    ] = None,
) -> None:
    """List the checkpoints and configs that ship, from their cards; or say what an .onnx file keeps.

    Example: `obcn models yolo11n.onnx --say resize=letterbox`
    """
    if file is not None:
        _look_into(file, say or [])
        return
    if say:
        raise UserError("--say tells something of an .onnx file: name the file too")
    from obcn.checkpoints import SHIPPED_CHECKPOINTS, read_card, shipped_names
    from obcn.config import SHIPPED_CONFIGS
    from obcn.engine import report

    cards = {name: read_card(SHIPPED_CHECKPOINTS / f"{name}.safetensors") for name in shipped_names()}
    report.print_cards(cards)
    typer.echo("configs: " + ", ".join(sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))))


def _look_into(file: Path, say: list[str]) -> None:
    from obcn.opening import hints_path, is_exported

    if not is_exported(file):
        raise UserError(f"{file} is not an .onnx file; `obcn models` without a file lists the shipped checkpoints")
    from obcn.exported import open_exported
    from obcn.exported.hints import hints_said, read_hints, write_hints

    if not file.is_file():
        raise UserError(f"{file}: no such file")
    known, beside = read_hints(file), hints_path(file)
    before = beside.read_bytes() if beside.is_file() else None
    if say:
        write_hints(file, hints_said(say, known))
    try:
        detector = open_exported(file)
    except UserError:
        # What makes the file unreadable is not worth remembering.
        if say:
            if before is None:
                beside.unlink(missing_ok=True)
            else:
                beside.write_bytes(before)
        raise
    for what, words in detector.card.lines():
        typer.echo(f"{what + ':':<15}{words}")
