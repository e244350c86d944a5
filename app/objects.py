"""Which detections of the two detectors, and which true box, are the same object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from app.figures.belief import box_iou
from app.photos import Truth
from obcn.explain import PhotoDetections
from obcn.matching import match_boxes

Head = Literal["regression", "obcn"]

HEADS: tuple[Head, ...] = ("regression", "obcn")

# Detections this weak are never reported, but they say what a detector thought of an object that it did not report.
FLOOR = 0.05


@dataclass(frozen=True)
class FoundObject:
    """One object that at least one detector reports.

    Attributes:
        name: class name.
        rows: per head the row among its detections, also of one below the score threshold; None if it saw nothing.
        scores: per head its score, 0 where it saw nothing.
        reporters: heads whose score passes the threshold; at least one.
        box: (4,) where it is, in pixels: OBCN's box where OBCN reports it, else regression's.
        truth: row in the truth, if a true box of that class overlaps.
    """

    name: str
    rows: Mapping[Head, int | None]
    scores: Mapping[Head, float]
    reporters: frozenset[Head]
    box: Tensor
    truth: int | None = None

    def reported_by(self, head: Head) -> bool:
        """Whether this head's score passes the threshold."""
        return head in self.reporters


def find_objects(
    regression: PhotoDetections, obcn: PhotoDetections, score: float, truth: Truth | None
) -> list[FoundObject]:
    """Objects that either detector reports above ``score``, best first.

    Detections must reach down to :data:`FLOOR`: an object that only one detector reports is paired with what the
    other saw there below the threshold.
    """
    strong = [torch.where(found.scores > score)[0].tolist() for found in (regression, obcn)]
    weak = [torch.where(found.scores <= score)[0].tolist() for found in (regression, obcn)]
    pairs: list[tuple[int | None, int | None]] = list(_match(regression, strong[0], obcn, strong[1]).items())
    only_regression = [row for row in strong[0] if row not in {pair[0] for pair in pairs}]
    only_obcn = [row for row in strong[1] if row not in {pair[1] for pair in pairs}]
    behind_regression = _match(regression, only_regression, obcn, weak[1])
    behind_obcn = _match(obcn, only_obcn, regression, weak[0])
    pairs += [(row, behind_regression.get(row)) for row in only_regression]
    pairs += [(behind_obcn.get(row), row) for row in only_obcn]
    objects = [_object(regression, left, obcn, right, score) for left, right in pairs]
    objects.sort(key=lambda item: -max(item.scores.values()))
    return _with_truth(objects, truth) if truth is not None else objects


def locate(objects: list[FoundObject], name: str, box: Tensor) -> int | None:
    """Index of the object of class ``name`` that lies where ``box`` (4,) was; None if it is gone.

    An object is remembered by its place: rows change with every threshold.
    """
    overlaps = [box_iou(item.box, box) if item.name == name else 0.0 for item in objects]
    best = max(range(len(objects)), key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] >= 0.5 else None


def _match(one: PhotoDetections, rows: list[int], other: PhotoDetections, other_rows: list[int]) -> dict[int, int]:
    pairs = match_boxes(
        one.boxes[rows],
        tuple(one.names[row] for row in rows),
        other.boxes[other_rows],
        tuple(other.names[row] for row in other_rows),
    )
    return {rows[left]: other_rows[right] for left, right in pairs.items()}


def _object(
    regression: PhotoDetections, left: int | None, obcn: PhotoDetections, right: int | None, score: float
) -> FoundObject:
    found: dict[Head, PhotoDetections] = {"regression": regression, "obcn": obcn}
    rows: dict[Head, int | None] = {"regression": left, "obcn": right}
    scores = {head: float(found[head].scores[row]) if row is not None else 0.0 for head, row in rows.items()}
    reporters = frozenset(head for head in rows if scores[head] > score)
    shown: Head = "obcn" if "obcn" in reporters else "regression"
    row = rows[shown]
    assert row is not None, "a reporter has a row"
    return FoundObject(
        name=found[shown].names[row],
        rows=rows,
        scores=scores,
        reporters=reporters,
        box=found[shown].boxes[row],
    )


def _with_truth(objects: list[FoundObject], truth: Truth) -> list[FoundObject]:
    boxes = torch.stack([item.box for item in objects]) if objects else torch.zeros(0, 4)
    matched = match_boxes(boxes, tuple(item.name for item in objects), truth.boxes, truth.names)
    return [replace(item, truth=matched.get(index)) for index, item in enumerate(objects)]
