"""How every script writes: an interactive page, a picture to print, and the tables behind them."""

import shlex
import sys
from pathlib import Path
from typing import Literal

import pandas as pd
import plotly.graph_objects as go
import typer

from obcn.errors import UserError
from obcn.figures.pictures import draw_pictures
from obcn.files import replacing

Picture = Literal["svg", "png"]


def script() -> typer.Typer:
    """A typer application with one command, set up as ``obcn`` is."""
    return typer.Typer(
        add_completion=False,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run(application: typer.Typer) -> None:
    """Run a script; a :class:`UserError` becomes one line on stderr and exit status 2."""
    try:
        application()
    except UserError as error:
        typer.echo(f"obcn: {error}", err=True)
        sys.exit(2)


def typed_command() -> str:
    """This call of a script, as it can be typed again."""
    program, *arguments = sys.argv
    # `obcn analyse` calls itself and the script so; Python gives the script's file.
    by_obcn = program.startswith("obcn analyse ")
    words = program.split() if by_obcn else ["python", "-m", f"analysis.{Path(program).stem}"]
    return shlex.join([*words, *arguments])


def write_tables(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write each table as NAME.csv.

    Raises:
        UserError: the folder or a file in it cannot be written.
    """
    _make(folder)
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        with replacing(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
        typer.echo(str(path))


def write_figures(folder: Path, figures: dict[str, go.Figure], picture: Picture = "svg") -> None:
    """Write each figure as NAME.html, and as NAME.svg or .png where a Chrome is found to draw it.

    The pages share one copy of plotly.js beside them and need no network.

    Raises:
        UserError: the folder or a page in it cannot be written.
    """
    _make(folder)
    for name, figure in figures.items():
        path = folder / f"{name}.html"
        with replacing(path) as temporary:
            figure.write_html(temporary, include_plotlyjs="directory")
        typer.echo(str(path))
    drawn = {folder / f"{name}.{picture}": figure for name, figure in figures.items()}
    reason = draw_pictures(drawn)
    if reason is None:
        typer.echo("\n".join(map(str, drawn)))
    else:
        typer.echo(
            f"no {picture} written, only HTML and CSV: {reason.rstrip('.')}. Pictures need the package kaleido and a "
            "Chrome or Chromium; install one, or name it in BROWSER_PATH",
            err=True,
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from error
