"""A record file as COCO's records: AP computed from it is the AP of the run that wrote it."""

from pathlib import Path

import numpy as np
import pandas as pd

from obcn.data.annotations import Annotations
from obcn.records.files import read_info, read_records
from obcn.records.schema import CORNERS, each

# pycocotools looks at no more detections of one class in one photo.
_MOST_DETECTIONS = 100


def coco_of_records(path: Path) -> tuple[Annotations, list[dict]]:
    """The truth and the detections of a record file as COCO's records, from which AP is computed.

    Photos with neither are not listed, nor are detections behind the hundred best of their photo and class: they change
    no AP.

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
    found = _best(frame[frame.score.notna()])
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


def _best(found: pd.DataFrame) -> pd.DataFrame:
    """The detections that count towards AP, in their order; of equal scores the first, as pycocotools has it."""
    best_first = found.iloc[np.argsort(-found.score.to_numpy(), kind="stable")]
    place = best_first.groupby(["image_id", "category_id"], observed=True).cumcount()
    return found[(place < _MOST_DETECTIONS).loc[found.index]]


def _sizes(corners: np.ndarray) -> list[list[float]]:
    """(N, 4) corners as COCO's (x, y, width, height)."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1).tolist()
