"""``obcn train``."""

from pathlib import Path
from typing import Annotated

import typer

from obcn.commands.options import DeviceOption, chosen_device, show_notes


def train(
    config: Annotated[str, typer.Argument(help="A shipped config's name (see `obcn models`) or a YAML file.")],
    data: Annotated[Path, typer.Option(help="YAML that says where the training and validation data lie.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for checkpoints, curves and the state to resume from; by default runs/ and the config's name."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the config's.")] = None,
    device: DeviceOption = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice; 0 by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the run in --output stopped; --epochs may grow.")
    ] = False,
    init: Annotated[
        str | None, typer.Option(help="Start from this checkpoint's weights; the offset outputs start fresh.")
    ] = None,
    freeze_trunk: Annotated[
        bool,
        typer.Option("--freeze-trunk", help="Train only the box head, on the trunk that --init names."),
    ] = False,
    validate_every: Annotated[int, typer.Option(min=1, help="Epochs between validations.")] = 1,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between the states that --resume starts from.")] = 200,
) -> None:
    """Train a detector on COCO, VOC or YOLO data.

    Example: `obcn train compact_obcn --data data.yaml`

    The data file, for COCO (for VOC, `format: voc` and `{root, split}` in place of `{images, annotations}`):

        format: coco
        train: {images: photos, annotations: train.json}
        val: {images: photos, annotations: val.json}

    A data.yaml of YOLO's tools (`path`, `train`, `val`, `names`) is taken as it is.
    """
    from obcn.config import load_config
    from obcn.data import load_data_config, read_annotations
    from obcn.engine.distributed import is_first_process
    from obcn.engine.train import TrainingOptions
    from obcn.engine.train import train as run

    options = TrainingOptions(
        output=output or Path("runs", Path(config).stem),
        data_name=data.stem,
        epochs=epochs,
        device=chosen_device(device),
        seed=seed,
        resume=resume,
        init=init,
        freeze_trunk=freeze_trunk,
        validate_every=validate_every,
        save_every=save_every,
    )
    detector_config = load_config(config)
    train_set, val_set = read_annotations(load_data_config(data))
    if is_first_process():
        show_notes(train_set, val_set)
    run(detector_config, train_set, val_set, options)
    if is_first_process():
        typer.echo(_what_next(options.output, data))


def _what_next(output: Path, data: Path) -> str:
    """Where the checkpoint is, and the commands to try it with."""
    from shlex import quote

    from obcn.checkpoints import read_card
    from obcn.engine.folder import RunFolder

    folder = RunFolder(output)
    # There is no best one where the validation data hold nothing to find.
    path = folder.best if folder.best.is_file() else folder.last
    card = read_card(path)
    figures = card.evaluation.metrics if card.evaluation else {}
    reached = f" (AP {figures['AP']:.1f} after {card.training.epochs:g} epochs)" if "AP" in figures else ""
    model = quote(str(path))
    return "\n".join(
        (
            f"done: {path}{reached}; next:",
            f"  obcn eval --model {model} --data {quote(str(data))}",
            f"  obcn predict PHOTO... --model {model} --save drawn",
            f"  obcn app --model {model}",
        )
    )
