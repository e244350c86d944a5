"""How a file's tensors are arranged: rows of distributions, boxes in several formats, and the cells of a pyramid."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

BoxFormat = Literal["corners", "centre and size", "corner and size"]
# Half of the numbers of boxes in parts of the photo are no larger, half of those in pixels are.
PARTS_UP_TO = 1.5
STRIDES = (2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class BoxLayout:
    """Where in a tensor of boxes each number stands.

    Attributes:
        rows_last: the tensor is (4 + k, A), not (A, 4 + k).
        format: of the first four numbers.
        of_size: whether they are parts of the photo's size, not pixels.
    """

    rows_last: bool
    format: BoxFormat
    of_size: bool

    def corners(self, tensor: np.ndarray, width: int, height: int) -> np.ndarray:
        """(A, 4) boxes (x1, y1, x2, y2) in the network's pixels."""
        rows = self.rows(tensor)[:, :4].astype(np.float64)
        if self.of_size:
            rows = rows * np.array([width, height, width, height])
        first, second = rows[:, :2], rows[:, 2:]
        if self.format == "centre and size":
            return np.concatenate((first - second / 2, first + second / 2), 1)
        if self.format == "corner and size":
            return np.concatenate((first, first + second), 1)
        return rows

    def rows(self, tensor: np.ndarray) -> np.ndarray:
        """(A, 4 + k) rows of the tensor."""
        flat = as_matrix(tensor)
        return flat.T if self.rows_last else flat


def as_matrix(tensor: np.ndarray) -> np.ndarray:
    """A tensor of one photo without its dimensions of one, (rows, columns)."""
    shape = [size for size in tensor.shape if size != 1]
    while len(shape) < 2:
        shape = [1, *shape] if not tensor.shape or tensor.shape[-1] != 1 else [*shape, 1]
    return tensor.reshape(shape) if len(shape) == 2 else tensor.reshape(shape[0], -1)


def box_layouts(tensor: np.ndarray, count: int) -> Iterator[BoxLayout]:
    """Every layout by which a tensor can hold ``count`` boxes."""
    shape = [size for size in tensor.shape if size != 1]
    if count == 1:
        shape = shape if len(shape) == 2 else [1, *shape]
    if len(shape) != 2 or tensor.dtype.kind != "f":
        return
    for rows_last in (False, True):
        rows, columns = shape[::-1] if rows_last else shape
        if rows == count and columns >= 4:
            matrix = as_matrix(tensor).reshape(shape)
            first = (matrix.T if rows_last else matrix)[:, :4]
            # Pixels or parts of the photo's size: never both, or a check in pixels would be one of parts.
            of_size = bool(np.median(np.abs(first)) <= PARTS_UP_TO)
            for kind in get_args(BoxFormat):
                yield BoxLayout(rows_last, kind, of_size)


def arranged(logits: np.ndarray, axis: int, sides_first: bool) -> np.ndarray:
    """(A, 4, n) of a softmax's logits, whose other dimensions are (4, A), (A, 4) or both in one."""
    moved = np.moveaxis(logits, axis, -1)
    rows = moved.reshape(-1, moved.shape[-1])
    if sides_first:
        return rows.reshape(4, -1, rows.shape[-1]).transpose(1, 0, 2)
    return rows.reshape(-1, 4, rows.shape[-1])


def expectation(logits: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., n) logits to the (...) expected point."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    weights = np.exp(shifted)
    return (weights @ points.astype(np.float64)) / weights.sum(-1)


@dataclass(frozen=True)
class Pyramid:
    """Levels of cells over the network's input, one anchor point in each.

    Attributes:
        strides: of the levels in pixels, in the file's order.
        anchors: whether the points are the cells' centres or their upper left corners.
    """

    strides: tuple[int, ...]
    anchors: Literal["centre", "corner"]

    def counts(self, width: int, height: int) -> list[int]:
        """Cells of each level."""
        return [math.ceil(width / stride) * math.ceil(height / stride) for stride in self.strides]

    def cells(self, width: int, height: int) -> np.ndarray:
        """(A, 4) boxes of one stride around each anchor point, level by level and row by row."""
        levels: list[np.ndarray] = []
        for stride in self.strides:
            across, down = math.ceil(width / stride), math.ceil(height / stride)
            y, x = np.mgrid[:down, :across].reshape(2, -1)
            low = np.stack((x, y), 1) * float(stride)
            if self.anchors == "corner":
                low = low - stride / 2
            levels.append(np.concatenate((low, low + stride), 1))
        return np.concatenate(levels)


def pyramids(count: int, width: int, height: int) -> Iterator[Pyramid]:
    """Every pyramid of neighbouring strides with ``count`` cells, the usual first."""
    sizes = {stride: math.ceil(width / stride) * math.ceil(height / stride) for stride in STRIDES}
    for length in (3, 4, 5, 2, 1, 6):
        for start in range(len(STRIDES) - length + 1):
            strides = STRIDES[start : start + length]
            if sum(sizes[stride] for stride in strides) == count:
                for ordered in (strides, strides[::-1]):
                    yield Pyramid(ordered, "centre")
                    yield Pyramid(ordered, "corner")
