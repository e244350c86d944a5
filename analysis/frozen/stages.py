"""Readings of hierarchical focusing that only the studies have: METHOD 4's ``conditional``, and mixed looks."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from obcn.config import BinOffsets, Offsets, RegressionOffsets
from obcn.offsets import OffsetCodec, RepooledCodec
from obcn.offsets.bins import UniformBins, as_full_precision
from obcn.offsets.box_code import OffsetCode
from obcn.offsets.distribution import DecodeRule, OffsetExplanation, decode_stage, explain_stage
from obcn.offsets.losses import bin_cross_entropy


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LooksOffsets(_Strict):
    """Looks of any kind in a row, each pooled again where those before it place the box."""

    codec: Literal["looks"]
    looks: tuple[RegressionOffsets | BinOffsets, ...] = Field(min_length=2)
    class_agnostic: Literal[True] = True

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        return RepooledCodec(tuple(look.build() for look in self.looks))


class ConditionalOffsets(_Strict):
    """Two stages of bins, of which the second has a distribution for each bin of the first."""

    codec: Literal["conditional_bins"]
    num_bins: int = Field(20, ge=1)
    half_range: float = Field(3.0, gt=0)
    class_agnostic: Literal[True] = True

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        return ConditionalCodec(self.num_bins, self.half_range)


StudyOffsets = Offsets | LooksOffsets | ConditionalOffsets


@dataclass(frozen=True)
class ConditionalCodec:
    """A hierarchical softmax: p(first bin), and for each first bin p(second bin | first bin), all from one layer.

    The second stage covers one bin of the first, and is trained where the target lies: on the true first bin's
    distribution. Outputs of a coordinate: n scores of the first stage, then n x n of the second.

    Attributes:
        num_bins: m of both stages; n = m + 2.
        half_range: a_1, in normalised offsets; a_2 is half a first bin.
        rule: how they become an offset. Expectation sums p(j) (r_j + E[second | j]) over the first bins j; argmax takes
            the most probable first bin, and the most probable second given that.
    """

    num_bins: int = 20
    half_range: float = 3.0
    rule: DecodeRule = "expectation"

    @property
    def first(self) -> UniformBins:
        """The first stage's bins."""
        return UniformBins(self.num_bins, self.half_range)

    @property
    def second(self) -> UniformBins:
        """The second stage's, around a first bin's representative."""
        return UniformBins(self.num_bins, self.half_range / self.num_bins)

    @property
    def num_stages(self) -> int:
        """One: the two stages are a single distribution over first and second bins."""
        return 1

    @property
    def box(self) -> OffsetCode:
        """Offsets from the candidate, as for every head here."""
        return OffsetCode()

    @property
    def num_outputs(self) -> int:
        """4 (n + n^2)."""
        labels = self.num_bins + 2
        return 4 * (labels + labels**2)

    def describe(self) -> str:
        """Its bins and range."""
        return f"Bins within bins: {self.num_bins} and two tails over ±{self.half_range:.3g}, as many in each"

    def scores(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """(N, num_outputs) outputs as (N, 4, n) scores of the first stage and (N, 4, n, n) of the second."""
        labels = self.num_bins + 2
        rows = as_full_precision(outputs).reshape(-1, 4, labels * (labels + 1))
        return rows[..., :labels], rows[..., labels:].unflatten(-1, (labels, labels))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy of both stages summed over candidates and coordinates."""
        first, second = self.scores(outputs)
        targets = targets.to(first)
        labels = self.first.encode(targets)
        residual = targets - self.first.representatives(first)[labels]
        given = second.take_along_dim(labels[..., None, None], dim=2).squeeze(2)
        return (bin_cross_entropy(first, labels) + bin_cross_entropy(given, self.second.encode(residual))).sum()

    def decode(self, outputs: Tensor) -> Tensor:
        """(N, num_outputs) outputs to (N, 4) normalised offsets."""
        first, second = self.scores(outputs)
        within = torch.stack([decode_stage(self.second, scores, self.rule) for scores in second.unbind(2)], dim=-1)
        placed = self.first.representatives(first) + within
        if self.rule == "argmax":
            return placed.gather(-1, first.argmax(-1, keepdim=True)).squeeze(-1)
        return (first.softmax(-1) * placed).sum(-1)

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """The first stage's distribution, and the offsets of both."""
        first, _ = self.scores(outputs)
        stage = explain_stage(self.first, first, first.new_zeros(first.shape[:2]))
        offsets = self.decode(outputs)
        return OffsetExplanation(offsets=offsets, stages=(stage,), partial=(offsets,), used_stages=1)

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> "ConditionalCodec":
        """The same bins decoded another way."""
        if num_stages not in (None, 1):
            raise ValueError(f"this head has 1 stage(s); {num_stages} cannot be used")
        return replace(self, rule=rule or self.rule)
