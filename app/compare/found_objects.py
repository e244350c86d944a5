"""Which detections of several detectors, and which true box, are the same object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from app.photos import Truth
from obcn.boxes import centre_and_size
from obcn.explain import PhotoDetections
from obcn.matching import match_boxes

# Detections this weak are never reported, but they say what a detector thought of an object that it did not report.
FLOOR = 0.05


@dataclass(frozen=True)
class FoundObject:
    """One object that at least one model reports.

    Attributes:
        name: class name.
        rows: per model the row among its detections, also of one below the score threshold; None if it saw nothing.
        scores: per model the score that it ranks by, 0 where it saw nothing.
        reporters: models whose score passes the threshold; at least one.
        box: (4,) where it is, in pixels: the mean of its reporters' boxes.
        truth: row in the truth, if a true box of that class overlaps.
    """

    name: str
    rows: Mapping[str, int | None]
    scores: Mapping[str, float]
    reporters: frozenset[str]
    box: Tensor
    truth: int | None = None

    def reported_by(self, model: str) -> bool:
        """Whether this model's score passes the threshold."""
        return model in self.reporters

    @property
    def place(self) -> str:
        """What a link calls it: its class and the centre in whole pixels, for rows change with every threshold."""
        return place_of(self.name, self.box)


def find_objects(found: Mapping[str, PhotoDetections], score: float, truth: Truth | None) -> list[FoundObject]:
    """Objects that any model reports above ``score``, best first.

    Models may know different classes: what they have in common goes by its name. Detections must reach down to
    :data:`FLOOR`: an object that only some models report is paired with what the others saw there below the threshold.

    Args:
        found: each model's detections.
        score: the threshold.
        truth: the photo's true boxes, where known.
    """
    groups: list[_Group] = []
    for strong in (True, False):
        for model, detections in found.items():
            above = detections.scores > score
            rows = torch.where(above if strong else ~above)[0].tolist()
            _join(groups, model, detections, rows, strong)
    objects = [_object(group, found) for group in groups]
    objects.sort(key=lambda item: -max(item.scores.values()))
    return _with_truth(objects, truth) if truth is not None else objects


def place_of(name: str, box: Iterable[float]) -> str:
    """What a link calls an object of a class in a (4,) box in pixels, see :attr:`FoundObject.place`."""
    centre = centre_and_size(box)
    return f"{name}@{round(centre.x)},{round(centre.y)}"


def locate(objects: list[FoundObject], place: str) -> int | None:
    """Index of the object that is where ``place`` says; None if it is gone, or if that is no place.

    Args:
        objects: to choose from.
        place: as :attr:`FoundObject.place` says it, perhaps of the object as other settings drew it.
    """
    name, _, middle = place.rpartition("@")
    try:
        x, y = (float(value) for value in middle.split(","))
    except ValueError:
        return None
    best, nearest = None, float("inf")
    for index, item in enumerate(objects):
        x1, y1, x2, y2 = item.box.tolist()
        centre = centre_and_size(item.box)
        distance = abs(centre.x - x) + abs(centre.y - y)
        if item.name == name and x1 <= x <= x2 and y1 <= y <= y2 and distance < nearest:
            best, nearest = index, distance
    return best


@dataclass
class _Group:
    """Rows of several models that are one object, while they are still being collected."""

    name: str
    boxes: list[Tensor] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    reporters: set[str] = field(default_factory=set)

    @property
    def box(self) -> Tensor:
        return torch.stack(self.boxes).mean(0)


def _join(groups: list[_Group], model: str, found: PhotoDetections, rows: list[int], strong: bool) -> None:
    """Add one model's rows to the groups that they overlap; a strong row that overlaps none is a new group."""
    open_groups = [group for group in groups if model not in group.rows]
    pairs = match_boxes(
        found.boxes[rows],
        tuple(found.names[row] for row in rows),
        torch.stack([group.box for group in open_groups]) if open_groups else torch.zeros(0, 4),
        tuple(group.name for group in open_groups),
    )
    for position, row in enumerate(rows):
        if position in pairs:
            group = open_groups[pairs[position]]
        elif strong:
            group = _Group(found.names[row])
            groups.append(group)
        else:
            continue
        group.rows[model] = row
        if strong:
            group.boxes.append(found.boxes[row])
            group.reporters.add(model)


def _object(group: _Group, found: Mapping[str, PhotoDetections]) -> FoundObject:
    rows = {model: group.rows.get(model) for model in found}
    return FoundObject(
        name=group.name,
        rows=rows,
        scores={model: 0.0 if row is None else float(found[model].scores[row]) for model, row in rows.items()},
        reporters=frozenset(group.reporters),
        box=group.box,
    )


def _with_truth(objects: list[FoundObject], truth: Truth) -> list[FoundObject]:
    boxes = torch.stack([item.box for item in objects]) if objects else torch.zeros(0, 4)
    matched = match_boxes(boxes, tuple(item.name for item in objects), truth.boxes, truth.names)
    return [replace(item, truth=matched.get(index)) for index, item in enumerate(objects)]
