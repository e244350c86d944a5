"""What a detector finds on a data set, photo by photo, and as COCO rows."""

from collections.abc import Iterator

import torch
from torch import Tensor

from obcn.data.annotations import Annotations
from obcn.errors import UserError
from obcn.models.scoring import PhotoScorer
from obcn.models.selection import select_detections

Photo = tuple[dict, dict[str, Tensor]]


def detect(detector: PhotoScorer, annotations: Annotations) -> Iterator[Photo]:
    """Yield each photo's COCO record with its detections, as :func:`select_detections` gives them, on the CPU.

    Raises:
        UserError: a photo cannot be read, or is not of the size that its record says.
    """
    if isinstance(detector, torch.nn.Module):
        detector.eval()
    for record in annotations.images:
        scored = detector.score(annotations.photo(record))
        size = scored.height, scored.width
        yield record, select_detections(scored.candidates, size, detector.codec, detector.thresholds)


def category_ids(detector: PhotoScorer, annotations: Annotations) -> list[int]:
    """The data set's category id of each of the detector's classes, by name.

    Raises:
        UserError: a class of one is unknown to the other.
    """
    by_name = {category["name"]: category["id"] for category in annotations.categories}
    absent = [name for name in detector.classes if name not in by_name]
    if absent and set(by_name) < set(detector.classes):
        raise UserError(
            f"the data's categories leave out {', '.join(absent)}, which the checkpoint knows; add them to the data's "
            "categories (they need no boxes)"
        )
    if set(by_name) != set(detector.classes):
        raise UserError(
            f"the checkpoint's classes ({', '.join(detector.classes)}) are not the data's ({', '.join(by_name)}); name "
            "the data's categories as the checkpoint does, or evaluate a checkpoint that was trained on them"
        )
    return [by_name[name] for name in detector.classes]


def coco_rows(image_id: int, found: dict[str, Tensor], ids: list[int]) -> list[dict]:
    """Detections of one photo as COCO result rows: bbox is (x, y, width, height) in pixels."""
    corners = found["boxes"].double()
    sizes = torch.cat((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1).tolist()
    return [
        {"image_id": image_id, "category_id": ids[label - 1], "bbox": box, "score": score}
        for label, box, score in zip(found["labels"].tolist(), sizes, found["scores"].tolist(), strict=True)
    ]
