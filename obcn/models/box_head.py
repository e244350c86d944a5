"""The box head: pooled candidate features to class scores and offset outputs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

POOL_SIZE = 7


class BoxHead(nn.Module):
    """Two shared layers, then class scores and offset outputs, for any codec.

    The offset outputs are drawn beside the stream of random numbers, so that whatever is drawn before or after them
    starts alike for every codec of one seed, however many outputs it has.

    Args:
        in_channels: channels of the pooled features.
        hidden: units of the shared layers.
        num_classes: object classes, without background.
        num_outputs: the codec's outputs per candidate; of a repooled codec, those of its first look.
        class_agnostic: one set of offset outputs per candidate, or one per class.
    """

    def __init__(self, in_channels: int, hidden: int, num_classes: int, num_outputs: int, class_agnostic: bool) -> None:
        super().__init__()
        self.num_groups = 1 if class_agnostic else num_classes
        self.num_outputs = num_outputs
        self.shared = TwoMLPHead(in_channels * POOL_SIZE**2, hidden)
        self.class_scores = nn.Linear(hidden, num_classes + 1)
        nn.init.normal_(self.class_scores.weight, std=0.01)
        nn.init.zeros_(self.class_scores.bias)
        with drawn_aside():
            self.offset_outputs = _offset_outputs(hidden, self.num_groups * num_outputs)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C, 7, 7) pooled features to (R, 1 + classes) scores, background first, and
        (R, groups, num_outputs) offset outputs; groups is 1 when class-agnostic."""
        hidden = self.shared(pooled)
        outputs = self.offset_outputs(hidden)
        return self.class_scores(hidden), outputs.reshape(-1, self.num_groups, self.num_outputs)


class LaterLook(nn.Module):
    """Layers of its own on features pooled again: the offset outputs of a repooled codec's later look.

    Args:
        in_channels: channels of the pooled features.
        hidden: units of its two layers.
        num_outputs: outputs of this look.
    """

    def __init__(self, in_channels: int, hidden: int, num_outputs: int) -> None:
        super().__init__()
        self.layers = TwoMLPHead(in_channels * POOL_SIZE**2, hidden)
        self.offset_outputs = _offset_outputs(hidden, num_outputs)

    def forward(self, pooled: Tensor) -> Tensor:
        """(R, C, 7, 7) pooled features to (R, num_outputs) offset outputs."""
        return self.offset_outputs(self.layers(pooled))


@contextmanager
def drawn_aside() -> Iterator[None]:
    """Random numbers drawn inside are drawn again by whoever comes after."""
    with torch.random.fork_rng(devices=[]):
        yield


def _offset_outputs(hidden: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(hidden, outputs)
    nn.init.normal_(layer.weight, std=0.001)
    nn.init.zeros_(layer.bias)
    return layer
