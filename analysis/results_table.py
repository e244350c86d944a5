"""Files written by ``obcn eval --json`` as one Markdown table."""

import json
from pathlib import Path
from typing import Annotated

import typer

from obcn.metrics import FIGURES


def results_table(files: list[Path]) -> str:
    """A Markdown table, one row per file, named after it, in percent to one decimal.

    Args:
        files: written by ``obcn eval --json``, measured on the same photos.

    Raises:
        ValueError: measured on different numbers of photos.
    """
    measured = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
    if len({evaluation["images"] for evaluation in measured.values()}) > 1:
        raise ValueError("these files were measured on different photos")
    rows = [["", *FIGURES], ["---", *("---:" for _ in FIGURES)]]
    for name, evaluation in measured.items():
        rows.append([name.replace("_", " "), *(f"{evaluation['metrics'][figure]:.1f}" for figure in FIGURES)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main(files: Annotated[list[Path], typer.Argument(help="Files that `obcn eval --json` wrote.")]) -> None:
    """Print evaluations as one Markdown table.

    Example: python -m analysis.results_table results/voc2012-animals/*.json
    """
    typer.echo(results_table(files))


if __name__ == "__main__":
    typer.run(main)
