"""The ``obcn`` command."""

from pathlib import Path
from typing import Annotated

import typer

from obcn.errors import UserError

app = typer.Typer(
    help="Detectors whose box head classifies offsets: train, evaluate, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _group() -> None:
    """Detectors whose box head classifies offsets: train, evaluate, predict."""


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A shipped config's name, or a YAML file.")],
    data: Annotated[Path, typer.Option(help="YAML that says where the training and validation data lie.")],
    output: Annotated[Path, typer.Option(help="Folder for checkpoints, curves and the state to resume from.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the config's.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default cuda where there is one.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --output stopped.")] = False,
    init: Annotated[
        str | None, typer.Option(help="Start from this checkpoint's weights, offset outputs fresh.")
    ] = None,
    freeze_trunk: Annotated[
        bool, typer.Option("--freeze-trunk", help="Train only the box head, on candidates of a frozen trunk.")
    ] = False,
    validate_every: Annotated[int, typer.Option(min=1, help="Epochs between validations.")] = 1,
) -> None:
    """Train a detector.

    Example: obcn train compact_obcn --data data.yaml --output runs/obcn
    """
    import torch

    from obcn.config import load_config
    from obcn.data import load_data_config, read_annotations
    from obcn.engine.train import TrainingOptions
    from obcn.engine.train import train as run

    options = TrainingOptions(
        output=output,
        data_name=data.stem,
        epochs=epochs,
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
        seed=seed,
        resume=resume,
        init=init,
        freeze_trunk=freeze_trunk,
        validate_every=validate_every,
    )
    run(load_config(config), *read_annotations(load_data_config(data)), options)


def main() -> None:
    """Run the command; a :class:`UserError` becomes one line on stderr and exit status 2."""
    try:
        app()
    except UserError as error:
        typer.echo(f"obcn: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
