"""What makes a detector faster that is only to detect: the same function, up to rounding, in a form made for it."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

from obcn.models.detector import Detector
from obcn.models.folding import fold_batch_norms

_Kind = TypeVar("_Kind", bound=nn.Module)


def prepare_for_inference(detector: Detector) -> None:
    """Bring a detector into the form that is fastest, in place. It cannot be trained or saved afterwards.

    BatchNorm is folded into the trunk's convolutions, TensorFlow's uneven padding into their kernels. On the CPU, the
    first layer on pooled features takes these as :class:`~obcn.models.roi_align.PyramidRoIAlign` leaves them in memory.

    Args:
        detector: in evaluation mode.
    """
    device = next(detector.parameters()).device
    # Large enough that no level of the pyramid is empty; folding looks at what follows what, not at the values.
    fold_batch_norms(detector.backbone.backbone, torch.zeros(1, 3, 64, 64, device=device))
    _replace(detector.backbone, Conv2dSame, _evenly_padded)
    if device.type == "cpu":
        _replace(detector.roi_heads, TwoMLPHead, _VectorByVector)


class _VectorByVector(nn.Module):
    """torchvision's two layers on pooled features, without the copy that reorders these channel by channel."""

    def __init__(self, layers: TwoMLPHead, pooled_cells: int = 49) -> None:
        super().__init__()
        first = layers.fc6
        weight = first.weight.detach().unflatten(1, (-1, pooled_cells)).transpose(1, 2).flatten(1)
        self.weight, self.bias = nn.Parameter(weight, requires_grad=False), first.bias
        self.second = layers.fc7

    def forward(self, pooled: Tensor) -> Tensor:
        """(R, C, P, P) features, channels last in memory, to (R, hidden)."""
        vectors = pooled.permute(0, 2, 3, 1).flatten(1)
        return F.relu(self.second(F.relu(F.linear(vectors, self.weight, self.bias))))


def _evenly_padded(conv: Conv2dSame) -> nn.Module:
    """A convolution of stride 2 with TensorFlow's padding as a plain one, which needs no padded copy of its input.

    Of an input with an even side, that padding is one more after than before. A kernel with a row and a column of zeros
    before it, padded evenly, sees the same. Sides are even wherever the trunk halves them, since photos are padded to
    multiples of 32. Convolutions in groups alone: for others the larger kernel costs more than the copy.
    """
    kernel, padding = conv.kernel_size[0], conv.kernel_size[0] // 2
    if conv.stride != (2, 2) or conv.groups == 1 or conv.kernel_size != (kernel, kernel) or not kernel % 2:
        return conv
    plain = nn.Conv2d(conv.in_channels, conv.out_channels, kernel + 1, 2, padding, groups=conv.groups)
    plain.weight = nn.Parameter(F.pad(conv.weight.detach(), (1, 0, 1, 0)), requires_grad=False)
    plain.bias = conv.bias
    return plain.to(memory_format=torch.channels_last)


def _replace(network: nn.Module, kind: type[_Kind], by: Callable[[_Kind], nn.Module]) -> None:
    for name, module in [found for found in network.named_modules() if isinstance(found[1], kind)]:
        network.set_submodule(name, by(module))
