"""What a head believes about one object, with everything that is marked beside it, in its numbers and in pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou as pairwise_iou

from obcn.explain import PhotoDetections
from obcn.offsets import BoxCode, OffsetCode, StageExplanation
from obcn.offsets.box_code import Coordinate, from_pixels, pixels, slope
from obcn.offsets.codecs import DecodeRule
from obcn.offsets.layers import LayersCodec
from obcn.offsets.sides import side_variance
from obcn.offsets.support_points import SupportPointCodec, two_hot_floor

COORDINATE_NAMES = {one.key: one.name for one in OffsetCode().coordinates}


@dataclass(frozen=True)
class Belief:
    """One detection's explanation by a head that keeps distributions, and other boxes told in the same terms.

    Attributes:
        candidate: (4,) the candidate box, (x1, y1, x2, y2) in pixels, that all numbers start from.
        code: what the head's numbers mean.
        stages: the head's stages, each with one row.
        used_stages: how many of them the box comes from.
        anew: whether each stage says the whole box, as decoder layers do, and not what the earlier ones leave over.
        two_hot: whether it was trained on labels that share 1 among two neighbours, so that even a sure one spreads.
        side_spread: (4,) standard deviation of the box's sides (x1, y1, x2, y2), in pixels.
        rule: how the head decodes.
        final: (4,) the detection's box in pixels, clipped to the photo.
        after_stages: per stage the (4,) box after it, in pixels, clipped to the photo.
        by_rule: the (4,) box that each decode rule gives, in pixels, clipped to the photo.
        rivals: (4,) boxes in pixels of the same object: other models' by name, and ``truth`` where known.
    """

    candidate: Tensor
    code: BoxCode
    stages: tuple[StageExplanation, ...]
    used_stages: int
    anew: bool
    two_hot: bool
    side_spread: Tensor
    rule: DecodeRule
    final: Tensor
    after_stages: tuple[Tensor, ...]
    by_rule: Mapping[DecodeRule, Tensor]
    rivals: Mapping[str, Tensor]

    @property
    def telling(self) -> int:
        """Index of the stage whose spread is that of the whole number."""
        return self.used_stages - 1 if self.anew else 0

    @property
    def keys(self) -> tuple[str, ...]:
        """What its four numbers are called for short."""
        return tuple(one.key for one in self.code.coordinates)

    @property
    def quantity(self) -> str:
        """What such a number is: an offset, or a distance."""
        return "offset" if isinstance(self.code, OffsetCode) else "distance"

    def index(self, key: str) -> int:
        """Place of a number among the four."""
        return self.keys.index(key)

    def coordinate(self, key: str) -> Coordinate:
        """What is said of a number."""
        return self.code.coordinates[self.index(key)]

    def rival_offsets(self, rival: str) -> Tensor:
        """(4,) numbers that would carry *this* head's candidate onto the rival's box.

        Every model has a candidate of its own; told from one candidate, their answers can be compared.
        """
        return self.code.encode(self.rivals[rival][None], self.candidate[None])[0]

    def pixels(self, key: str, number: float) -> float:
        """What a number does to the box, in pixels: for offsets a shift or a growth, for sides the distance."""
        return self.all_pixels(key, [number])[0]

    def all_pixels(self, key: str, numbers: Sequence[float]) -> list[float]:
        """:meth:`pixels` of several, at the cost of one."""
        index = self.index(key)
        every = torch.zeros(len(numbers), 4, dtype=torch.float64)
        every[:, index] = torch.tensor(numbers, dtype=torch.float64)
        return pixels(self.code, every, self._from().expand(len(numbers), 4))[:, index].tolist()

    def offset(self, key: str, moved: float) -> float:
        """Inverse of :meth:`pixels`.

        Raises:
            ValueError: a size cannot shrink to nothing.
        """
        number = from_pixels(self.code, self._alone(key, moved), self._from())[0, self.index(key)]
        if not number.isfinite():
            raise ValueError(f"no number moves {key} by {moved} px")
        return float(number)

    def spread_pixels(self, key: str, stage: int) -> float:
        """Standard deviation of a stage's distribution in pixels; for sizes to first order around its mean."""
        index = self.index(key)
        return float(self.stages[stage].spread[0, index]) * self._slope(stage, index)

    def floor_pixels(self, key: str, stage: int) -> float | None:
        """What of that spread a sure head has too (:func:`~obcn.offsets.support_points.two_hot_floor`)."""
        if not self.two_hot:
            return None
        index = self.index(key)
        return float(two_hot_floor(self.stages[stage])[0, index]) * self._slope(stage, index)

    def _slope(self, stage: int, index: int) -> float:
        believed = self.stages[stage]
        mean = (believed.origin + believed.expectation).double()
        return float(slope(self.code, mean, self._from())[0, index])

    def _from(self) -> Tensor:
        return self.candidate.double()[None]

    def _alone(self, key: str, value: float) -> Tensor:
        numbers = torch.zeros(1, 4, dtype=torch.float64)
        numbers[0, self.index(key)] = value
        return numbers


def belief_of(found: PhotoDetections, row: int, rivals: Mapping[str, Tensor] | None = None) -> Belief:
    """The belief behind one detection.

    Args:
        found: the head's detections.
        row: which of them.
        rivals: (4,) boxes in pixels to set beside it.

    Raises:
        ValueError: the head keeps no distribution, so there is no belief to show.
    """
    codec = found.codec
    if codec.rule is None:
        raise ValueError("a regression head keeps no distribution over offsets")
    one = slice(row, row + 1)
    seen = codec.explain(found.outputs[one])
    candidate = found.candidates[row]
    rules: tuple[DecodeRule, ...] = ("expectation", "argmax")
    return Belief(
        candidate=candidate,
        code=codec.box,
        stages=seen.stages,
        used_stages=seen.used_stages,
        anew=seen.anew,
        two_hot=isinstance(codec, SupportPointCodec | LayersCodec),
        side_spread=side_variance(codec.box, seen, found.candidates[one])[0].sqrt(),
        rule=codec.rule,
        final=found.boxes[row],
        after_stages=tuple(boxes[row] for boxes in found.boxes_after_stages()),
        by_rule={rule: found.boxes_by(rule)[row] for rule in rules},
        rivals=dict(rivals or {}),
    )


def tails(stage: StageExplanation) -> tuple[bool, bool]:
    """Whether the first and the last label of a stage are tails: those are represented by the edge that they begin at.

    The outer points of DFL and D-FINE are none: they lie beyond that edge, and are answers like any other.
    """
    edges, representatives = stage.edges.tolist(), stage.representatives.tolist()
    if len(representatives) < 3:
        return False, False
    return (
        abs(representatives[0] - edges[1]) < 1e-3 * (edges[2] - edges[1]),
        abs(representatives[-1] - edges[-2]) < 1e-3 * (edges[-2] - edges[-3]),
    )


def box_iou(one: Tensor, other: Tensor) -> float:
    """Intersection over union of two (4,) boxes, in [0, 1]; 0 where neither has an area."""
    return float(pairwise_iou(one[None], other[None]).nan_to_num())
