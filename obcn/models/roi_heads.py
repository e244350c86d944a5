"""RoI heads that hold an offset codec where torchvision's hold a regression."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import MultiScaleRoIAlign, batched_nms, clip_boxes_to_image, remove_small_boxes

from obcn.models.box_head import BoxHead
from obcn.models.ignored import clear_of_ignored
from obcn.offsets import OFFSET_WEIGHTS, OffsetCodec, decode_boxes

Losses = dict[str, Tensor]
Detections = list[dict[str, Tensor]]


@dataclass(frozen=True)
class DetectionThresholds:
    """What survives of the scored candidates."""

    score: float = 0.05
    nms_iou: float = 0.5
    per_image: int = 100


@dataclass(frozen=True)
class ScoredCandidates:
    """What the box head says of one photo's R candidates, before any decision.

    Attributes:
        boxes: (R, 4) candidate boxes in pixels.
        probabilities: (R, 1 + classes), background first.
        offset_outputs: (R, groups, num_outputs) raw outputs; one group if class-agnostic, else one per class.
    """

    boxes: Tensor
    probabilities: Tensor
    offset_outputs: Tensor


class OffsetRoIHeads(RoIHeads):
    """torchvision's RoI heads with any :class:`~obcn.offsets.OffsetCodec` in the box branch.

    Matching, sampling and pooling are torchvision's. A detection keeps where it came from: its candidate box
    and the raw offset outputs, so that they can be explained afterwards.
    """

    def __init__(
        self,
        pool: MultiScaleRoIAlign,
        head: BoxHead,
        codec: OffsetCodec,
        foreground_iou: float,
        candidates_per_image: int,
        positive_fraction: float,
        box_loss_weight: float,
        thresholds: DetectionThresholds,
    ) -> None:
        super().__init__(
            box_roi_pool=pool,
            box_head=head,
            box_predictor=None,
            fg_iou_thresh=foreground_iou,
            bg_iou_thresh=foreground_iou,
            batch_size_per_image=candidates_per_image,
            positive_fraction=positive_fraction,
            bbox_reg_weights=OFFSET_WEIGHTS,
            score_thresh=thresholds.score,
            nms_thresh=thresholds.nms_iou,
            detections_per_img=thresholds.per_image,
        )
        self.codec = codec
        self.box_loss_weight = box_loss_weight
        self.thresholds = thresholds

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[Detections, Losses]:
        """Losses while training, detections otherwise.

        Args:
            features: pyramid levels, name to (B, C, H, W).
            proposals: per image (R, 4) candidate boxes in pixels of the resized image.
            image_shapes: per image (height, width) after resizing.
            targets: per image ``boxes`` (G, 4), ``labels`` (G,) in 1..classes and, if any, ``ignored`` (I, 4) boxes
                that are neither object nor background; needed in training.

        Returns:
            Detections as :func:`select_detections` describes, and ``loss_classifier`` and ``loss_box``.
        """
        if self.training:
            assert targets is not None  # GeneralizedRCNN has checked
            proposals, _, labels, offset_targets = self.select_training_samples(proposals, targets)
            scores, outputs = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
            return [], self.losses(scores, outputs, torch.cat(labels), torch.cat(offset_targets))
        scored = self.score(features, proposals, image_shapes)
        return [
            select_detections(candidates, shape, self.codec, self.thresholds)
            for candidates, shape in zip(scored, image_shapes, strict=True)
        ], {}

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """As torchvision's, from candidates that are not mostly inside an ``ignored`` box: they are no background."""
        foreground_iou = self.proposal_matcher.high_threshold
        clear = [
            clear_of_ignored(boxes, target, foreground_iou) for boxes, target in zip(proposals, targets, strict=True)
        ]
        return super().select_training_samples(clear, targets)

    def score(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[ScoredCandidates]:
        """Per image, what the head says of its candidates; arguments as :meth:`forward`."""
        scores, outputs = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        return split_by_image(proposals, scores.float().softmax(-1), outputs)

    def losses(self, scores: Tensor, outputs: Tensor, labels: Tensor, offset_targets: Tensor) -> Losses:
        """Classification loss, and the codec's loss of the positives over *all* sampled candidates (METHOD 5).

        Args:
            scores: (R, 1 + classes); outputs: (R, groups, num_outputs); labels: (R,), 0 is background;
            offset_targets: (R, 4) normalised offsets.
        """
        positive = torch.where(labels > 0)[0]
        group = 0 if outputs.shape[1] == 1 else labels[positive] - 1
        chosen = outputs[positive, group]
        # None at all where an ignored box covers the whole photo.
        sampled = max(labels.numel(), 1)
        return {
            "loss_classifier": F.cross_entropy(scores.float(), labels, reduction="sum") / sampled,
            "loss_box": self.box_loss_weight * self.codec.loss(chosen, offset_targets[positive]) / sampled,
        }


def split_by_image(proposals: list[Tensor], probabilities: Tensor, outputs: Tensor) -> list[ScoredCandidates]:
    """Rows of all images, in order, as one :class:`ScoredCandidates` per image."""
    counts = [len(boxes) for boxes in proposals]
    rows = zip(proposals, probabilities.split(counts), outputs.split(counts), strict=True)
    return [ScoredCandidates(*image) for image in rows]


def select_detections(
    scored: ScoredCandidates, image_shape: tuple[int, int], codec: OffsetCodec, thresholds: DetectionThresholds
) -> dict[str, Tensor]:
    """Threshold, decode, and suppress duplicates class by class.

    Args:
        scored: one photo's candidates.
        image_shape: (height, width) in pixels, to which boxes are clipped.
        codec: how the offset outputs are read.
        thresholds: what survives.

    Returns:
        ``boxes`` (D, 4), ``scores`` (D,), ``labels`` (D,) in 1..classes, best first, with ``candidates`` (D, 4), the
        box each came from, and ``offset_outputs`` (D, num_outputs), so that a detection can be explained afterwards.
    """
    rows, classes = torch.where(scored.probabilities[:, 1:] > thresholds.score)
    class_agnostic = scored.offset_outputs.shape[1] == 1
    outputs = scored.offset_outputs[rows, torch.zeros_like(classes) if class_agnostic else classes]
    candidates = scored.boxes[rows]
    found = {
        "boxes": clip_boxes_to_image(decode_boxes(codec.decode(outputs), candidates), image_shape),
        "scores": scored.probabilities[rows, classes + 1],
        "labels": classes + 1,
        "candidates": candidates,
        "offset_outputs": outputs,
    }
    found = _take(found, remove_small_boxes(found["boxes"], min_size=1e-2))
    order = batched_nms(found["boxes"], found["scores"], found["labels"], thresholds.nms_iou)
    return _take(found, order[: thresholds.per_image])


def _take(detections: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: values[rows] for name, values in detections.items()}
