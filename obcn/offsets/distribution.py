"""One stage of any head that scores points of the offset axis: scores to offsets, and what the head believes."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

DecodeRule = Literal["argmax", "expectation"]


class Support(Protocol):
    """Where on the axis of normalised offsets the n scores of one coordinate stand, in spatial order."""

    def representatives(self, like: Tensor) -> Tensor:
        """(n,) offset that each score stands for, on the device and in the dtype of ``like``."""
        ...

    def edges(self, like: Tensor) -> Tensor:
        """(n + 1,) borders of the stretch that each score answers for; the ends are infinite."""
        ...


@dataclass(frozen=True)
class StageExplanation:
    """What one stage of a head believes about N candidates.

    Attributes:
        probabilities: (N, 4, n) distribution over the bins or points in spatial order, the outermost first and last.
        edges: (n + 1,) edges between them in normalised offsets from this stage's origin; the ends are infinite.
        representatives: (n,) representative offset of each, from this stage's origin.
        origin: (N, 4) normalised offset that the earlier stages add up to; zero in the first stage.
        argmax: (N, 4) representative of the most probable one, from the origin.
        expectation: (N, 4) expected representative, from the origin (Eq. 10).
        spread: (N, 4) standard deviation of the representatives, in normalised offsets.
    """

    probabilities: Tensor
    edges: Tensor
    representatives: Tensor
    origin: Tensor
    argmax: Tensor
    expectation: Tensor
    spread: Tensor


@dataclass(frozen=True)
class OffsetExplanation:
    """How a codec arrived at its offsets: the (N, 4) normalised ``offsets`` and the stages behind them.

    A regression head has no stages. ``partial`` has one (N, 4) entry per stage: the offset after it. The first
    ``used_stages`` of them add up to ``offsets``; where ``anew``, each stage says the whole offset and the last used
    one's is ``offsets``, as with the decoder layers of D-FINE.
    """

    offsets: Tensor
    stages: tuple[StageExplanation, ...]
    partial: tuple[Tensor, ...]
    used_stages: int
    anew: bool = False

    @property
    def telling(self) -> int:
        """Index of the stage whose spread is that of the whole offset.

        Where stages add up it is the first: later ones spread over what is left of its error only.
        """
        return self.used_stages - 1 if self.anew else 0


def decode_stage(support: Support, scores: Tensor, rule: DecodeRule) -> Tensor:
    """Offsets that one stage says.

    Args:
        support: where the n scores stand.
        scores: (N, 4, n) logarithms of the probabilities, up to a constant per coordinate.
        rule: the most probable representative, or the expected one (Eq. 10).

    Returns:
        (N, 4) normalised offsets from the stage's origin.
    """
    representatives = support.representatives(scores)
    if rule == "argmax":
        return representatives[scores.argmax(-1)]
    return scores.softmax(-1) @ representatives


def explain_stage(support: Support, scores: Tensor, origin: Tensor) -> StageExplanation:
    """What one stage believes; ``support`` and ``scores`` as for :func:`decode_stage`, ``origin`` (N, 4)."""
    probabilities = scores.softmax(-1)
    representatives = support.representatives(scores)
    expectation = probabilities @ representatives
    variance = (probabilities * (representatives - expectation[..., None]).square()).sum(-1)
    return StageExplanation(
        probabilities=probabilities,
        edges=support.edges(scores),
        representatives=representatives,
        origin=origin,
        argmax=decode_stage(support, scores, "argmax"),
        expectation=expectation,
        spread=variance.sqrt(),
    )


def between_infinities(inner: Tensor) -> Tensor:
    """(n - 1,) inner edges as (n + 1,): whatever lies beyond the outermost belongs to the outermost."""
    infinity = inner.new_tensor([math.inf])
    return torch.cat((-infinity, inner, infinity))
