"""Boxes that are neither object nor background: crowds, and objects that VOC calls difficult."""

from torch import Tensor
from torchvision.ops import box_area, box_iou


def mostly_inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """(N,) whether at least half of each box lies inside one of the (I, 4) regions.

    Args:
        boxes: (N, 4) in pixels.
        regions: (I, 4) in the same pixels; there may be none.
    """
    regions = regions.to(boxes)
    iou, area = box_iou(boxes, regions), box_area(boxes)[:, None]
    intersection = iou * (area + box_area(regions)) / (1 + iou)
    return (intersection >= 0.5 * area).any(1)


def clear_of_ignored(boxes: Tensor, target: dict[str, Tensor], foreground_iou: float) -> Tensor:
    """Candidates that may be sampled: all but those mostly inside an ``ignored`` box and on no object.

    Args:
        boxes: (R, 4) candidates in pixels.
        target: ``boxes`` (G, 4) and perhaps ``ignored`` (I, 4) in the same pixels.
        foreground_iou: from which a candidate is on an object.
    """
    if "ignored" not in target:
        return boxes
    positive = (box_iou(boxes, target["boxes"].to(boxes)) >= foreground_iou).any(1)
    return boxes[positive | ~mostly_inside(boxes, target["ignored"])]
