"""Files with no distribution: the boxes, scores and classes that they give out, as they are."""

from dataclasses import dataclass, replace

import numpy as np

from obcn.errors import UserError
from obcn.exported.graph import Graph
from obcn.exported.layout import PARTS_UP_TO, BoxLayout, as_matrix
from obcn.exported.reading import MadeBy, Scores, Tensors
from obcn.exported.scores import find_beside, made_by_of
from obcn.exported.structure import chooses, from_maps

# No detector that gives one box for each object gives more.
FEW = 1000


@dataclass(frozen=True)
class PlainReading:
    """Where a file's own outputs hold what.

    Attributes:
        boxes: tensor of boxes.
        layout: of that tensor; its first four columns are the box, after ``skip`` others.
        skip: columns before the box.
        scores: class scores per box, or None where each box has one class:
        score: (tensor, column) of a box's score; None with ``scores``.
        label: (tensor, column) of a box's class, from 0.
        duplicates: whether several boxes of one object are left in, for NMS to take out.
    """

    boxes: str
    layout: BoxLayout
    skip: int
    scores: Scores | None
    score: tuple[str, int] | None
    label: tuple[str, int] | None
    duplicates: bool = False

    @property
    def tensors(self) -> list[str]:
        """What the network must give out."""
        names = [self.boxes, *(self.scores.names if self.scores else ())]
        names += [place[0] for place in (self.score, self.label) if place]
        return list(dict.fromkeys(names))

    def read(self, tensors: Tensors, width: int, height: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """(A, 4) corners in the network's pixels and (A, classes) scores."""
        rows = self.layout.rows(tensors[self.boxes]) if not self.layout.rows_last else as_matrix(tensors[self.boxes]).T
        if tensors[self.boxes].size == 0:
            return np.zeros((0, 4)), np.zeros((0, classes), dtype=np.float32)
        plain = BoxLayout(False, self.layout.format, self.layout.of_size)
        corners = plain.corners(rows[:, self.skip : self.skip + 4], width, height)
        if self.scores is not None:
            return corners, self.scores.rows(tensors)
        assert self.score is not None
        assert self.label is not None
        score, label = (_column(tensors, place, len(rows)) for place in (self.score, self.label))
        probabilities = np.zeros((len(rows), classes), dtype=np.float32)
        known = (label >= 0) & (label < classes)
        probabilities[np.flatnonzero(known), label[known].astype(int)] = score[known]
        return corners, probabilities


def find_plain(graph: Graph, tensors: Tensors, classes: int, scores: MadeBy | None) -> PlainReading:
    """What a file without distributions gives out.

    Args:
        graph: the file's.
        tensors: what it computed of the check picture.
        classes: how many there are, 0 if not known.
        scores: what makes class scores of its last numbers, if that is known.

    Raises:
        UserError: nothing in it looks like boxes with scores.
    """
    outputs = {name: tensors[name] for name in graph.outputs if name in tensors}
    matrices = {name: as_matrix(tensor) for name, tensor in outputs.items()}
    real = {name: matrix for name, matrix in matrices.items() if matrix.dtype.kind == "f"}
    found = next((_finished(name, one) for name, one in real.items() if one.shape[1] in (6, 7)), None)
    if found is None:
        # Four numbers alone before more of them: what stands first in many files are scores.
        found = next((one for name in real if (one := _apart(name, outputs, classes, scores)) is not None), None)
    if found is None:
        found = next((one for name in real if (one := _together(name, outputs, classes, scores)) is not None), None)
    if found is None:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in outputs.items())
        raise UserError(f"nothing that this file gives out looks like decoded boxes with scores: {shapes}")
    chosen, count = chooses(graph), len(found.layout.rows(tensors[found.boxes]))
    if "NonMaxSuppression" in chosen:
        return found
    # The best k of a map's places still hold several of one object, unless they are as few as objects can be.
    return replace(found, duplicates=from_maps(graph, found.boxes) and ("TopK" not in chosen or count > FEW))


