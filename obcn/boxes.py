"""Boxes as people read them."""

from collections.abc import Iterable
from typing import NamedTuple


class CentreAndSize(NamedTuple):
    """A box by its centre (x, y) and its width and height, in pixels; in the order of the record files' coordinates."""

    x: float
    y: float
    w: float
    h: float


def centre_and_size(corners: Iterable[float]) -> CentreAndSize:
    """Of one box (x1, y1, x2, y2): four numbers in pixels, or a (4,) tensor of them."""
    x1, y1, x2, y2 = map(float, corners)
    return CentreAndSize((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
