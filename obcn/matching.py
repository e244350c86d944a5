"""Which box of one list is the same object as which box of another."""

import torch
from torch import Tensor
from torchvision.ops import box_iou


def match_boxes(
    boxes: Tensor, names: tuple[str, ...], others: Tensor, other_names: tuple[str, ...], min_iou: float = 0.5
) -> dict[int, int]:
    """Pair boxes of one class, the most overlapping pair first; no box is used twice.

    Args:
        boxes: (D, 4) boxes in pixels, with D class ``names``.
        others: (E, 4) boxes in pixels, with E class ``other_names``.
        min_iou: boxes that overlap less are not the same object.

    Returns:
        Row of ``boxes`` to row of ``others``.
    """
    overlap = box_iou(boxes, others)
    same = torch.tensor([[name == other for other in other_names] for name in names], dtype=torch.bool)
    # NaN, the IoU of two boxes without area, is not at least anything.
    allowed = same.reshape(overlap.shape) & (overlap >= min_iou)
    ranked = overlap.where(allowed, -1.0).flatten().argsort(descending=True, stable=True)
    pairs: dict[int, int] = {}
    for flat in ranked[: int(allowed.sum())].tolist():
        row, column = divmod(flat, len(other_names))
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs
