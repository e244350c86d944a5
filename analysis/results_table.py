"""Files written by ``obcn eval --json`` as one Markdown table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from analysis.output import run, script
from obcn.checkpoints import read_evaluation
from obcn.errors import UserError
from obcn.metrics import FIGURES
from obcn.tables.matched import told_apart

app = script()


def results_table(files: Sequence[Path]) -> str:
    """A Markdown table, one row per file, named after it, in percent to one decimal; empty where there is no figure.

    Args:
        files: written by ``obcn eval --json``, measured on the same photos.

    Raises:
        UserError: not such files, or measured on different numbers of photos.
    """
    evaluations = [read_evaluation(path) for path in files]
    if len({evaluation.images for evaluation in evaluations}) > 1:
        raise UserError("these files were measured on different photos; give those of one data set")
    rows = [["", *FIGURES], ["---", *("---:" for _ in FIGURES)]]
    names = told_apart([path.stem.replace("_", " ") for path in files], files)
    for name, evaluation in zip(names, evaluations, strict=True):
        metrics = evaluation.metrics
        rows.append([name, *(f"{metrics[figure]:.1f}" if figure in metrics else "" for figure in FIGURES)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@app.command()
def main(files: Annotated[list[Path], typer.Argument(help="Files that `obcn eval --json` wrote.")]) -> None:
    """Print files of `obcn eval --json` as one Markdown table.

    Example: `obcn analyse results-table results/voc2012-animals-val/*.json`
    """
    typer.echo(results_table(files))


if __name__ == "__main__":
    run(app)
