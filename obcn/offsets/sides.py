"""How sure a head is of each side of a box, from the spread of its offsets."""

import torch
from torch import Tensor

from obcn.offsets.boxes import OFFSET_WEIGHTS, decode_boxes
from obcn.offsets.distribution import OffsetExplanation


def side_variance(explanation: OffsetExplanation, candidates: Tensor) -> Tensor:
    """(N, 4) variance of the sides (x1, y1, x2, y2), in square pixels.

    A side is the centre less or plus half the size, so its variance is that of the centre and a quarter of that of the
    size, taken as independent. The spreads are those of the first stage.

    Args:
        explanation: of N candidates, by a head with at least one stage.
        candidates: (N, 4) in pixels.

    Raises:
        ValueError: the head keeps no distribution.
    """
    if not explanation.stages:
        raise ValueError("a head that keeps no distribution does not know how sure it is")
    x1, y1, x2, y2 = candidates.unbind(-1)
    candidate_size = torch.stack((x2 - x1, y2 - y1), -1)
    first = decode_boxes(explanation.partial[0], candidates)
    size = first[:, 2:] - first[:, :2]
    spread = explanation.stages[0].spread / explanation.stages[0].spread.new_tensor(OFFSET_WEIGHTS)
    centre_variance = (spread[:, :2] * candidate_size).square()
    # d size / d offset = size: sizes are written as logarithms.
    size_variance = (spread[:, 2:] * size).square()
    return (centre_variance + size_variance / 4).repeat(1, 2)
