"""Record files made by hand: no detector, only the columns that a test is about."""

from pathlib import Path

import numpy as np

from obcn.records.files import RecordInfo, RecordWriter
from obcn.records.schema import COORDINATES, CORNERS, each

CATEGORIES = {1: "cat", 2: "dog"}


def make_info(
    num_stages: int = 0,
    model: str | None = None,
    photos: int = 1,
    card: dict | None = None,
    labels: int = 22,
    coordinates: tuple[str, ...] = COORDINATES,
) -> RecordInfo:
    return RecordInfo(
        model=model or ("obcn" if num_stages else "regression"),
        card=card or {},
        command="",
        data="made",
        photos=photos,
        categories=CATEGORIES,
        bins=(labels,) * num_stages,
        coordinates=coordinates,
    )


def write_matched(
    path: Path,
    rows: int,
    num_stages: int = 0,
    model: str | None = None,
    card: dict | None = None,
    labels: int = 22,
    coordinates: tuple[str, ...] = COORDINATES,
    **columns,
) -> Path:
    """A file of matched detections, all cats of 50x50 px, with the given columns beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordWriter(path, make_info(num_stages, model, card=card, labels=labels, coordinates=coordinates)) as writer:
        writer.add(
            {
                "image_id": np.ones(rows, dtype=np.int64),
                "category": np.full(rows, "cat"),
                "outcome": np.full(rows, "matched"),
                "truth_area": np.full(rows, 2500.0),
                "score": np.full(rows, 0.5),
                "iou": np.full(rows, 0.75),
                **{name: np.asarray(values) for name, values in columns.items()},
            }
        )
    return path


def write_scene(path: Path, rows: list[dict], photos: int, model: str | None = None, num_stages: int = 0) -> Path:
    """A file for AP, one dict per row: ``photo``, ``category``, and ``box`` with ``score`` or ``truth`` with ``id``.

    Boxes are (x1, y1, x2, y2). A row with both boxes is matched. ``difficult`` marks the truth. ``columns`` are more
    columns of the row.
    """
    with RecordWriter(path, make_info(num_stages, model, photos)) as writer:
        for row in rows:
            writer.add(scene_row(row))
    return path


def scene_row(row: dict) -> dict[str, np.ndarray]:
    box, truth = row.get("box"), row.get("truth")
    outcome = "matched" if box and truth else "unmatched" if box else "missed"
    if row.get("difficult"):
        outcome = "ignored"
    columns = {
        "image_id": row["photo"],
        "file_name": f"{row['photo']}.png",
        "image_width": 200,
        "image_height": 200,
        "category_id": row.get("category", 1),
        "category": CATEGORIES[row.get("category", 1)],
        "outcome": outcome,
    }
    if box:
        columns |= {"score": row["score"], **dict(zip(each("box", CORNERS), map(float, box), strict=True))}
    if truth:
        columns |= {
            "truth_id": row["id"],
            **dict(zip(each("truth", CORNERS), map(float, truth), strict=True)),
            "truth_area": float((truth[2] - truth[0]) * (truth[3] - truth[1])),
            "truth_crowd": False,
            "truth_difficult": bool(row.get("difficult")),
        }
    if box and truth:
        columns["iou"] = float(_iou(box, truth))
    columns |= row.get("columns", {})
    return {name: np.array([value]) for name, value in columns.items()}


def _iou(box, other) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (areas - shared)
