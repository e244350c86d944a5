"""Distributions as rows of numbers, and boxes held against the file's own."""

from collections.abc import Iterator, Sequence

import numpy as np

from obcn.exported.layout import expectation
from obcn.exported.reading import Check, Logits, Tensors
from obcn.exported.structure import Distribution

# Sides that clipping moved agree whatever was predicted: so large a share must not have moved.
LEAST_INSIDE = 0.25


def row_layouts(group: Sequence[Distribution], tensors: Tensors) -> Iterator[tuple[Logits, np.ndarray]]:
    """Both orders of rows of one head's distributions, a tensor for each level, with the (A, 4) expectations."""
    points = tensors[group[0].points].ravel()
    axes = {one.axis % tensors[one.logits].ndim - tensors[one.logits].ndim for one in group}
    if len(axes) > 1 or any(len(tensors[one.points].ravel()) != len(points) for one in group):
        return
    for sides_first in (True, False):
        logits = Logits(tuple(one.logits for one in group), axes.copy().pop(), sides_first)
        yield logits, expectation(logits.rows(tensors), points)


def compared(name: str, boxes: np.ndarray, guess: np.ndarray, tolerance: float) -> Check:
    """How far boxes lie from those in one of the file's tensors, both (A, 4) corners in pixels."""
    with np.errstate(invalid="ignore", over="ignore"):
        worst = float(np.nan_to_num(np.abs(boxes - guess), nan=np.inf).max()) if boxes.shape == guess.shape else np.inf
    return Check(name, len(guess), worst, tolerance)


def clipped(boxes: np.ndarray, width: int, height: int) -> np.ndarray | None:
    """(A, 4) corners cut off where the photo ends; None where that leaves too few sides to compare."""
    limits = np.array([width, height] * 2, dtype=float)
    inside = (boxes > 0) & (boxes < limits)
    return np.clip(boxes, 0, limits) if inside.mean() >= LEAST_INSIDE else None
