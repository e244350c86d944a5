"""RoI heads that hold an offset codec where torchvision's hold a regression."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image

from obcn.models.box_head import BoxHead, LaterLook
from obcn.models.ignored import clear_of_ignored
from obcn.models.selection import DetectionThresholds, ScoredCandidates, select_detections, split_by_image
from obcn.offsets import OFFSET_WEIGHTS, OffsetCodec, RepooledCodec

Losses = dict[str, Tensor]
Detections = list[dict[str, Tensor]]


class OffsetRoIHeads(RoIHeads):
    """torchvision's RoI heads with any :class:`~obcn.offsets.OffsetCodec` in the box branch.

    Matching, sampling and pooling are torchvision's. A detection keeps where it came from: its candidate box
    and the raw offset outputs, so that they can be explained afterwards. A repooled codec's later looks have layers of
    their own, on features pooled where the earlier looks place the box; class scores are the first look's.
    """

    def __init__(
        self,
        pool: MultiScaleRoIAlign,
        head: BoxHead,
        later_looks: Sequence[LaterLook],
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
        self.later_looks = nn.ModuleList(later_looks)
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
            positive = [label > 0 for label in labels]
            outputs = self._look_again(outputs, positive, features, proposals, image_shapes)
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
        probabilities = scores.float().softmax(-1)
        probable = (probabilities[:, 1:] > self.thresholds.score).any(1)
        chosen = list(probable.split([len(boxes) for boxes in proposals]))
        outputs = self._look_again(outputs, chosen, features, proposals, image_shapes)
        return split_by_image(proposals, probabilities, outputs)

    def _look_again(
        self,
        outputs: Tensor,
        chosen: list[Tensor],
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> Tensor:
        """(R, 1, outputs of the first look) to those of all looks; NaN where a candidate is not among the chosen.

        Args:
            outputs: of all images, in order.
            chosen: per image (R,) whether a candidate is worth a second look.
            features: as for :meth:`forward`.
            proposals: as for :meth:`forward`.
            image_shapes: as for :meth:`forward`.
        """
        if not self.later_looks:
            return outputs
        rows = torch.cat(chosen)
        candidates = [boxes[some] for boxes, some in zip(proposals, chosen, strict=True)]
        counts = [len(some) for some in candidates]

        def pooled(boxes: Tensor) -> Tensor:
            parts = zip(boxes.split(counts), image_shapes, strict=True)
            clipped = [clip_boxes_to_image(some, shape) for some, shape in parts]
            return self.box_roi_pool(features, clipped, image_shapes)

        seen = self.all_looks(outputs[rows, 0], torch.cat(candidates), pooled)
        everywhere = outputs.new_full((len(outputs), 1, seen.shape[-1]), float("nan"))
        everywhere[..., : outputs.shape[-1]] = outputs
        everywhere[rows, 0] = seen
        return everywhere

    def all_looks(self, outputs: Tensor, candidates: Tensor, pool: Callable[[Tensor], Tensor]) -> Tensor:
        """(R, outputs of the first look) of (R, 4) candidates to the (R, num_outputs) of all looks.

        Args:
            outputs: of the first look.
            candidates: in pixels of the network's input.
            pool: (R, 4) boxes, where the candidates have moved, to their pooled features.
        """
        assert isinstance(self.codec, RepooledCodec)
        for look in self.later_looks:
            offsets = self.codec.offset_after(outputs.detach())
            outputs = torch.cat((outputs, look(pool(self.codec.box.decode(offsets, candidates)))), dim=-1)
        return outputs

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
