"""Heads that spread the target over the two support points around it: DFL and D-FINE."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from obcn.offsets.bins import as_full_precision, require_finite
from obcn.offsets.distribution import DecodeRule, StageExplanation, between_infinities
from obcn.offsets.one_stage import OneStageCodec


@dataclass(frozen=True)
class SupportPoints:
    """n points on the axis of normalised offsets, left to right.

    Raises:
        ValueError: on fewer than two points, or points that are not finite and ascending.
    """

    points: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ValueError(f"there must be at least 2 points, not {len(self.points)}")
        if not all(map(math.isfinite, self.points)) or any(left >= right for left, right in pairwise(self.points)):
            raise ValueError("points must be finite and ascending")

    def representatives(self, like: Tensor) -> Tensor:
        """(n,) the points, on the device and in the dtype of ``like``."""
        return torch.tensor(self.points, dtype=torch.float64).to(like)

    def edges(self, like: Tensor) -> Tensor:
        """(n + 1,) midpoints between neighbours; the ends are infinite."""
        points = torch.tensor(self.points, dtype=torch.float64)
        return between_infinities((points[:-1] + points[1:]) / 2).to(like)

    def two_hot(self, offsets: Tensor) -> Tensor:
        """Labels whose expectation is the offset: its two neighbours share 1, the nearer has more of it.

        Offsets beyond the outermost points belong wholly to those.

        Args:
            offsets: normalised offsets of any shape.

        Returns:
            (..., n) labels in [0, 1] that sum to one.

        Raises:
            ValueError: on NaN or infinite offsets.
        """
        require_finite(offsets)
        exact = as_full_precision(offsets)
        points = self.representatives(exact)
        right = torch.bucketize(exact, points[1:-1], right=True) + 1
        lower, upper = points[right - 1], points[right]
        share = ((exact - lower) / (upper - lower)).clamp(0, 1)[..., None]
        labels = exact.new_zeros(*exact.shape, len(self.points))
        return labels.scatter(-1, right[..., None] - 1, 1 - share).scatter(-1, right[..., None], share)


def two_hot_floor(stage: StageExplanation) -> Tensor:
    """(N, 4) spread that a head has which is sure of its mean, in the unit of its numbers.

    A two-hot label of a target between two points has the variance (t - left)(right - t): in steps of the points, with
    f the target's place between them, a standard deviation of sqrt(f (1 - f)), up to half a step.
    """
    points, mean = stage.representatives, stage.expectation
    right = torch.bucketize(mean.contiguous(), points[1:-1].contiguous(), right=True) + 1
    return ((mean - points[right - 1]) * (points[right] - mean)).clamp(min=0).sqrt()


@dataclass(frozen=True)
class SupportPointCodec(OneStageCodec):
    """A softmax over support points, trained by cross entropy against :meth:`SupportPoints.two_hot` labels.

    :meth:`dfl` and :meth:`dfine` differ in where the points stand. Both papers add a loss of the decoded box (GIoU,
    and L1 in D-FINE) to this one; here it stands alone, as the other heads' losses do.

    Attributes:
        points: n support points in normalised offsets, ascending.
        rule: how the distribution becomes an offset; both papers take the expectation.
    """

    points: tuple[float, ...]

    def __post_init__(self) -> None:
        _ = self.support  # SupportPoints checks them

    @classmethod
    def dfl(
        cls, num_points: int = 22, half_range: float = 3.0, rule: DecodeRule = "expectation"
    ) -> "SupportPointCodec":
        """Distribution focal loss (Li et al., "Generalized Focal Loss", NeurIPS 2020): uniform points over [-a, a].

        Args:
            num_points: n, at least 2.
            half_range: a, in normalised offsets. The paper's points are the distances 0..n from an anchor point to a
                side; offsets have either sign, so ours are centred.
            rule: how to decode.
        """
        steps = max(num_points - 1, 1)
        # Not half_range * (2k - steps) / steps: that may round the ends away from a.
        points = tuple(half_range * ((2 * k - steps) / steps) for k in range(num_points))
        return cls(points, rule=rule)

    @classmethod
    def dfine(
        cls,
        num_points: int = 23,
        half_range: float = 3.0,
        flatness: float = 0.5,
        rule: DecodeRule = "expectation",
    ) -> "SupportPointCodec":
        """D-FINE's points (Peng et al., ICLR 2025): dense around 0, sparse far out.

        Its weighting function W(n), n = 0..N, is zero in the middle and odd. From there outwards the points are
        c (a/c + 1)^(2i / (N - 2)) - c for i = 0..N/2 - 1, the last of them a, and then 2a. The labels are those of
        its fine-grained localisation loss. Left out: that loss's weight by IoU (here every candidate counts alike),
        and what D-FINE builds on the distributions, the refinement from one decoder layer to the next and the
        self-distillation. The paper writes distances of the four sides with a = 0.5 and N = 32; we write (x, y, w, h)
        offsets with the a of the other heads.

        Args:
            num_points: N + 1, odd, at least 5.
            half_range: a, in normalised offsets.
            flatness: c / a; the larger, the more even the points. The paper's is 0.25 / 0.5.
            rule: how to decode.

        Raises:
            ValueError: on another number of points, or a flatness that is not positive and finite.
        """
        if num_points < 5 or num_points % 2 == 0:
            raise ValueError(f"num_points must be odd and at least 5, not {num_points}")
        if not (math.isfinite(flatness) and flatness > 0):
            raise ValueError(f"flatness must be positive and finite, not {flatness}")
        last = (num_points - 3) // 2
        inner = [half_range * flatness * math.expm1(math.log1p(1 / flatness) * i / last) for i in range(1, last)]
        right = (*inner, half_range, 2 * half_range)
        return cls((*(-point for point in reversed(right)), 0.0, *right), rule=rule)

    @property
    def support(self) -> SupportPoints:
        """The points."""
        return SupportPoints(self.points)

    @property
    def num_labels(self) -> int:
        """n."""
        return len(self.points)

    def describe(self) -> str:
        """How many points, and where; see :meth:`OneStageCodec.describe`."""
        steps = [right - left for left, right in pairwise(self.points)]
        first, last = self.points[0], self.points[-1]
        reach = f"±{last:.3g}" if math.isclose(first, -last) else f"{first:.3g} to {last:.3g} {self.box.unit}"
        if max(steps) - min(steps) <= 1e-6 * max(steps):
            return f"Distribution focal loss: {self.num_labels} even points over {reach}"
        return f"D-FINE's points: {self.num_labels}, dense around 0, out to {reach}"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy summed over candidates and coordinates; see :meth:`OneStageCodec.loss`."""
        scores = self.scores(outputs)
        labels = self.support.two_hot(targets.to(scores))
        return F.cross_entropy(scores.flatten(0, 1), labels.flatten(0, 1), reduction="sum")
