"""``obcn analyse``."""

import ast
import runpy
import sys
from pathlib import Path
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
    """Draw figures and tables from record files, and run the studies.

    Example: `obcn analyse ap-by-iou regression.parquet obcn.parquet --output figures`
    """
    scripts = _scripts()
    if name in (None, "-h", "--help"):
        typer.echo("Usage: obcn analyse NAME ...\n\n`obcn analyse NAME --help` says what follows a name. The names:\n")
        for each, script in scripts.items():
            typer.echo(f"  {each:<20} {_first_line(script)}")
        return
    name = name.replace("_", "-")
    if name not in scripts:
        raise UserError(f"no analysis {name!r}; there are: {', '.join(scripts)}")
    # A script is a module of a package that only this path knows; it runs as `python -m analysis.NAME` in a clone.
    sys.path.insert(0, str(ROOT))
    sys.argv = [f"obcn analyse {name}", *context.args]
    try:
        runpy.run_module(f"analysis.{scripts[name].stem}", run_name="__main__")
    except ModuleNotFoundError as error:
        if error.name not in ("plotly", "kaleido"):
            raise
        raise UserError(
            f"{name} draws with {error.name}, which is not installed: pip install 'obcn[analysis]'"
        ) from None


def _scripts() -> dict[str, Path]:
    """Modules that are run, by what they are called here."""
    files = sorted((ROOT / "analysis").glob("*.py"))
    return {file.stem.replace("_", "-"): file for file in files if "__main__" in file.read_text(encoding="utf-8")}


def _first_line(script: Path) -> str:
    """What its own help says first; read, not imported, which would take seconds and plotly."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    return (ast.get_docstring(main) or "").partition("\n")[0]
