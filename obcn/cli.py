"""The ``obcn`` command; each subcommand is a file of :mod:`obcn.commands`."""

from typing import Annotated

import typer

from obcn import __version__
from obcn.commands.analyse import SETTINGS, analyse
from obcn.commands.app import app as open_app
from obcn.commands.evaluate import evaluate
from obcn.commands.export import export
from obcn.commands.models import models
from obcn.commands.predict import predict
from obcn.commands.train import train
from obcn.errors import UserError

app = typer.Typer(
    help="Detectors whose box head classifies offsets instead of regressing them, and an app that shows what it sees.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _say_version(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Say which version this is.")] = False,
) -> None:
    if version:
        typer.echo(f"obcn {__version__}")
        raise typer.Exit


app.command()(train)
app.command("eval")(evaluate)
app.command()(predict)
app.command()(models)
app.command()(export)
app.command("app")(open_app)
app.command(context_settings=SETTINGS)(analyse)


def main() -> None:
    """Run the command; a :class:`UserError` becomes one line on stderr and its exit status."""
    try:
        app()
    except UserError as error:
        typer.echo(f"obcn: {error}", err=True)
        raise SystemExit(error.exit_status) from None


if __name__ == "__main__":
    main()
