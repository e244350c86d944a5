"""TensorFlow's uneven padding, written into the kernels: one function for inference and for exported files."""

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from torch import nn


def pad_evenly(trunk: nn.Module) -> None:
    """Replace a trunk's convolutions of stride 2 with TensorFlow's padding by plain ones, in place.

    Of an input with an even side, that padding is one more after than before, and timm makes a padded copy for it,
    whose size exporters cannot follow. A kernel with a row and a column of zeros before it, padded evenly, sees the
    same. Sides are even wherever the trunk halves them, since photos are padded to multiples of 32.

    Args:
        trunk: for inference only: the zeros would be trained too.
    """
    for name, conv in [found for found in trunk.named_modules() if isinstance(found[1], Conv2dSame)]:
        kernel = conv.kernel_size[0]
        assert conv.stride == (2, 2)
        assert conv.kernel_size == (kernel, kernel)
        assert kernel % 2
        plain = nn.Conv2d(conv.in_channels, conv.out_channels, kernel + 1, 2, kernel // 2, groups=conv.groups)
        plain.weight = nn.Parameter(F.pad(conv.weight.detach(), (1, 0, 1, 0)), requires_grad=False)
        plain.bias = conv.bias
        trunk.set_submodule(name, plain.to(memory_format=torch.channels_last))
