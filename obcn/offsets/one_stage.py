"""What the heads have in common that came after OBCN: one stage, one distribution per coordinate."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Self

from torch import Tensor

from obcn.offsets.bins import as_full_precision
from obcn.offsets.box_code import BoxCode, OffsetCode
from obcn.offsets.distribution import DecodeRule, OffsetExplanation, Support, decode_stage, explain_stage


@dataclass(frozen=True)
class OneStageCodec(ABC):
    """Scores of shape (N, 4, n), flattened; an :class:`~obcn.offsets.codecs.OffsetCodec` but for its loss.

    Attributes:
        rule: how the distribution becomes an offset.
        box: what the offset means for a box.
    """

    rule: DecodeRule = field(default="expectation", kw_only=True)
    box: BoxCode = field(default=OffsetCode(), kw_only=True)

    @property
    @abstractmethod
    def support(self) -> Support:
        """Where the n scores of a coordinate stand."""

    @property
    @abstractmethod
    def num_labels(self) -> int:
        """n."""

    @abstractmethod
    def describe(self) -> str:
        """See :meth:`~obcn.offsets.codecs.OffsetCodec.describe`."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`~obcn.offsets.codecs.OffsetCodec.loss`."""

    @property
    def num_stages(self) -> int:
        """One."""
        return 1

    @property
    def num_outputs(self) -> int:
        """4 n."""
        return 4 * self.num_labels

    def scores(self, outputs: Tensor) -> Tensor:
        """(N, 4 n) outputs as (N, 4, n) scores, at least float32."""
        return as_full_precision(outputs).reshape(-1, 4, self.num_labels)

    def log_weights(self, outputs: Tensor) -> Tensor:
        """(N, 4, n) logarithms of the probabilities, up to a constant per coordinate: here the scores."""
        return self.scores(outputs)

    def decode(self, outputs: Tensor) -> Tensor:
        """(N, 4 n) outputs to (N, 4) normalised offsets."""
        return decode_stage(self.support, self.log_weights(outputs), self.rule)

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """The one distribution."""
        weights = self.log_weights(outputs)
        stage = explain_stage(self.support, weights, weights.new_zeros(weights.shape[:2]))
        offsets = decode_stage(self.support, weights, self.rule)
        return OffsetExplanation(offsets=offsets, stages=(stage,), partial=(offsets,), used_stages=1)

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> Self:
        """The same head decoding by another rule; see :meth:`~obcn.offsets.codecs.OffsetCodec.decoding`."""
        if num_stages not in (None, 1):
            raise ValueError(f"this head has 1 stage(s); {num_stages} cannot be used")
        return replace(self, rule=rule or self.rule)
