"""Records: what a detector said of every object of a data set, as one Parquet table (docs/records.md).

One row per detection and one per true object that none matched. The analyses and the app read this table and
nothing else; AP computed from it is the AP of the run that wrote it.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from obcn.checkpoints import Card
from obcn.data.annotations import Annotations
from obcn.engine.evaluate import Photo, category_ids, detect
from obcn.errors import UserError
from obcn.models.detector import Detector
from obcn.offsets import OffsetCodec
from obcn.record_files import RecordInfo, RecordWriter, read_info, read_records
from obcn.record_rows import photo_columns
from obcn.record_schema import CORNERS, each

__all__ = ["RecordInfo", "RecordWriter", "coco_of_records", "read_info", "read_records", "recorded", "write_records"]


def write_records(
    detector: Detector,
    card: Card,
    annotations: Annotations,
    path: Path,
    command: str,
    data: str,
    on_photo: Callable[[], None] = lambda: None,
) -> None:
    """Run a detector over a data set and write its records; see :func:`recorded`."""
    for _ in recorded(detect(detector, annotations), detector, card, annotations, path, command, data):
        on_photo()


def recorded(
    photos: Iterable[Photo],
    detector: Detector,
    card: Card,
    annotations: Annotations,
    path: Path,
    command: str,
    data: str,
) -> Iterator[Photo]:
    """Pass photos on while writing the records of each, so that one pass serves AP and records alike.

    The file appears, whole, when the last photo has passed; a run that stops early leaves none.

    Args:
        photos: COCO image records with detections, as :func:`obcn.engine.evaluate.detect` yields them.
        detector: what found them.
        card: its checkpoint's card.
        annotations: the truth.
        path: the Parquet file to write; its folder is made.
        command: what the user typed.
        data: what to call the photos.

    Raises:
        UserError: classes differ, or the file cannot be written.
    """
    ids = category_ids(detector, annotations)
    codec = detector.codec
    info = RecordInfo(
        model=_model_name(card, codec),
        card=card.model_dump(mode="json"),
        command=command,
        data=data,
        photos=len(annotations),
        categories=dict(zip(ids, detector.classes, strict=True)),
        bins=_bins(codec),
    )
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with RecordWriter(temporary, info) as writer:
            for image, found in photos:
                writer.add(photo_columns(image, found, annotations.boxes_of(image), codec, info.categories))
                yield image, found
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def coco_of_records(path: Path) -> tuple[Annotations, list[dict]]:
    """The truth and the detections of a record file as COCO's records, from which AP is computed.

    Photos with neither are not listed: they change no AP.

    Raises:
        UserError: as :func:`read_info`.
    """
    info = read_info(path)
    boxes, truth_boxes = each("box", CORNERS), each("truth", CORNERS)
    names = ["image_id", "file_name", "image_width", "image_height", "category_id", "score", *boxes]
    names += ["truth_id", *truth_boxes, "truth_area", "truth_crowd", "truth_difficult"]
    frame = read_records(path, names).to_pandas()

    images = frame.drop_duplicates("image_id")[["image_id", "file_name", "image_width", "image_height"]]
    objects = frame[frame.truth_id.notna()].drop_duplicates("truth_id")
    found = frame[frame.score.notna()]
    coco = {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, name, width, height in images.itertuples(index=False)
        ],
        "annotations": [
            {
                "id": int(row.truth_id),
                "image_id": row.image_id,
                "category_id": row.category_id,
                "bbox": box,
                "area": row.truth_area,
                "iscrowd": int(row.truth_crowd),
                "difficult": int(row.truth_difficult),
            }
            for row, box in zip(objects.itertuples(), _sizes(objects[truth_boxes].to_numpy()), strict=True)
        ],
        "categories": [{"id": number, "name": name} for number, name in info.categories.items()],
    }
    rows = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, score, box in zip(
            found.image_id.tolist(),
            found.category_id.tolist(),
            found.score.tolist(),
            _sizes(found[boxes].to_numpy(np.float64)),
            strict=True,
        )
    ]
    return Annotations(path.parent, coco), rows


def _sizes(corners: np.ndarray) -> list[list[float]]:
    """(N, 4) corners as COCO's (x, y, width, height)."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1).tolist()


def _model_name(card: Card, codec: OffsetCodec) -> str:
    """The card's name, and how the codec decodes where that is not what the card's config says."""
    changed: list[str] = []
    rule = getattr(codec, "rule", None)
    if rule != getattr(card.config.box_head.offsets.build(), "rule", None):
        changed.append(str(rule))
    used = getattr(codec, "used_stages", None)
    if used not in (None, len(_bins(codec))):
        changed.append(f"K = {used}")
    return f"{card.name} ({', '.join(changed)})" if changed else card.name


def _bins(codec: OffsetCodec) -> tuple[int, ...]:
    return tuple(len(stage.representatives) for stage in codec.explain(torch.zeros(0, codec.num_outputs)).stages)
