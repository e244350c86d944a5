"""The ``obcn`` command; each subcommand is a file of :mod:`obcn.commands`."""

import typer

from obcn.commands.evaluate import evaluate
from obcn.commands.models import models
from obcn.commands.predict import predict
from obcn.commands.train import train
from obcn.errors import UserError

app = typer.Typer(
    help="Detectors whose box head classifies offsets instead of regressing them: train, evaluate, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command("eval")(evaluate)
app.command()(predict)
app.command()(models)


def main() -> None:
    """Run the command; a :class:`UserError` becomes one line on stderr and its exit status."""
    try:
        app()
    except UserError as error:
        typer.echo(f"obcn: {error}", err=True)
        raise SystemExit(error.exit_status) from None


if __name__ == "__main__":
    main()
