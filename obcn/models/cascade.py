"""Cascade of box heads: each stage refines the boxes of the stage before (METHOD 7; Cai and Vasconcelos, CVPR 2018)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from obcn.models.roi_heads import Detections, Losses, OffsetRoIHeads
from obcn.models.selection import DetectionThresholds, ScoredCandidates, select_detections, split_by_image
from obcn.offsets import OffsetCodec


class CascadeRoIHeads(nn.Module):
    """Box heads in a row, each trained at its own foreground IoU on the refined boxes of the one before.

    A detection's class score is the mean over the stages; its ``candidates`` are the boxes that entered the
    last stage, and its ``offset_outputs`` are the last stage's.

    Raises:
        ValueError: with class-specific offsets: a box must be refined before its class is known.
    """

    def __init__(self, stages: Sequence[OffsetRoIHeads]) -> None:
        super().__init__()
        if any(stage.box_head.num_groups > 1 for stage in stages):
            raise ValueError("a cascade needs class-agnostic offsets")
        self.stages = nn.ModuleList(stages)

    @property
    def codec(self) -> OffsetCodec:
        """The codec of the last stage; setting it sets every stage's."""
        return self._heads()[-1].codec

    @codec.setter
    def codec(self, codec: OffsetCodec) -> None:
        for stage in self._heads():
            stage.codec = codec

    @property
    def thresholds(self) -> DetectionThresholds:
        """What survives of the last stage's candidates."""
        return self._heads()[-1].thresholds

    @thresholds.setter
    def thresholds(self, thresholds: DetectionThresholds) -> None:
        self._heads()[-1].thresholds = thresholds

    def _heads(self) -> list[OffsetRoIHeads]:
        """The stages under their own type, which a ModuleList forgets."""
        return cast(list[OffsetRoIHeads], list(self.stages))

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[Detections, Losses]:
        """As :meth:`OffsetRoIHeads.forward`; losses are named by stage, from 1."""
        if not self.training:
            scored = self.score(features, proposals, image_shapes)
            return [
                select_detections(candidates, shape, self.codec, self.thresholds)
                for candidates, shape in zip(scored, image_shapes, strict=True)
            ], {}
        assert targets is not None  # GeneralizedRCNN has checked
        losses: Losses = {}
        for number, stage in enumerate(self._heads(), start=1):
            proposals, _, labels, offset_targets = stage.select_training_samples(proposals, targets)
            scores, outputs = stage.box_head(stage.box_roi_pool(features, proposals, image_shapes))
            found = stage.losses(scores, outputs, torch.cat(labels), torch.cat(offset_targets))
            losses |= {f"{name}_{number}": loss for name, loss in found.items()}
            proposals = _refine(stage, outputs, proposals, image_shapes)
        return [], losses

    def score(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[ScoredCandidates]:
        """The last stage's candidates and outputs, with class probabilities averaged over the stages."""
        probabilities = []
        for stage in self._heads():
            candidates = proposals
            scores, outputs = stage.box_head(stage.box_roi_pool(features, candidates, image_shapes))
            probabilities.append(scores.float().softmax(-1))
            proposals = _refine(stage, outputs, candidates, image_shapes)
        return split_by_image(candidates, torch.stack(probabilities).mean(0), outputs)


def _refine(
    stage: OffsetRoIHeads, outputs: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
) -> list[Tensor]:
    offsets = stage.codec.decode(outputs[:, 0].detach())
    boxes = stage.codec.box.decode(offsets, torch.cat(proposals)).split([len(boxes) for boxes in proposals])
    return [clip_boxes_to_image(box, shape) for box, shape in zip(boxes, image_shapes, strict=True)]
