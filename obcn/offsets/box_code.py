"""What a head's four numbers mean for a box, given its candidate: the half of the seam beside the codec.

*Head numbers* are what a codec decodes: normalised offsets, or distances to the four sides. *Box measures* are what a
box code says of any box in pixels, one for each head number. Each measure of a decoded box depends on its own number
and the candidate alone, so what a number does in pixels (:func:`pixels`, :func:`slope`) follows from the code.
"""

import threading
import warnings
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from obcn.offsets.boxes import decode_boxes, encode_boxes

# PyTorch counts levels of forward differentiation for the whole process: of two threads one takes away the other's.
_one_at_a_time = threading.Lock()
# The first forward derivative has PyTorch use what it warns others of; whoever runs a command would read that.
warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)


@dataclass(frozen=True)
class Coordinate:
    """One of the four numbers.

    Attributes:
        key: what record columns call it.
        name: what axes and sentences call it.
        less: what a box does whose number is smaller, as "the box ..." goes on.
        more: what it does whose number is larger.
    """

    key: str
    name: str
    less: str
    more: str


Coordinates = tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class BoxCode(Protocol):
    """How four numbers and a candidate box make a box."""

    @property
    def unit(self) -> str:
        """Of the numbers."""
        ...

    @property
    def coordinates(self) -> Coordinates:
        """What the four numbers are called."""
        ...

    def encode(self, boxes: Tensor, candidates: Tensor) -> Tensor:
        """(N, 4) numbers that carry (N, 4) candidates onto (N, 4) boxes, both (x1, y1, x2, y2) in pixels."""
        ...

    def decode(self, numbers: Tensor, candidates: Tensor) -> Tensor:
        """(N, 4) boxes (x1, y1, x2, y2) in pixels; the inverse of :meth:`encode`."""
        ...

    def measure(self, boxes: Tensor) -> Tensor:
        """(N, 4) measures in pixels of (N, 4) boxes, one for each number, rising with it."""
        ...

    def of_measures(self, measures: Tensor) -> Tensor:
        """(N, 4) boxes that have these (N, 4) measures; the inverse of :meth:`measure`."""
        ...


@dataclass(frozen=True)
class OffsetCode:
    """Normalised offsets of centre and size (Eq. 1): what this project's own heads predict."""

    @property
    def unit(self) -> str:
        """Normalised offset."""
        return "normalised offset"

    @property
    def coordinates(self) -> Coordinates:
        """Centre x, centre y, width, height."""
        return (
            Coordinate("x", "centre x", "lies further left", "lies further right"),
            Coordinate("y", "centre y", "lies further up", "lies further down"),
            Coordinate("w", "width", "is narrower", "is wider"),
            Coordinate("h", "height", "is lower", "is taller"),
        )

    def encode(self, boxes: Tensor, candidates: Tensor) -> Tensor:
        """See :func:`~obcn.offsets.boxes.encode_boxes`."""
        return encode_boxes(boxes, candidates)

    def decode(self, numbers: Tensor, candidates: Tensor) -> Tensor:
        """See :func:`~obcn.offsets.boxes.decode_boxes`."""
        return decode_boxes(numbers, candidates)

    def measure(self, boxes: Tensor) -> Tensor:
        """(N, 4) centre x, centre y, width and height in pixels."""
        low, high = boxes[:, :2], boxes[:, 2:]
        return torch.cat(((low + high) / 2, high - low), 1)

    def of_measures(self, measures: Tensor) -> Tensor:
        """(N, 4) boxes of these centres and sizes."""
        centre, half = measures[:, :2], measures[:, 2:] / 2
        return torch.cat((centre - half, centre + half), 1)


@dataclass(frozen=True)
class SideCode:
    """Distances to the four sides, outwards.

    Attributes:
        start: from where. ``centre``: from the candidate's centre, in its size; so YOLOv8 and later, GFL, PP-YOLOE,
            PicoDet and FCOS, whose candidate is the cell, one stride wide, around an anchor point. ``side``: from the
            candidate's own sides; so D-FINE and DEIM, whose candidate is the box that all decoder layers refine.
        steps_per_size: how many units make up the candidate's size; |reg_scale| in D-FINE, whose
            x1 = cx - (s / 2 + d) w / s.
    """

    start: Literal["centre", "side"] = "centre"
    steps_per_size: float = 1.0

    @property
    def unit(self) -> str:
        """Strides, or a part of the reference box's size."""
        return "strides" if self.start == "centre" else f"1/{self.steps_per_size:g} of the reference box"

    @property
    def coordinates(self) -> Coordinates:
        """Left, top, right, bottom."""
        return (
            Coordinate("left", "left side", "begins further right", "begins further left"),
            Coordinate("top", "upper side", "begins further down", "begins further up"),
            Coordinate("right", "right side", "ends further left", "ends further right"),
            Coordinate("bottom", "lower side", "ends further up", "ends further down"),
        )

    def encode(self, boxes: Tensor, candidates: Tensor) -> Tensor:
        """(N, 4) distances of the boxes' sides from where zero leaves them."""
        origin, step = self._frame(candidates)
        return (boxes - origin) / step

    def decode(self, numbers: Tensor, candidates: Tensor) -> Tensor:
        """(N, 4) boxes with their sides at these distances."""
        origin, step = self._frame(candidates)
        return origin + step * numbers

    def measure(self, boxes: Tensor) -> Tensor:
        """(N, 4) places of left, upper, right and lower side in pixels, each counted outwards: -x1, -y1, x2, y2."""
        return boxes * _outwards(boxes)

    def of_measures(self, measures: Tensor) -> Tensor:
        """(N, 4) boxes with their sides there."""
        return measures * _outwards(measures)

    def _frame(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Where zero puts each side, and how far one unit moves it."""
        low, high = candidates[:, :2], candidates[:, 2:]
        origin = ((low + high) / 2).repeat(1, 2) if self.start == "centre" else candidates
        return origin, _outwards(candidates) * (high - low).repeat(1, 2) / self.steps_per_size


def pixels(code: BoxCode, numbers: Tensor, candidates: Tensor) -> Tensor:
    """What numbers do to the measures of the box, in pixels, from where zero leaves them.

    Args:
        code: what the numbers mean.
        numbers: (N, 4) head numbers.
        candidates: (N, 4) candidate boxes in pixels.

    Returns:
        (N, 4) pixels: for offsets the shift of the centre and the growth of the size, for sides the distance.
    """
    zero = code.decode(torch.zeros_like(numbers), candidates)
    return code.measure(code.decode(numbers, candidates)) - code.measure(zero)


def from_pixels(code: BoxCode, moved: Tensor, candidates: Tensor) -> Tensor:
    """(N, 4) head numbers that do this, the inverse of :func:`pixels`; not finite where no number does."""
    zero = code.decode(torch.zeros_like(moved), candidates)
    return code.encode(code.of_measures(code.measure(zero) + moved), candidates)


def slope(code: BoxCode, numbers: Tensor, candidates: Tensor) -> Tensor:
    """(N, 4) pixels per unit of each number, at ``numbers``: the derivative of :func:`pixels`."""
    # The Jacobian is diagonal: one vector product reads it.
    ones = torch.ones_like(numbers)
    with _one_at_a_time:
        return torch.func.jvp(lambda moved: pixels(code, moved, candidates), (numbers,), (ones,))[1]


def _outwards(like: Tensor) -> Tensor:
    return like.new_tensor([-1.0, -1.0, 1.0, 1.0])
