"""What a head believes about one object, with everything that is marked beside it, in offsets and in pixels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torchvision.ops import box_iou as pairwise_iou
from torchvision.ops import clip_boxes_to_image

from obcn.explain import PhotoDetections
from obcn.offsets import OFFSET_WEIGHTS, StageExplanation, decode_boxes, encode_boxes
from obcn.offsets.codecs import DecodeRule
from obcn.records.schema import COORDINATES, Coordinate

COORDINATE_NAMES: dict[Coordinate, str] = {"x": "centre x", "y": "centre y", "w": "width", "h": "height"}


@dataclass(frozen=True)
class Belief:
    """One detection's explanation by a head that keeps distributions, and other boxes told in the same terms.

    Attributes:
        candidate: (4,) the candidate box, (x1, y1, x2, y2) in pixels, that all offsets start from.
        stages: the head's stages, each with one row.
        used_stages: how many of them the box comes from.
        rule: how the head decodes.
        final: (4,) the detection's box in pixels, clipped to the photo.
        after_stages: per stage the (4,) box after it, in pixels, clipped to the photo.
        by_rule: the (4,) box that each decode rule gives, in pixels, clipped to the photo.
        rivals: (4,) boxes in pixels of the same object: other models' by name, and ``truth`` where known.
    """

    candidate: Tensor
    stages: tuple[StageExplanation, ...]
    used_stages: int
    rule: DecodeRule
    final: Tensor
    after_stages: tuple[Tensor, ...]
    by_rule: Mapping[DecodeRule, Tensor]
    rivals: Mapping[str, Tensor]

    def rival_offsets(self, rival: str) -> Tensor:
        """(4,) normalised offsets that would carry *this* head's candidate onto the rival's box.

        Every model has a candidate of its own; told from one candidate, their answers can be compared.
        """
        return encode_boxes(self.rivals[rival][None], self.candidate[None])[0]

    def pixels(self, coordinate: Coordinate, offset: float) -> float:
        """What a normalised offset does to the candidate, in pixels: a shift for x and y, a growth for w and h."""
        index, size = self._axis(coordinate)
        raw = offset / OFFSET_WEIGHTS[index]
        return size * (raw if index < 2 else math.expm1(raw))

    def offset(self, coordinate: Coordinate, pixels: float) -> float:
        """Inverse of :meth:`pixels`.

        Raises:
            ValueError: a size cannot shrink to nothing.
        """
        index, size = self._axis(coordinate)
        return OFFSET_WEIGHTS[index] * (pixels / size if index < 2 else math.log1p(pixels / size))

    def spread_pixels(self, coordinate: Coordinate, stage: int) -> float:
        """Standard deviation of a stage's distribution in pixels; for w and h to first order around its mean."""
        index, size = self._axis(coordinate)
        believed = self.stages[stage]
        scale = size / OFFSET_WEIGHTS[index]
        if index >= 2:
            mean = float(believed.origin[0, index] + believed.expectation[0, index])
            scale *= math.exp(mean / OFFSET_WEIGHTS[index])
        return scale * float(believed.spread[0, index])

    def _axis(self, coordinate: Coordinate) -> tuple[int, float]:
        index = COORDINATES.index(coordinate)
        size = self.candidate[2:] - self.candidate[:2]
        return index, float(size[index % 2])


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
    stages = tuple(
        StageExplanation(
            probabilities=stage.probabilities[one],
            edges=stage.edges,
            representatives=stage.representatives,
            origin=stage.origin[one],
            argmax=stage.argmax[one],
            expectation=stage.expectation[one],
            spread=stage.spread[one],
        )
        for stage in found.explanation.stages
    )
    candidate = found.candidates[row]
    rules: tuple[DecodeRule, ...] = ("expectation", "argmax")
    return Belief(
        candidate=candidate,
        stages=stages,
        used_stages=found.explanation.used_stages,
        rule=codec.rule,
        final=found.boxes[row],
        after_stages=tuple(_box(found, row, offsets[one]) for offsets in found.explanation.partial),
        by_rule={rule: _box(found, row, codec.decoding(rule).decode(found.outputs[one])) for rule in rules},
        rivals=dict(rivals or {}),
    )


def _box(found: PhotoDetections, row: int, offsets: Tensor) -> Tensor:
    """(1, 4) offsets of one detection to a (4,) box, clipped to the photo as the detector does."""
    box = decode_boxes(offsets, found.candidates[row : row + 1])
    return clip_boxes_to_image(box, (found.height, found.width))[0]


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
