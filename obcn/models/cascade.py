"""Cascade of box heads: each stage refines the boxes of the stage before (METHOD 7; Cai and Vasconcelos, CVPR 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from obcn.models.roi_heads import DetectionThresholds, Detections, Losses, OffsetRoIHeads
from obcn.offsets import OffsetCodec, decode_boxes


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
        return self.stages[-1].codec

    @codec.setter
    def codec(self, codec: OffsetCodec) -> None:
        for stage in self.stages:
            stage.codec = codec

    @property
    def thresholds(self) -> DetectionThresholds:
        """Shared by all stages."""
        return self.stages[-1].thresholds

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[Detections, Losses]:
        """As :meth:`OffsetRoIHeads.forward`; losses are named by stage, from 1."""
        losses: Losses = {}
        stage_scores: list[Tensor] = []
        for number, stage in enumerate(self.stages, start=1):
            if self.training:
                proposals, _, labels, offset_targets = stage.select_training_samples(proposals, targets)
            scores, outputs = stage.box_head(stage.box_roi_pool(features, proposals, image_shapes))
            stage_scores.append(scores.float().softmax(-1))
            if self.training:
                found = stage.losses(scores, outputs, torch.cat(labels), torch.cat(offset_targets))
                losses |= {f"{name}_{number}": loss for name, loss in found.items()}
            if number < len(self.stages):
                proposals = self._refine(stage, outputs, proposals, image_shapes)
        if self.training:
            return [], losses
        mean_scores = torch.stack(stage_scores).mean(0).log()
        return self.stages[-1].select_detections(mean_scores, outputs, proposals, image_shapes), {}

    @staticmethod
    def _refine(
        stage: OffsetRoIHeads, outputs: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[Tensor]:
        offsets = stage.codec.decode(outputs[:, 0].detach())
        boxes = decode_boxes(offsets, torch.cat(proposals)).split([len(boxes) for boxes in proposals])
        return [clip_boxes_to_image(box, shape) for box, shape in zip(boxes, image_shapes, strict=True)]
