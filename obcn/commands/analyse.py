"""``obcn analyse``."""

import runpy
import sys
from typing import Annotated

import typer

from obcn.errors import UserError
from obcn.resources import ROOT

# What follows the name is the script's, --help too.
SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def analyse(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Of the script; without one, all are listed.")] = None,
) -> None:
    """Draw figures and tables from record files.

    Example: `obcn analyse ap-by-iou regression.parquet obcn.parquet --output figures`
    """
    scripts = _scripts()
    if name in (None, "-h", "--help"):
        typer.echo(f"obcn analyse NAME ...; `obcn analyse NAME --help` says more. The names: {', '.join(scripts)}")
        return
    if name not in scripts:
        raise UserError(f"no analysis {name!r}; there are: {', '.join(scripts)}")
    # A script is a module of a package that only this path knows; it runs as `python -m analysis.NAME` in a clone.
    sys.path.insert(0, str(ROOT))
    sys.argv = [f"obcn analyse {name}", *context.args]
    try:
        runpy.run_module(f"analysis.{scripts[name]}", run_name="__main__")
    except ModuleNotFoundError as error:
        if error.name not in ("plotly", "kaleido"):
            raise
        raise UserError(
            f"{name} draws with {error.name}, which is not installed: pip install 'obcn[analysis]'"
        ) from None


def _scripts() -> dict[str, str]:
    """Modules that are run, by what they are called here."""
    files = sorted((ROOT / "analysis").glob("*.py"))
    return {file.stem.replace("_", "-"): file.stem for file in files if "__main__" in file.read_text(encoding="utf-8")}
