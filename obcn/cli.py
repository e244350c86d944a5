"""The ``obcn`` command: train, eval, predict, models.

Heavy modules are imported inside the commands, so that ``obcn --help`` answers at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from obcn.errors import UserError

if TYPE_CHECKING:
    from obcn.data import Annotations
    from obcn.models.detector import Detector

app = typer.Typer(
    help="Detectors whose box head classifies offsets instead of regressing them: train, evaluate, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

ModelOption = Annotated[
    str, typer.Option(help="A shipped checkpoint's name (see `obcn models`) or a .safetensors file.")
]
DecodeOption = Annotated[
    Literal["argmax", "expectation"] | None, typer.Option(help="How a bin head's distribution becomes an offset.")
]
StagesOption = Annotated[int | None, typer.Option(help="Use only the first so many stages of a bin head.")]
DeviceOption = Annotated[
    Literal["cpu", "cuda"] | None, typer.Option(help="By default cuda where there is one, else cpu.")
]


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A shipped config's name (see `obcn models`) or a YAML file.")],
    data: Annotated[Path, typer.Option(help="YAML that says where the training and validation data lie.")],
    output: Annotated[Path, typer.Option(help="Folder for checkpoints, curves and the state to resume from.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the config's.")] = None,
    device: DeviceOption = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --output stopped.")] = False,
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
    """Train a detector on COCO or VOC data.

    Example: `obcn train compact_obcn --data data.yaml --output runs/obcn`

    The data file, for COCO (for VOC, `format: voc` and `{root, split}` in place of `{images, annotations}`):

        format: coco
        train: {images: photos, annotations: train.json}
        val: {images: photos, annotations: val.json}
    """
    from obcn.config import load_config
    from obcn.data import load_data_config, read_annotations
    from obcn.engine.train import TrainingOptions
    from obcn.engine.train import train as run

    options = TrainingOptions(
        output=output,
        data_name=data.stem,
        epochs=epochs,
        device=_device(device),
        seed=seed,
        resume=resume,
        init=init,
        freeze_trunk=freeze_trunk,
        validate_every=validate_every,
        save_every=save_every,
    )
    run(load_config(config), *read_annotations(load_data_config(data)), options)


@app.command("eval")
def evaluate(
    model: ModelOption,
    images: Annotated[Path | None, typer.Option(help="Folder of photos, with --annotations.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="COCO instances file.")] = None,
    voc: Annotated[Path | None, typer.Option(help="VOC folder, instead of --images and --annotations.")] = None,
    split: Annotated[str, typer.Option(help="Split of the VOC folder.")] = "val",
    decode: DecodeOption = None,
    stages: StagesOption = None,
    device: DeviceOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="Write one Parquet row per detection and per miss here (docs/records.md)."),
    ] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Record the figures in the checkpoint's own card.")
    ] = False,
) -> None:
    """Measure AP on annotated photos, by pycocotools.

    Example: `obcn eval --model obcn --images photos --annotations instances_val.json --json obcn.json`
    """
    from obcn.checkpoints import find_checkpoint, load_checkpoint, typed_command, write_card_file
    from obcn.engine import report

    if write_card and (decode is not None or stages is not None):
        raise UserError("a card says how its model is read by default: give --write-card without --decode and --stages")
    detector, card = load_checkpoint(model, _device(device))
    _decode_by(detector, decode, stages)
    truth = _truth(detector, images, annotations, voc, split)
    data = str(annotations or f"{voc} ({split})")
    measured = report.measure(detector, card, truth, typed_command(), data, records)
    report.print_table({card.name: measured})
    if json_file is not None:
        _write(json_file, measured.model_dump_json(indent=2))
    if write_card:
        write_card_file(find_checkpoint(model), card.model_copy(update={"evaluation": measured}))


@app.command()
def predict(
    photos: Annotated[list[Path], typer.Argument(help="Photos.", metavar="IMAGE...")],
    model: ModelOption = "obcn",
    score: Annotated[float, typer.Option(min=0, max=1, help="Leave out detections below this.")] = 0.5,
    decode: DecodeOption = None,
    stages: StagesOption = None,
    device: DeviceOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write COCO result rows here.")] = None,
    save: Annotated[Path | None, typer.Option(help="Folder to write the photos with their boxes into.")] = None,
) -> None:
    """Detect objects in photos.

    Example: `obcn predict dog.jpg horse.png --save drawn --json found.json`
    """
    import json

    from obcn.checkpoints import load_checkpoint
    from obcn.data import read_photo
    from obcn.drawing import draw_detections
    from obcn.explain import detection_rows, score_photo, select
    from obcn.models.roi_heads import DetectionThresholds

    detector, _ = load_checkpoint(model, _device(device))
    _decode_by(detector, decode, stages)
    if save is not None:
        _make_folder(save)
        if len({path.stem for path in photos}) < len(photos):
            raise UserError("two of these photos have one name, and --save would keep only one of them")
        if {_drawn(save, path).resolve() for path in photos} & {path.resolve() for path in photos}:
            raise UserError(f"--save {save} would write over the photos themselves; name another folder")
    rows = []
    for number, path in enumerate(photos, start=1):
        photo = read_photo(path)
        found = select(score_photo(detector, photo), detector.codec, DetectionThresholds(score=score))
        found_rows = detection_rows(found, detector.classes, image_id=number, file_name=path.name)
        rows += found_rows
        typer.echo(f"{path}: {len(found)} object(s)")
        for row in found_rows:
            x, y, width, height = row["bbox"]
            typer.echo(f"  {row['category']} {row['score']:.2f}  x {x:.0f} y {y:.0f} w {width:.0f} h {height:.0f} px")
        if save is not None:
            draw_detections(photo, found).save(_drawn(save, path))
    if json_file is not None:
        _write(json_file, json.dumps(rows, indent=1))


@app.command()
def models() -> None:
    """List the checkpoints and configs that ship, from their cards.

    Example: `obcn models`
    """
    from obcn.checkpoints import SHIPPED_CHECKPOINTS, read_card, shipped_names
    from obcn.config import SHIPPED_CONFIGS
    from obcn.engine import report

    cards = {name: read_card(SHIPPED_CHECKPOINTS / f"{name}.safetensors") for name in shipped_names()}
    report.print_cards(cards)
    typer.echo("configs: " + ", ".join(sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))))


def _drawn(folder: Path, photo: Path) -> Path:
    """Where the copy of a photo with its boxes goes."""
    return folder / f"{photo.stem}.png"


def _device(asked: str | None) -> str:
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise UserError("no CUDA device here; use --device cpu")
    return asked or ("cuda" if torch.cuda.is_available() else "cpu")


def _decode_by(detector: "Detector", decode: Literal["argmax", "expectation"] | None, stages: int | None) -> None:
    try:
        detector.codec = detector.codec.decoding(decode, stages)
    except ValueError as error:
        raise UserError(str(error)) from error


def _truth(
    detector: "Detector", images: Path | None, annotations: Path | None, voc: Path | None, split: str
) -> "Annotations":
    from obcn.data.coco import read_coco
    from obcn.data.voc import read_voc

    if voc is not None and images is None and annotations is None:
        return read_voc(voc, split, detector.classes)
    if voc is None and images is not None and annotations is not None:
        return read_coco(images, annotations)
    raise UserError("give either --images and --annotations, or --voc")


def _write(path: Path, text: str) -> None:
    _make_folder(path.parent)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from error


def main() -> None:
    """Run the command; a :class:`UserError` becomes one line on stderr and exit status 2."""
    try:
        app()
    except UserError as error:
        typer.echo(f"obcn: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
