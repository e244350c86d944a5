"""The heads of a study: the package's own RoI heads, with one more choice of how class and box branch share layers."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from obcn.config import BoxHeadConfig
from obcn.models.box_head import BoxHead
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.detector import Detector, build_roi_heads
from obcn.models.roi_heads import OffsetRoIHeads


class HeadSettings(BoxHeadConfig):
    """What is trained: a box head, whose two branches share their hidden layers (``joint``, as usual) or do not.

    With ``separate`` branches the box loss cannot disturb the class scores, however loud it is.
    """

    branches: Literal["joint", "separate"] = Field("joint")


class SeparateBranches(nn.Module):
    """Two box heads of which one gives the class scores and the other the offset outputs."""

    def __init__(self, classes: BoxHead, boxes: BoxHead) -> None:
        super().__init__()
        self.classes, self.boxes = classes, boxes

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`BoxHead.forward`."""
        return self.classes(pooled)[0], self.boxes(pooled)[1]


def build_head(settings: HeadSettings, detector: Detector, seed: int) -> OffsetRoIHeads | CascadeRoIHeads:
    """A fresh head for the detector's trunk.

    Hidden layers and class scores start alike for every codec of one seed: the offset outputs are drawn last.
    """

    def draw(which: int) -> OffsetRoIHeads | CascadeRoIHeads:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2 * seed + which)
            return build_roi_heads(settings, detector.backbone, len(detector.classes))

    head = draw(0)
    if settings.branches == "separate":
        assert isinstance(head, OffsetRoIHeads), "the studies cascade joint branches only"
        head.box_head = SeparateBranches(head.box_head, draw(1).box_head)
    return head


def branches_of(head: OffsetRoIHeads | CascadeRoIHeads) -> list[nn.Module]:
    """Parts of a head that share no weight: each has its gradient clipped alone, or a loud one would mute another."""
    if isinstance(head, OffsetRoIHeads) and isinstance(head.box_head, SeparateBranches):
        return [head.box_head.classes, head.box_head.boxes]
    return [head]
