"""``obcn eval``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obcn.commands.files import make_folder, refuse_folder, write_text
from obcn.commands.options import (
    DecodeOption,
    DeviceOption,
    MergeOption,
    ModelOption,
    RankOption,
    StagesOption,
    chosen_device,
    decode_by,
    select_by,
    show_notes,
)
from obcn.errors import UserError

if TYPE_CHECKING:
    from obcn.data import Annotations
    from obcn.models.scoring import PhotoScorer


def evaluate(
    model: ModelOption,
    data: Annotated[
        Path | None, typer.Option(help="The data file that `obcn train` takes; its validation photos are measured.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of photos, with --annotations, instead of --data.")
    ] = None,
    annotations: Annotated[Path | None, typer.Option(help="COCO instances file.")] = None,
    voc: Annotated[Path | None, typer.Option(help="VOC folder, instead of --data.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of the VOC folder; val by default.")] = None,
    decode: DecodeOption = None,
    stages: StagesOption = None,
    rank_by: RankOption = None,
    merge_by: MergeOption = None,
    device: DeviceOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="Write one Parquet row per detection and per miss here (docs/records.md)."),
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Write all detections here, as COCO result rows with the data's ids.")
    ] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Record the figures in the checkpoint's own card.")
    ] = False,
) -> None:
    """Measure AP on annotated photos, by pycocotools.

    Example: `obcn eval --model obcn --data data.yaml --json obcn.json`
    """
    from obcn.checkpoints import Card, find_checkpoint, typed_command, write_card_file
    from obcn.engine import report
    from obcn.engine.distributed import joined
    from obcn.opening import detector_name, is_exported, open_detector

    if write_card and any(asked is not None for asked in (decode, stages, rank_by, merge_by)):
        raise UserError(
            "a card says how its model is read by default: give --write-card without --decode, --stages, --rank-by and "
            "--merge-by"
        )
    if write_card and is_exported(model):
        raise UserError("--write-card writes into a checkpoint's card; an .onnx file has none")
    _refuse_unclear(data, images, annotations, voc, split)
    split = split or "val"
    with joined(chosen_device(device)) as ranks:
        # Several processes write records into a folder.
        refuse_folder(json_file, detections, records if ranks.count == 1 else None)
        detector, card = open_detector(model, str(ranks.device))
        decode_by(detector, decode, stages)
        select_by(detector, rank_by, merge_by)
        truth = _truth(detector.classes, data, images, annotations, voc, split)
        if is_exported(model):
            _only_of(detector, truth)
        if ranks.first:
            show_notes(truth)
        photos = str(data or annotations or f"{voc} ({split})")
        if detections is not None:
            make_folder(detections.parent)
        name = detector_name(model)
        measured = report.measure(detector, name, card, truth, typed_command(), photos, records, detections, ranks)
        if not ranks.first:
            return
        report.print_table({name: measured})
        if json_file is not None:
            write_text(json_file, measured.model_dump_json(indent=2))
        if write_card:
            assert isinstance(card, Card)
            write_card_file(find_checkpoint(model), card.model_copy(update={"evaluation": measured}))


def _only_of(detector: "PhotoScorer", truth: "Annotations") -> None:
    """Leave out classes that an exported detector knows and the data does not: most know COCO's 80."""
    from obcn.exported.detector import ExportedDetector

    assert isinstance(detector, ExportedDetector)
    named = {category["name"] for category in truth.categories}
    if named < set(detector.classes):
        detector.only(named)


def _refuse_unclear(
    data: Path | None, images: Path | None, annotations: Path | None, voc: Path | None, split: str | None
) -> None:
    """Refuse options that name no photos, or several, or of which one says nothing.

    Raises:
        UserError: as it says.
    """
    pair = "--images and --annotations"
    ways = {"--data": data, pair: images or annotations, "--voc": voc}
    given = [way for way, value in ways.items() if value is not None]
    if not given:
        raise UserError(f"no photos to measure on: give --data, or {pair}, or --voc")
    if len(given) > 1:
        raise UserError(f"photos to measure on are named by {' and by '.join(given)}: give one of them")
    if given == [pair] and None in (images, annotations):
        raise UserError(f"{pair} belong together: give {'--images' if images is None else '--annotations'} too")
    if split is not None and voc is None:
        raise UserError("--split is of a VOC folder: give --voc, or leave it out")


def _truth(
    classes: tuple[str, ...],
    data: Path | None,
    images: Path | None,
    annotations: Path | None,
    voc: Path | None,
    split: str,
) -> "Annotations":
    from obcn.data import load_data_config, read_validation
    from obcn.data.coco import read_coco
    from obcn.data.voc import read_voc

    if data is not None:
        return read_validation(load_data_config(data), classes)
    if voc is not None:
        return read_voc(voc, split, classes)
    assert images is not None
    assert annotations is not None
    return read_coco(images, annotations)
