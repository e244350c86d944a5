"""Builds a detector from a config: torchvision's GeneralizedRCNN around an offset codec."""

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes

from obcn.config import BoxHeadConfig, DetectorConfig
from obcn.errors import UserError
from obcn.models.box_head import POOL_SIZE, BoxHead, LaterLook, drawn_aside
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.proposals import ProposalNetwork
from obcn.models.roi_align import PyramidRoIAlign
from obcn.models.roi_heads import OffsetRoIHeads
from obcn.models.scoring import ScoredPhoto, photo_tensor, reduced
from obcn.models.selection import DetectionThresholds, ScoredCandidates
from obcn.models.trunks import Trunk, build_trunk
from obcn.offsets import OffsetCodec, RepooledCodec


class Detector(GeneralizedRCNN):
    """A two-stage detector. Call it as torchvision's: a list of (3, H, W) photos in [0, 1], and targets in training.

    Attributes:
        classes: object class names; label 1 is the first.
        codec: how its box head writes offsets; replace it by ``codec.decoding(...)`` to decode another way.
        thresholds: what survives of the scored candidates; free to replace between calls.
    """

    def __init__(
        self,
        trunk: Trunk,
        rpn: RegionProposalNetwork,
        roi_heads: OffsetRoIHeads | CascadeRoIHeads,
        transform: GeneralizedRCNNTransform,
        classes: Sequence[str],
    ) -> None:
        super().__init__(trunk, rpn, roi_heads, transform)
        self.classes = tuple(classes)

    @property
    def codec(self) -> OffsetCodec:
        """How the (last) box head writes offsets."""
        return self.roi_heads.codec

    @codec.setter
    def codec(self, codec: OffsetCodec) -> None:
        self.roi_heads.codec = codec

    @property
    def thresholds(self) -> DetectionThresholds:
        """Score and NMS thresholds."""
        return self.roi_heads.thresholds

    @thresholds.setter
    def thresholds(self, thresholds: DetectionThresholds) -> None:
        self.roi_heads.thresholds = thresholds

    @torch.inference_mode()
    def score(self, photo: Image) -> ScoredPhoto:
        """Run the network once; the detector must be in evaluation mode.

        Args:
            photo: RGB; one that is very large is reduced first (:func:`~obcn.models.scoring.reduced`).

        Raises:
            UserError: so long and thin that it would be less than a pixel wide at the size of the network's input.
        """
        shown = reduced(photo)
        if min(shown.size) * self.transform.max_size <= max(shown.size):
            raise UserError(f"a photo of {photo.width} by {photo.height} px is too thin to look at; crop it")
        images, _ = self.transform([photo_tensor(shown).to(next(self.parameters()).device)])
        features = self.backbone(images.tensors)
        proposals, _ = self.rpn(images, features)
        (scored,) = self.roi_heads.score(features, proposals, images.image_sizes)
        boxes = resize_boxes(scored.boxes, images.image_sizes[0], (photo.height, photo.width))
        on_cpu = ScoredCandidates(boxes.cpu(), scored.probabilities.cpu(), scored.offset_outputs.cpu())
        return ScoredPhoto(photo.width, photo.height, self.classes, on_cpu)


class _Transform(GeneralizedRCNNTransform):
    """Resizes and normalises photos, and ignored boxes too; brings candidates back to the photo's own pixels."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        resized, target = super().resize(image, target)
        if target is not None and "ignored" in target:
            target["ignored"] = resize_boxes(target["ignored"], image.shape[-2:], resized.shape[-2:])
        return resized, target

    def postprocess(
        self,
        result: list[dict[str, Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        if not self.training:
            for detections, shape, original in zip(result, image_shapes, original_image_sizes, strict=True):
                detections["candidates"] = resize_boxes(detections["candidates"], shape, original)
        return super().postprocess(result, image_shapes, original_image_sizes)


def build_detector(config: DetectorConfig, classes: Sequence[str], pretrained: bool = False) -> Detector:
    """A detector with fresh heads; the trunk has ImageNet weights if ``pretrained``.

    Raises:
        UserError: ImageNet weights are asked for and cannot be had, or anchors do not fit the trunk.
    """
    trunk = build_trunk(config.trunk, pretrained)
    sizes = config.input
    transform = _Transform(sizes.min_size, sizes.max_size, list(sizes.mean), list(sizes.std))
    # In this order: it decides which random numbers initialise what, and so what a seed means.
    rpn = _build_rpn(config, trunk)
    roi_heads = build_roi_heads(config.box_head, trunk, len(classes))
    return Detector(trunk, rpn, roi_heads, transform, classes)


def _build_rpn(config: DetectorConfig, trunk: Trunk) -> ProposalNetwork:
    proposals = config.proposals
    levels = len(trunk.level_names) + 1
    if len(proposals.anchor_sizes) != levels:
        given = len(proposals.anchor_sizes)
        raise UserError(f"{config.trunk.name} has {levels} proposal levels, but proposals.anchor_sizes lists {given}")
    if len({len(sizes) for sizes in proposals.anchor_sizes}) > 1:
        raise UserError("proposals.anchor_sizes must list equally many sizes for every level: one network serves all")
    anchors = AnchorGenerator(proposals.anchor_sizes, (proposals.aspect_ratios,) * levels)
    network = ProposalNetwork(
        anchors,
        RPNHead(trunk.out_channels, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": proposals.pre_nms_train, "testing": proposals.pre_nms_test},
        post_nms_top_n={"training": proposals.post_nms_train, "testing": proposals.post_nms_test},
        nms_thresh=0.7,
    )
    # As the trunk's: weights that lie otherwise than the features are copied for every level of every photo.
    return network.to(memory_format=torch.channels_last)


def build_roi_heads(head: BoxHeadConfig, trunk: Trunk, num_classes: int) -> OffsetRoIHeads | CascadeRoIHeads:
    """Fresh RoI heads for a trunk: one, or a cascade where ``head`` names several foreground IoUs."""
    codec = head.offsets.build()
    looks = codec.looks if isinstance(codec, RepooledCodec) else (codec,)
    stages = []
    for foreground_iou in head.foreground_iou:
        box_head = BoxHead(
            trunk.out_channels, head.hidden, num_classes, looks[0].num_outputs, head.offsets.class_agnostic
        )
        with drawn_aside():
            later = [LaterLook(trunk.out_channels, head.hidden, look.num_outputs) for look in looks[1:]]
        stages.append(
            OffsetRoIHeads(
                PyramidRoIAlign(trunk.level_names, POOL_SIZE, sampling_ratio=2),
                box_head,
                later,
                codec,
                foreground_iou,
                head.candidates_per_image,
                head.positive_fraction,
                head.box_loss_weight,
                DetectionThresholds(**head.selection.model_dump()),
            )
        )
    return stages[0] if len(stages) == 1 else CascadeRoIHeads(stages)