def _apart(name: str, outputs: Tensors, classes: int, told: MadeBy | None) -> PlainReading | None:
    """Boxes in a tensor of their own, with the scores in another, and perhaps the classes in a third."""
    matrix = as_matrix(outputs[name])
    if 4 not in matrix.shape:
        return None
    rows = matrix if matrix.shape[1] == 4 else matrix.T
    layout = _layout(rows, rows is not matrix)
    score, label = (_one_each(outputs, len(rows), kinds, name) for kinds in ("f", "iu"))
    if score is not None and label is not None:
        return PlainReading(name, layout, 0, None, (score, 0), (label, 0))
    for other, tensor in outputs.items():
        beside = as_matrix(tensor)
        for its in (beside, beside.T):
            if other == name or len(its) != len(rows) or beside.dtype.kind != "f" or not len(its):
                continue
            made_by = made_by_of(its, classes, told)
            count = its.shape[1] - (made_by == "softmax")
            return PlainReading(name, layout, 0, Scores((other,), its.shape[1], 0, count, made_by), None, None)
    return None


def _together(name: str, outputs: Tensors, classes: int, told: MadeBy | None) -> PlainReading | None:
    """Boxes whose scores stand behind them, or whose score does and the class in another tensor."""
    matrix = as_matrix(outputs[name])
    for rows in (matrix, matrix.T):
        columns = rows.shape[1]
        if columns < 5 or len(rows) <= columns:
            continue
        layout = _layout(rows[:, :4], rows is not matrix)
        if columns == 5 and (label := _one_each(outputs, len(rows), "iu", name)) is not None:
            return PlainReading(name, layout, 0, None, (name, 4), (label, 0))
        # Neither pixels nor parts of the photo: boxes that are not decoded yet, or no boxes at all.
        undecoded = not layout.of_size and rows[:, :4].max() < 8 and columns > 6
        sizes = rows[:, 2:4] - (rows[:, :2] if layout.format == "corners" else 0)
        if not undecoded and (sizes >= -1e-3).mean() > 0.99:
            return PlainReading(name, layout, 0, find_beside(name, rows, classes, told), None, None)
    return None


def _finished(name: str, matrix: np.ndarray) -> PlainReading | None:
    """Six columns: box, score and class as end-to-end exports have them, or Paddle's class, score and box."""
    rows = matrix[:, -6:]
    skipped = matrix.shape[1] - 6
    whole = [bool((rows[:, column] == np.round(rows[:, column])).all()) for column in (0, 5)]
    unit = [bool(((rows[:, column] >= 0) & (rows[:, column] <= 1)).all()) for column in (1, 4)]
    if whole[1] and unit[1] and not (whole[0] and unit[0] and rows[:, 2:].max(initial=0) > 1 and len(rows) > 1):
        return PlainReading(name, _layout(rows[:, :4], False), skipped, None, (name, skipped + 4), (name, skipped + 5))
    if whole[0] and unit[0]:
        layout = _layout(rows[:, 2:], False)
        return PlainReading(name, layout, skipped + 2, None, (name, skipped + 1), (name, skipped))
    return None


def _layout(boxes: np.ndarray, rows_last: bool) -> BoxLayout:
    of_size = bool(len(boxes) and np.median(np.abs(boxes)) <= PARTS_UP_TO)
    ordered = (boxes[:, 2:] >= boxes[:, :2] - 1e-3).all(1).mean() if len(boxes) else 1.0
    return BoxLayout(rows_last, "corners" if ordered > 0.999 else "centre and size", of_size)


def _one_each(outputs: Tensors, count: int, kinds: str, but: str) -> str | None:
    """The first output of these kinds of numbers that has one for each of ``count`` boxes."""
    for name, tensor in outputs.items():
        longer = [side for side in tensor.shape if side != 1]
        if name != but and tensor.dtype.kind in kinds and longer == ([] if count == 1 else [count]):
            return name
    return None


def _column(tensors: Tensors, place: tuple[str, int], count: int) -> np.ndarray:
    tensor = tensors[place[0]]
    return tensor.reshape(count, -1)[:, place[1]] if tensor.size != count else tensor.reshape(count)
