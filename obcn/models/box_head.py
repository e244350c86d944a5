"""The box head: pooled candidate features to class scores and offset outputs."""

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

POOL_SIZE = 7


class BoxHead(nn.Module):
    """Two shared layers, then class scores and offset outputs, for any codec.

    Args:
        in_channels: channels of the pooled features.
        hidden: units of the shared layers.
        num_classes: object classes, without background.
        num_outputs: the codec's outputs per candidate.
        class_agnostic: one set of offset outputs per candidate, or one per class.
    """

    def __init__(self, in_channels: int, hidden: int, num_classes: int, num_outputs: int, class_agnostic: bool) -> None:
        super().__init__()
        self.num_groups = 1 if class_agnostic else num_classes
        self.num_outputs = num_outputs
        self.shared = TwoMLPHead(in_channels * POOL_SIZE**2, hidden)
        self.class_scores = nn.Linear(hidden, num_classes + 1)
        self.offset_outputs = nn.Linear(hidden, self.num_groups * num_outputs)
        nn.init.normal_(self.class_scores.weight, std=0.01)
        nn.init.zeros_(self.class_scores.bias)
        nn.init.normal_(self.offset_outputs.weight, std=0.001)
        nn.init.zeros_(self.offset_outputs.bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C, 7, 7) pooled features to (R, 1 + classes) scores, background first, and
        (R, groups, num_outputs) offset outputs; groups is 1 when class-agnostic."""
        hidden = self.shared(pooled)
        outputs = self.offset_outputs(hidden)
        return self.class_scores(hidden), outputs.reshape(-1, self.num_groups, self.num_outputs)
