"""Distance-aware offset bins: one yes-or-no question per bin, with softer answers near the true one."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from obcn.offsets.bins import UniformBins
from obcn.offsets.one_stage import OneStageCodec


@dataclass(frozen=True)
class DistanceBinCodec(OneStageCodec):
    """A sigmoid per bin, trained by binary cross entropy against labels that decay with the distance from the target.

    After the OBCN authors' sequel ("Learning Offset Probability Distribution for Accurate Object Detection", ACM
    TOMM 2024), with the bins of :class:`UniformBins`. It asks that a bin nearer to the target be more probable, and
    its code was not published; the decay is our choice. With t the target, moved to -a or a where it lies beyond
    them, r_j a bin's representative and r the true bin's, the label of bin j is

        y_j = min(1, exp(((r - t)^2 - (r_j - t)^2) / (2 sigma^2))),  sigma in bin widths:

    a Gaussian around the target, scaled so that the true bin has 1. (The minimum matters next to -a and a only, where
    a tail's representative may be nearer than the true bin's.) Away from the ends the mean of the representatives
    weighted by these labels is the target itself, so that decoding by expectation is unbiased.

    Decoding reads the sigmoids over their sum as a distribution.

    Attributes:
        num_bins: m; there are n = m + 2 labels.
        half_range: a, in normalised offsets.
        sigma: of the labels, in bin widths. Below 0.4 the labels hardly tell where in its bin the target lies.
        rule: how the distribution becomes an offset.

    Raises:
        ValueError: on impossible bins, or a sigma that is not positive and finite.
    """

    num_bins: int = 20
    half_range: float = 3.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"sigma must be positive and finite, not {self.sigma}")
        _ = self.support  # UniformBins checks its own numbers

    @property
    def support(self) -> UniformBins:
        """The bins."""
        return UniformBins(self.num_bins, self.half_range)

    @property
    def num_labels(self) -> int:
        """n = m + 2."""
        return self.support.num_labels

    def describe(self) -> str:
        """Its bins and range; see :meth:`OneStageCodec.describe`."""
        return f"Distance-aware bins: {self.num_bins} bins and two tails over ±{self.half_range:.3g}"

    def log_weights(self, outputs: Tensor) -> Tensor:
        """(N, 4, n) logarithms of the sigmoids: their softmax is the sigmoids over their sum, also where all are 0."""
        return F.logsigmoid(self.scores(outputs))

    def outputs_of(self, log_weights: Tensor) -> Tensor:
        """(N, 4 n) outputs of which :meth:`log_weights` are these, flattened; of sigmoids near 1, large ones."""
        below = log_weights.double().clamp(max=-1e-12)
        return (below - torch.log(-torch.expm1(below))).to(log_weights)

    def labels(self, targets: Tensor) -> Tensor:
        """(..., n) soft labels in [0, 1] of normalised target offsets of any shape.

        Raises:
            ValueError: on NaN or infinite offsets.
        """
        bins = self.support
        representatives = bins.representatives(targets)
        true_bin = bins.encode(targets)[..., None]
        distance = representatives - targets.clamp(-self.half_range, self.half_range)[..., None]
        distance = distance / (self.sigma * bins.width)
        of_true_bin = distance.gather(-1, true_bin)
        return ((of_true_bin.square() - distance.square()) / 2).clamp(max=0).exp()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross entropy summed over candidates, coordinates and bins; see :meth:`OneStageCodec.loss`."""
        scores = self.scores(outputs)
        return F.binary_cross_entropy_with_logits(scores, self.labels(targets.to(scores)), reduction="sum")
