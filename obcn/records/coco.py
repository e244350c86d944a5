"""A record file as COCO's records: AP computed from it is the AP of the run that wrote it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from obcn.data.annotations import Annotations
from obcn.records.files import read_info, read_records
from obcn.records.schema import CORNERS, each

# pycocotools looks at no more detections of one class in one photo.
_MOST_DETECTIONS = 100
# As dictionaries a few hundred megabytes.
ROWS_AT_ONCE = 100_000

_BOXES, _TRUTH_BOXES = each("box", CORNERS), each("truth", CORNERS)
_COLUMNS = ["image_id", "file_name", "image_width", "image_height", "category_id", "score", *_BOXES]
_COLUMNS += ["truth_id", *_TRUTH_BOXES, "truth_area", "truth_crowd", "truth_difficult"]


def coco_of_records(path: str | Path) -> tuple[Annotations, list[dict]]:
    """The truth and the detections of a record file as COCO's records, from which AP is computed.

    Photos with neither are not listed, nor are detections behind the hundred best of their photo and class: they change
    no AP.

    Raises:
        UserError: as :func:`read_info`.
    """
    return _coco(Path(path), read_info(path).categories, read_records(path, _COLUMNS))


def coco_of_classes(path: Path) -> Iterator[Iterator[tuple[Annotations, list[dict]]]]:
    """As :func:`coco_of_records`, class by class in the order of their ids, and each class in pieces of some photos.

    pycocotools matches photo by photo, so pieces change nothing; and of millions of rows only those of one piece stand
    in memory as COCO's dictionaries, which are twenty times as large. Photos come in the order of their ids. Each piece
    lists its photos alone.

    Raises:
        UserError: as :func:`~obcn.records.files.read_info`.
    """
    categories = sorted(read_info(path).categories.items())
    table = read_records(path, _COLUMNS)
    # Apart, so that a class's rows are let go once it is done.
    of_class = {number: table.filter(pc.equal(table["category_id"], number)) for number, _ in categories}
    del table
    for number, name in categories:
        yield (_coco(path, {number: name}, piece) for piece in _pieces(of_class.pop(number)))


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    """Rows of whole photos, about ``ROWS_AT_ONCE`` at a time."""
    photos = table["image_id"].to_numpy()
    order = np.argsort(photos, kind="stable")
    starts = np.flatnonzero(np.diff(photos[order])) + 1
    wanted = np.searchsorted(starts, np.arange(ROWS_AT_ONCE, len(order), ROWS_AT_ONCE))
    bounds = np.unique([0, *starts[wanted[wanted < len(starts)]], len(order)])
    for first, end in pairwise(bounds.tolist()):
        yield table.take(order[first:end])


def _coco(path: Path, categories: dict[int, str], table: pa.Table) -> tuple[Annotations, list[dict]]:
    frame = table.to_pandas()
    images = frame.drop_duplicates("image_id")[["image_id", "file_name", "image_width", "image_height"]]
    objects = frame[frame.truth_id.notna()].drop_duplicates("truth_id")
    found = best_detections(frame)
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
            for row, box in zip(objects.itertuples(), _sizes(objects[_TRUTH_BOXES].to_numpy()), strict=True)
        ],
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
    }
    rows = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, score, box in zip(
            found.image_id.tolist(),
            found.category_id.tolist(),
            found.score.tolist(),
            _sizes(found[_BOXES].to_numpy(np.float64)),
            strict=True,
        )
    ]
    return Annotations(path.parent, coco), rows


def best_detections(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of detections that count towards AP, in their order; of equal scores the first, as pycocotools has it.

    Args:
        rows: of a record file, whole photos: ``image_id``, ``category_id``, ``score`` and any others.
    """
    found = rows[rows.score.notna()]
    best_first = found.iloc[np.argsort(-found.score.to_numpy(), kind="stable")]
    place = best_first.groupby(["image_id", "category_id"], observed=True).cumcount()
    return found[(place < _MOST_DETECTIONS).loc[found.index]]


def _sizes(corners: np.ndarray) -> list[list[float]]:
    """(N, 4) corners as COCO's (x, y, width, height)."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1).tolist()
