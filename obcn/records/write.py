"""What a detector says of every object of a data set, written as it is found."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch

from obcn.data.annotations import Annotations
from obcn.files import replacing
from obcn.models.scoring import DetectorCard, PhotoScorer
from obcn.offsets import OffsetCodec
from obcn.records.detections import Photo, category_ids, detect
from obcn.records.files import RecordInfo, RecordWriter
from obcn.records.rows import photo_columns


def write_records(
    detector: PhotoScorer,
    name: str,
    card: DetectorCard,
    annotations: Annotations,
    path: Path,
    command: str,
    data: str,
    on_photo: Callable[[], None] = lambda: None,
) -> None:
    """Run a detector over a data set and write its records; see :func:`recorded`."""
    for _ in recorded(detect(detector, annotations), detector, name, card, annotations, path, command, data):
        on_photo()


def recorded(
    photos: Iterable[Photo],
    detector: PhotoScorer,
    name: str,
    card: DetectorCard,
    annotations: Annotations,
    path: Path,
    command: str,
    data: str,
) -> Iterator[Photo]:
    """Pass photos on while writing the records of each, so that one pass serves AP and records alike.

    The file appears, whole, when the last photo has passed; a run that stops early leaves none.

    Args:
        photos: COCO image records with detections, as :func:`obcn.records.detections.detect` yields them.
        detector: what found them.
        name: what to call it, as :func:`obcn.checkpoints.checkpoint_name` does.
        card: its card.
        annotations: the truth.
        path: the Parquet file to write; its folder is made.
        command: what the user typed.
        data: what to call the photos.

    Raises:
        UserError: classes differ, or the file cannot be written.
    """
    ids = category_ids(detector, annotations)
    codec = detector.codec
    first, second, third, fourth = codec.box.coordinates
    info = RecordInfo(
        model=name + _decoding(card, codec),
        card=card.model_dump(mode="json"),
        command=command,
        data=data,
        photos=len(annotations),
        categories=dict(zip(ids, detector.classes, strict=True)),
        bins=_bins(codec),
        coordinates=(first.key, second.key, third.key, fourth.key),
        unit=codec.box.unit,
    )
    with replacing(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        with RecordWriter(temporary, info) as writer:
            for image, found in photos:
                writer.add(photo_columns(image, found, annotations.boxes_of(image), codec, info.categories))
                yield image, found


def _decoding(card: DetectorCard, codec: OffsetCodec) -> str:
    """How the codec decodes where that is not what the card's config says, as :attr:`RecordInfo.decoding` finds it."""
    changed: list[str] = []
    if codec.rule != card.codec.rule:
        changed.append(str(codec.rule))
    seen = codec.explain(torch.zeros(0, codec.num_outputs))
    if seen.used_stages != len(seen.stages):
        changed.append(f"K = {seen.used_stages}")
    return f" ({', '.join(changed)})" if changed else ""


def _bins(codec: OffsetCodec) -> tuple[int, ...]:
    return tuple(len(stage.representatives) for stage in codec.explain(torch.zeros(0, codec.num_outputs)).stages)
