"""What makes a detector faster that is only to detect: the same function, up to rounding, in a form made for it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

from obcn.models.box_head import POOL_SIZE
from obcn.models.detector import Detector
from obcn.models.folding import fold_batch_norms
from obcn.models.padding import pad_evenly


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
    pad_evenly(detector.backbone)
    if device.type == "cpu":
        heads = detector.roi_heads
        for name, layers in [found for found in heads.named_modules() if isinstance(found[1], TwoMLPHead)]:
            heads.set_submodule(name, _VectorByVector(layers))


class _VectorByVector(nn.Module):
    """torchvision's two layers on pooled features, without the copy that reorders these channel by channel."""

    def __init__(self, layers: TwoMLPHead) -> None:
        super().__init__()
        first = layers.fc6
        weight = first.weight.detach().unflatten(1, (-1, POOL_SIZE**2)).transpose(1, 2).flatten(1)
        self.weight, self.bias = nn.Parameter(weight, requires_grad=False), first.bias
        self.second = layers.fc7

    def forward(self, pooled: Tensor) -> Tensor:
        """(R, C, P, P) features, channels last in memory, to (R, hidden)."""
        vectors = pooled.permute(0, 2, 3, 1).flatten(1)
        return F.relu(self.second(F.relu(F.linear(vectors, self.weight, self.bias))))
