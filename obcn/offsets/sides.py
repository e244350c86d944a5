"""How sure a head is of each side of a box, from the spread of its distributions."""

import torch
from torch import Tensor

from obcn.offsets.box_code import BoxCode, slope
from obcn.offsets.distribution import OffsetExplanation


def side_variance(code: BoxCode, explanation: OffsetExplanation, candidates: Tensor) -> Tensor:
    """(N, 4) variance of the sides (x1, y1, x2, y2), in square pixels.

    Each side is a sum of the box's measures: a distance alone, or the centre less or plus half the size. Its variance
    is the sum of theirs, taken as independent.

    Args:
        code: what the head's numbers mean.
        explanation: of N candidates, by a head with at least one stage.
        candidates: (N, 4) in pixels.

    Raises:
        ValueError: the head keeps no distribution.
    """
    if not explanation.stages:
        raise ValueError("a head that keeps no distribution does not know how sure it is")
    stage = explanation.stages[explanation.telling]
    mean = stage.origin + stage.expectation
    variance = (stage.spread * slope(code, mean, candidates)).square()
    # Which measures a side is made of, and how much of each: the columns of the map from measures to boxes.
    parts = code.of_measures(torch.eye(4, dtype=variance.dtype, device=variance.device))
    return variance @ parts.square()
