"""Offset bins of one stage, and the ranges of successive stages (sections 3.2.1 and 3.2.4)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from obcn.offsets.distribution import between_infinities


@dataclass(frozen=True)
class UniformBins:
    """``m`` uniform bins over (-a, a) and one tail bin on either side: n = m + 2 labels.

    Labels are kept in *spatial* order, so that a plotted histogram reads as an axis: 0 is the left tail
    (-inf, -a], 1..m are the uniform bins from left to right, m + 1 is the right tail [a, +inf). The paper
    (Eq. 5, with its off-by-one mended) numbers the uniform bins 0..m-1 and the tails m and m+1.

    Attributes:
        num_bins: m, the number of uniform bins, without the tails.
        half_range: a, in normalised offsets.

    Raises:
        ValueError: on fewer than one bin, or a half range that is not positive and finite.
    """

    num_bins: int = 20
    half_range: float = 3.0

    def __post_init__(self) -> None:
        if self.num_bins < 1:
            raise ValueError(f"num_bins must be at least 1, not {self.num_bins}")
        if not (math.isfinite(self.half_range) and self.half_range > 0):
            raise ValueError(f"half_range must be positive and finite, not {self.half_range}")

    @property
    def num_labels(self) -> int:
        """n = m + 2."""
        return self.num_bins + 2

    @property
    def width(self) -> float:
        """w = 2a / m, in normalised offsets."""
        return 2 * self.half_range / self.num_bins

    def inner_edges(self, like: Tensor) -> Tensor:
        """(m + 1,) finite edges from -a to a, on the device and in the dtype of ``like``."""
        # Not linspace: it adds up steps, and an edge at 1e-16 puts an offset of exactly 0 into the bin on its left.
        numerators = torch.arange(-self.num_bins, self.num_bins + 1, 2, dtype=torch.float64) * self.half_range
        return (numerators / self.num_bins).to(like)

    def edges(self, like: Tensor) -> Tensor:
        """(n + 1,) edges of all bins; the tails' outer ones are infinite."""
        return between_infinities(self.inner_edges(like))

    def representatives(self, like: Tensor) -> Tensor:
        """(n,) representative offsets: bin midpoints, and -a and a for the tails (Eq. 5)."""
        middle = torch.arange(self.num_bins, dtype=torch.float64) + 0.5
        middle = middle * self.width - self.half_range
        ends = torch.tensor([self.half_range], dtype=torch.float64)
        return torch.cat((-ends, middle, ends)).to(like)

    def encode(self, offsets: Tensor) -> Tensor:
        """Label of the bin that holds each offset.

        An offset exactly on an inner edge belongs to the bin on its right; -a, a and beyond to the tails.

        Args:
            offsets: normalised offsets of any shape.

        Returns:
            int64 labels in [0, n), same shape.

        Raises:
            ValueError: on NaN or infinite offsets.
        """
        require_finite(offsets)
        exact = as_full_precision(offsets)
        labels = torch.bucketize(exact, self.inner_edges(exact)[1:-1], right=True) + 1
        labels = torch.where(exact <= -self.half_range, 0, labels)
        return torch.where(exact >= self.half_range, self.num_bins + 1, labels)


def hierarchical_ranges(num_bins: int, half_range: float, num_stages: int) -> tuple[float, ...]:
    """Half ranges a_1..a_K by the rule a_{k+1} = w_k / 2: each stage covers one bin of the stage before.

    With m = 20 and a_1 = 3 they are 3, 0.15 and 0.0075. (Table 3 of the paper prints 0.015 for the third,
    which is w_2 rather than w_2 / 2; pass explicit ranges to a codec to reproduce that.)
    """
    if num_stages < 1:
        raise ValueError(f"num_stages must be at least 1, not {num_stages}")
    return tuple(half_range / num_bins**k for k in range(num_stages))


def as_full_precision(values: Tensor) -> Tensor:
    """Half-precision values as float32, others as they are: sums of exponentials need the mantissa."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def require_finite(offsets: Tensor) -> None:
    """Raise ``ValueError`` if a target offset is NaN or infinite: no bin holds it and no loss mends it."""
    if not torch.isfinite(offsets).all():
        raise ValueError(
            "target offsets must be finite; a candidate or a true box with no width or height makes them NaN or inf"
        )
