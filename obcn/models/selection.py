"""What becomes of scored candidates: thresholds, ranking, and duplicates suppressed or merged."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes

from obcn.offsets import OffsetCodec
from obcn.offsets.sides import side_variance

RankBy = Literal["score", "certainty"]
MergeBy = Literal["suppression", "voting"]


@dataclass(frozen=True)
class DetectionThresholds:
    """What survives of the scored candidates, and in which order.

    Attributes:
        score: class probability from which a candidate counts.
        nms_iou: of two boxes of a class that overlap more than this, the one that ranks lower goes.
        per_image: how many detections are kept.
        rank_by: ``score``, the class probability p; or ``certainty``, p exp(-certainty_weight u), where u is how unsure
            the head is of the box (:func:`uncertainty`). Only a head that keeps a distribution knows that.
        merge_by: ``suppression`` leaves the kept box as it is; ``voting`` makes it the mean of the boxes that it stands
            for (:func:`vote`).
        certainty_weight: lambda of ``certainty``.
        voting_sigma: of ``voting``; the smaller, the more a box must overlap to have a say.
    """

    score: float = 0.05
    nms_iou: float = 0.5
    per_image: int = 100
    rank_by: RankBy = "score"
    merge_by: MergeBy = "suppression"
    certainty_weight: float = 1.0
    voting_sigma: float = 0.025


@dataclass(frozen=True)
class ScoredCandidates:
    """What the box head says of one photo's R candidates, before any decision.

    Attributes:
        boxes: (R, 4) candidate boxes in pixels.
        probabilities: (R, 1 + classes), background first.
        offset_outputs: (R, groups, num_outputs) raw outputs; one group if class-agnostic, else one per class. Those of
            a later look are NaN where no class was probable enough for one.
    """

    boxes: Tensor
    probabilities: Tensor
    offset_outputs: Tensor


def split_by_image(proposals: list[Tensor], probabilities: Tensor, outputs: Tensor) -> list[ScoredCandidates]:
    """Rows of all images, in order, as one :class:`ScoredCandidates` per image."""
    counts = [len(boxes) for boxes in proposals]
    rows = zip(proposals, probabilities.split(counts), outputs.split(counts), strict=True)
    return [ScoredCandidates(*image) for image in rows]


def select_detections(
    scored: ScoredCandidates, image_shape: tuple[int, int], codec: OffsetCodec, thresholds: DetectionThresholds
) -> dict[str, Tensor]:
    """Threshold, decode, rank, and suppress or merge duplicates class by class.

    Args:
        scored: one photo's candidates.
        image_shape: (height, width) in pixels, to which boxes are clipped.
        codec: how the offset outputs are read.
        thresholds: what survives.

    Returns:
        ``boxes`` (D, 4), ``scores`` (D,) by which they rank, ``labels`` (D,) in 1..classes, best first, with
        ``probabilities`` (D,) of the class, ``candidates`` (D, 4), the box each came from, and ``offset_outputs``
        (D, num_outputs), so that a detection can be explained afterwards. A box that was voted on need not be the one
        that its outputs say.

    Raises:
        ValueError: ranking by certainty, where the head keeps no distribution.
    """
    rows, classes = torch.where(scored.probabilities[:, 1:] > thresholds.score)
    class_agnostic = scored.offset_outputs.shape[1] == 1
    outputs = scored.offset_outputs[rows, torch.zeros_like(classes) if class_agnostic else classes]
    candidates = scored.boxes[rows]
    probabilities = scored.probabilities[rows, classes + 1]
    found = {
        "boxes": clip_boxes_to_image(codec.box.decode(codec.decode(outputs), candidates), image_shape),
        "scores": probabilities,
        "labels": classes + 1,
        "probabilities": probabilities,
        "candidates": candidates,
        "offset_outputs": outputs,
    }
    # Comparisons with NaN are false: boxes that never got their last look go here too.
    found = _take(found, remove_small_boxes(found["boxes"], min_size=1e-2))
    variance = None
    if thresholds.rank_by == "certainty" or (thresholds.merge_by == "voting" and codec.num_stages):
        variance = side_variance(codec.box, codec.explain(found["offset_outputs"]), found["candidates"])
    if thresholds.rank_by == "certainty":
        assert variance is not None
        unsure = uncertainty(variance, found["boxes"])
        found["scores"] = found["probabilities"] * torch.exp(-thresholds.certainty_weight * unsure)
    kept = batched_nms(found["boxes"], found["scores"], found["labels"], thresholds.nms_iou)[: thresholds.per_image]
    boxes = found["boxes"][kept]
    if thresholds.merge_by == "voting":
        boxes = vote(found, kept, variance, thresholds.voting_sigma)
    return _take(found, kept) | {"boxes": boxes}


def uncertainty(variance: Tensor, boxes: Tensor) -> Tensor:
    """(N,) how unsure a head is of a box: a side's standard deviation over the box's size, the mean of both axes.

    Args:
        variance: (N, 4) of the sides, in square pixels, from :func:`~obcn.offsets.sides.side_variance`.
        boxes: (N, 4) in pixels.
    """
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-2)
    return (variance.reshape(-1, 2, 2).mean(1).sqrt() / size).mean(1)


def vote(found: dict[str, Tensor], kept: Tensor, variance: Tensor | None, sigma: float) -> Tensor:
    """Kept boxes as the mean of the boxes of their class that overlap them (variance voting; He et al., CVPR 2019).

    A box votes for its sides with its class probability times exp(-(1 - IoU)^2 / sigma), over the side's variance where
    the head knows it.

    Args:
        found: ``boxes`` (N, 4) in pixels, ``labels`` (N,) and ``probabilities`` (N,) of all boxes.
        kept: (D,) rows of the boxes that are voted on.
        variance: (N, 4) of the sides in square pixels, or None: then every side counts alike.
        sigma: of the overlap's weight.

    Returns:
        (D, 4) boxes in pixels.
    """
    boxes, labels = found["boxes"], found["labels"]
    iou = box_iou(boxes[kept], boxes)
    same_object = (iou > 0) & (labels[kept, None] == labels)
    votes = found["probabilities"] * torch.exp(-(1 - iou).square() / sigma) * same_object
    precision = torch.ones_like(boxes) if variance is None else 1 / variance.clamp(min=1e-4)
    return (votes @ (precision * boxes)) / (votes @ precision)


def _take(detections: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: values[rows] for name, values in detections.items()}
