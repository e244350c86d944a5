"""What makes a detector's steps faster: the same function and gradients, up to rounding, with fewer passes."""

from functools import partial

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn

from obcn.models.detector import Detector
from obcn.models.folding import conv_norm_pairs


def prepare_for_training(detector: Detector) -> None:
    """Have the trunk's convolutions do what the frozen BatchNorm after them does, in place.

    Its statistics and factors never change (:class:`~obcn.models.trunks.Trunk`), so they scale the kernel, anew in
    each step, since the kernel is trained. Names and values of the state dict stay.

    Args:
        detector: any that is not prepared for inference.
    """
    trunk = detector.backbone
    device, training = next(detector.parameters()).device, trunk.training
    # In a trunk fresh from its maker BatchNorm would learn from the example.
    trunk.eval()
    # Large enough that no level of the pyramid is empty.
    pairs = conv_norm_pairs(trunk.backbone, torch.zeros(1, 3, 64, 64, device=device))
    trunk.train(training)
    for conv_name, norm_name in pairs:
        conv, norm = trunk.backbone.get_submodule(conv_name), trunk.backbone.get_submodule(norm_name)
        # As attributes of the two modules: replaced modules would have other names.
        object.__setattr__(conv, "forward", partial(_normalised, conv, norm))
        # timm's BatchNorm carries the activation that follows it.
        object.__setattr__(norm, "forward", getattr(norm, "act", nn.Identity()).forward)


def _normalised(conv: nn.Conv2d, norm: nn.BatchNorm2d, features: Tensor) -> Tensor:
    """A convolution and the frozen BatchNorm after it in one."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * factor
    if conv.bias is not None:
        shift = shift + conv.bias * factor
    if isinstance(conv, Conv2dSame):
        features = pad_same(features, list(conv.kernel_size), list(conv.stride), list(conv.dilation))
    weight = conv.weight * factor[:, None, None, None]
    return F.conv2d(features, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)
