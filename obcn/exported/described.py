"""What is known of an opened .onnx file; reading it needs no ONNX package."""

from dataclasses import dataclass
from typing import Any

from obcn.models.selection import DetectionThresholds
from obcn.offsets import OffsetCodec, RegressionCodec, SideCode, SupportPointCodec
from obcn.offsets.layers import LayersCodec

# Anchors below this say nothing that counts for AP, and most of 8,400 are.
FLOOR = 0.001


@dataclass(frozen=True)
class ExportedCard:
    """What is known of an opened file, for pages, tables and record files.

    Attributes:
        name: the file's, without its ending.
        classes: names.
        family: where its distributions are: ``in the graph``, ``layer by layer``, ``raw`` or ``none``.
        points: of each distribution, in the unit of its numbers; none where there is no distribution.
        layers: decoder layers with distributions.
        steps_per_size: how many units make up a reference box's size; None where distances start from anchor points.
        strides: of the anchor points' levels in pixels; none for reference boxes.
        width: of the network's input in pixels.
        height: of the network's input in pixels.
        preprocessing: in words.
        checked: what the check found, in words.
        assumed: what nothing says, a sentence each.
        suppress: whether duplicates are left for NMS.
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

    @property
    def codec(self) -> OffsetCodec:
        """How outputs are read; regression's where the file keeps no distribution."""
        if not self.points:
            return RegressionCodec()
        if self.steps_per_size is None:
            return SupportPointCodec(self.points, box=SideCode())
        return LayersCodec(SupportPointCodec(self.points, box=SideCode("side", self.steps_per_size)), self.layers)

    @property
    def thresholds(self) -> DetectionThresholds:
        """As detectors of its kind are evaluated."""
        return DetectionThresholds(score=FLOOR, nms_iou=0.7 if self.suppress else 1.0, per_image=300)

    def lines(self) -> list[tuple[str, str]]:
        """What and what of it, a line each, for people."""
        found = [("distributions", "none: its boxes alone are compared")]
        if self.points:
            layers = f", in each of {self.layers} layers" if self.layers > 1 else ""
            found = [
                ("distributions", f"{self.family}, {len(self.points)} points per side{layers}"),
                ("unit", self.codec.box.unit + (f" of {', '.join(map(str, self.strides))} px" if self.strides else "")),
            ]
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
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}
