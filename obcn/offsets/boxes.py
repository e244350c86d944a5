"""Boxes to normalised offsets and back (Eq. 1 of the paper)."""

import math

from torch import Tensor
from torchvision.models.detection._utils import BoxCoder

# 1 / (0.1, 0.1, 0.2, 0.2): the standard deviations by which Faster R-CNN normalises raw offsets.
OFFSET_WEIGHTS = (10.0, 10.0, 5.0, 5.0)

# Candidates may not grow by more than this factor per side; torchvision's own limit.
MAX_LOG_SCALE = math.log(1000.0 / 16)

_CODER = BoxCoder(OFFSET_WEIGHTS, bbox_xform_clip=MAX_LOG_SCALE)


def encode_boxes(boxes: Tensor, candidates: Tensor) -> Tensor:
    """Normalised offsets that carry each candidate onto its box (Eq. 1 times ``OFFSET_WEIGHTS``).

    Args:
        boxes: (N, 4) target boxes, (x1, y1, x2, y2) in pixels.
        candidates: (N, 4) candidate boxes, same layout, positive width and height.

    Returns:
        (N, 4) normalised offsets (t_x, t_y, t_w, t_h).
    """
    return _CODER.encode_single(boxes, candidates)


def decode_boxes(offsets: Tensor, candidates: Tensor) -> Tensor:
    """Boxes that the normalised offsets describe; the inverse of :func:`encode_boxes`.

    Args:
        offsets: (N, 4) normalised offsets.
        candidates: (N, 4) candidate boxes, (x1, y1, x2, y2) in pixels.

    Returns:
        (N, 4) boxes in pixels. Sizes grow by at most 1000/16, so no offset overflows.
    """
    return _CODER.decode_single(offsets, candidates)
