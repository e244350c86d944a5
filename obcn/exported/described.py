"""What is known of an opened .onnx file; reading it needs no ONNX package."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from obcn.config import Offsets
from obcn.models.selection import DetectionThresholds
from obcn.offsets import OffsetCodec, RegressionCodec, RepooledCodec, SideCode, SupportPointCodec
from obcn.offsets.layers import LayersCodec

# Anchors below this say nothing that counts for AP, and most of 8,400 are.
FLOOR = 0.001


@dataclass(frozen=True)
class ExportedCard:
    """What is known of an opened file, for pages, tables and record files.

    Attributes:
        name: the file's, without its ending.
        classes: names.
        family: where its distributions are: ``in the graph``, ``layer by layer``, ``raw``, ``from candidates`` or
            ``none``.
        points: of each distribution, in the unit of its numbers; none where there is no distribution.
        layers: decoder layers with distributions, or stages whose offsets add up.
        steps_per_size: how many units make up a reference box's size; None where distances start from anchor points.
        strides: of the anchor points' levels in pixels; none for reference boxes.
        width: of the network's input in pixels.
        height: of the network's input in pixels.
        preprocessing: in words.
        checked: what the check found, in words.
        assumed: what nothing says, a sentence each.
        suppress: whether duplicates are left for NMS.
        added: points of each later stage whose offsets are added to the first one's.
        offsets: how the head writes offsets, where the file says so and its bins agree.
        asked: thresholds that the file asks for.
    """

    name: str
    classes: tuple[str, ...]
    family: str
    points: tuple[float, ...]
    layers: int
    steps_per_size: float | None
    strides: tuple[int, ...]
    width: int
    height: int
    preprocessing: str
    checked: str
    assumed: tuple[str, ...]
    suppress: bool
    added: tuple[tuple[float, ...], ...] = ()
    offsets: Offsets | None = None
    asked: DetectionThresholds | None = None

    @property
    def codec(self) -> OffsetCodec:
        """How outputs are read; regression's where the file keeps no distribution."""
        if self.offsets is not None:
            return self.offsets.build()
        if not self.points:
            return RegressionCodec()
        if self.family == "from candidates":
            stages = tuple(SupportPointCodec(points) for points in (self.points, *self.added))
            return stages[0] if len(stages) == 1 else RepooledCodec(stages)
        if self.steps_per_size is None:
            return SupportPointCodec(self.points, box=SideCode())
        return LayersCodec(SupportPointCodec(self.points, box=SideCode("side", self.steps_per_size)), self.layers)

    @property
    def thresholds(self) -> DetectionThresholds:
        """As detectors of its kind are evaluated."""
        if self.asked is not None:
            return self.asked
        return DetectionThresholds(score=FLOOR, nms_iou=0.7 if self.suppress else 1.0, per_image=300)

    def lines(self) -> list[tuple[str, str]]:
        """What and what of it, a line each, for people."""
        found = [("distributions", "none: its boxes alone are compared")]
        if self.points:
            ours = self.family == "from candidates"
            layers = f", in each of {self.layers} {'stages' if ours else 'layers'}" if self.layers > 1 else ""
            each = "number" if ours else "side"
            found = [
                ("distributions", f"{self.family}, {len(self.points)} points per {each}{layers}"),
                ("unit", self.codec.box.unit + (f" of {', '.join(map(str, self.strides))} px" if self.strides else "")),
            ]
            if self.offsets is not None:
                found.append(("head", self.codec.describe()))
        shown = ", ".join(self.classes[:10]) + (", ..." if len(self.classes) > 10 else "")
        return [
            ("file", self.name),
            *found,
            ("classes", f"{len(self.classes)} ({shown})"),
            ("input", self.preprocessing),
            ("check", self.checked),
            *([("assumed", "; ".join(self.assumed))] if self.assumed else []),
        ]

    def model_dump(self, *, mode: str = "json") -> dict[str, Any]:
        """As a record file keeps it, in any mode."""
        written: dict[str, Any] = {}
        for key, value in vars(self).items():
            if isinstance(value, BaseModel):
                value = value.model_dump(mode=mode)
            elif isinstance(value, DetectionThresholds):
                value = vars(value)
            written[key] = list(value) if isinstance(value, tuple) else value
        return written
