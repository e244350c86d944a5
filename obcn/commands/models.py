"""``obcn models``."""

from pathlib import Path
from typing import Annotated

import typer

from obcn.errors import UserError


def models(
    file: Annotated[
        Path | None, typer.Argument(help="A checkpoint or .onnx file to look into.", metavar="FILE")
    ] = None,
    say: Annotated[
        list[str] | None,
        typer.Option(
            help="What FILE.onnx does not say of itself, as KEY=VALUE; kept in FILE.onnx.yaml (docs/any-detector.md)."
        ),
    ] = None,
) -> None:
    """List the checkpoints and configs that ship, from their cards; or say what a checkpoint or an .onnx file holds.

    Example: `obcn models yolo11n.onnx --say resize=letterbox`
    """
    from obcn.opening import is_exported

    if file is not None and is_exported(file):
        _look_into(file, say or [])
        return
    if say:
        raise UserError("--say tells something of an .onnx file: name one")
    if file is not None:
        _show_card(str(file))
        return
    from obcn.checkpoints import SHIPPED_CHECKPOINTS, read_card, shipped_names
    from obcn.config import SHIPPED_CONFIGS
    from obcn.engine import report

    cards = {name: read_card(SHIPPED_CHECKPOINTS / f"{name}.safetensors") for name in shipped_names()}
    report.print_cards(cards)
    typer.echo("configs: " + ", ".join(sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))))


def _look_into(file: Path, say: list[str]) -> None:
    from obcn.exported import open_exported
    from obcn.exported.hints import hints_said, read_hints, write_hints
    from obcn.opening import hints_path

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
    _print_lines(detector.card.lines())


def _show_card(name_or_file: str) -> None:
    from obcn.card_words import card_in_words, head_in_words
    from obcn.checkpoints import checkpoint_name, find_checkpoint, read_card
    from obcn.metrics import FIGURES

    path = find_checkpoint(name_or_file)
    card = read_card(path)
    lines = [("checkpoint", checkpoint_name(path)), ("config", card.config.name), ("head", head_in_words(card.config))]
    lines += card_in_words(card)
    if card.evaluation is not None:
        metrics = card.evaluation.metrics
        shown = ", ".join(f"{figure} {metrics[figure]:.1f}" for figure in FIGURES if figure in metrics)
        lines.append(
            ("evaluated", f"{shown}, in percent, on {card.evaluation.images} photos of {card.evaluation.data}")
        )
    _print_lines(lines)


def _print_lines(lines: list[tuple[str, str]]) -> None:
    for what, words in lines:
        typer.echo(f"{what + ':':<15}{words}")
