"""The heads of a study: the package's own RoI heads, with one more choice of how class and box branch share layers."""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from analysis.frozen.stages import StudyOffsets
from obcn.config import BinOffsets, BoxHeadConfig
from obcn.models.box_head import BoxHead, LaterLook
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.detector import Detector, build_roi_heads
from obcn.models.roi_heads import OffsetRoIHeads

Head = OffsetRoIHeads | CascadeRoIHeads


class HeadSettings(BoxHeadConfig):
    """What is trained: a box head, whose two branches share their hidden layers (``joint``, as usual) or do not.

    With ``separate`` branches the box loss cannot disturb the class scores, however loud it is. ``box_gradient`` is the
    share g of the box loss's gradient that a joint head's shared layers get; the offset layer learns at full rate
    whatever g is. A head with it also records what class and box loss ask of the shared layers. ``later_stages`` of
    bins are one more linear layer on the first stage's (``shared``), or have hidden layers of their ``own`` on the same
    pooled features.
    """

    offsets: StudyOffsets = Field(discriminator="codec")  # type: ignore[assignment]
    branches: Literal["joint", "separate"] = Field("joint")
    box_gradient: float | None = Field(None, ge=0)
    later_stages: Literal["shared", "own"] = Field("shared")

    @model_validator(mode="after")
    def _only_what_is_shared_has_a_gate(self) -> "HeadSettings":
        if self.box_gradient is not None and (self.branches == "separate" or len(self.foreground_iou) > 1):
            raise ValueError("box_gradient is for joint branches of a single head")
        return self

    @model_validator(mode="after")
    def _own_layers_are_of_later_bins(self) -> "HeadSettings":
        bins = self.offsets
        later = isinstance(bins, BinOffsets) and bins.num_stages > 1 and bins.stage_features == "shared"
        plain = self.branches == "joint" and self.box_gradient is None and len(self.foreground_iou) == 1
        if self.later_stages == "own" and not (later and plain):
            raise ValueError("later_stages: own is for two or more stages of bins, not repooled, in a plain joint head")
        return self


class SeparateBranches(nn.Module):
    """Two box heads of which one gives the class scores and the other the offset outputs."""

    def __init__(self, classes: BoxHead, boxes: BoxHead) -> None:
        super().__init__()
        self.classes, self.boxes = classes, boxes

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`BoxHead.forward`."""
        return self.classes(pooled)[0], self.boxes(pooled)[1]


class OwnLaterStages(nn.Module):
    """A box head that writes the first stage, beside layers on the same pooled features that write the others."""

    def __init__(self, first: BoxHead, later: LaterLook) -> None:
        super().__init__()
        self.first, self.later = first, later

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`BoxHead.forward`; bins of several stages stand one after the other."""
        scores, outputs = self.first(pooled)
        return scores, torch.cat((outputs, self.later(pooled)[:, None]), dim=-1)


class GatedBranch(nn.Module):
    """A box head that lets g times the gradient of its offset outputs through to its shared layers."""

    def __init__(self, head: BoxHead, gate: float) -> None:
        super().__init__()
        self.head, self.gate = head, gate

    @property
    def shared(self) -> nn.Module:
        """The layers below both outputs."""
        return self.head.shared

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`BoxHead.forward`: g h + (1 - g) h.detach() is h, but for its gradient."""
        head = self.head
        hidden = head.shared(pooled)
        outputs = head.offset_outputs(self.gate * hidden + (1 - self.gate) * hidden.detach())
        return head.class_scores(hidden), outputs.reshape(-1, head.num_groups, head.num_outputs)


def build_head(settings: HeadSettings, detector: Detector, seed: int) -> Head:
    """A fresh head for the detector's trunk.

    Hidden layers and class scores start alike for every codec of one seed.
    """

    def draw(which: int, drawn: HeadSettings = settings) -> Head:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2 * seed + which)
            return build_roi_heads(drawn, detector.backbone, len(detector.classes))

    head = draw(0)
    if settings.branches == "separate":
        assert isinstance(head, OffsetRoIHeads), "the studies cascade joint branches only"
        head.box_head = SeparateBranches(_box_head(head), _box_head(draw(1)))
    if settings.box_gradient is not None:
        assert isinstance(head, OffsetRoIHeads), "the settings have refused a cascade"
        head.box_head = GatedBranch(_box_head(head), settings.box_gradient)
    if settings.later_stages == "own":
        assert isinstance(settings.offsets, BinOffsets), "the settings have refused others"
        one = settings.offsets.model_copy(update={"num_stages": 1, "ranges": None})
        first = _box_head(draw(0, settings.model_copy(update={"offsets": one})))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2 * seed + 1)
            later = LaterLook(
                detector.backbone.out_channels, settings.hidden, head.codec.num_outputs - first.num_outputs
            )
        head.box_head = OwnLaterStages(first, later)
    return head


def _box_head(head: Head) -> BoxHead:
    assert isinstance(head.box_head, BoxHead), "as the package builds it"
    return head.box_head


def branches_of(head: Head) -> list[nn.Module]:
    """Parts of a head that share no weight: each has its gradient clipped alone, or a loud one would mute another."""
    if isinstance(head, CascadeRoIHeads):
        return [head]
    first = head.box_head
    parts = isinstance(first, SeparateBranches | OwnLaterStages)
    return [*(first.children() if parts else [first]), *head.later_looks]
