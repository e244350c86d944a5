"""Files with no distribution: the boxes, scores and classes that they give out, as they are."""

from dataclasses import dataclass

import numpy as np

from obcn.errors import UserError
from obcn.exported.graph import Graph
from obcn.exported.layout import PARTS_UP_TO, BoxLayout, as_matrix, pyramids
from obcn.exported.reading import MadeBy, Scores, Tensors
from obcn.exported.scores import are_scores, find_beside
from obcn.exported.structure import chooses


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
    duplicates: bool

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


def find_plain(
    graph: Graph, tensors: Tensors, width: int, height: int, classes: int, scores: MadeBy | None
) -> PlainReading:
    """What a file without distributions gives out.

    Raises:
        UserError: nothing in it looks like boxes with scores.
    """

    def repeats(count: int) -> bool:
        # One box for each cell of a pyramid, or three; none of them has been chosen.
        cells = (count, count // 3 if count % 3 == 0 else 0)
        return not chooses(graph) and any(next(pyramids(one, width, height), None) for one in cells)

    outputs = {name: tensors[name] for name in graph.outputs if name in tensors}
    matrices = {name: as_matrix(tensor) for name, tensor in outputs.items()}
    for name, matrix in matrices.items():
        if matrix.shape[1] in (6, 7) and matrix.dtype.kind == "f" and (found := _finished(name, matrix)) is not None:
            return found
    for name, matrix in matrices.items():
        for rows in (matrix, matrix.T):
            if rows.shape[1] < 4 or len(rows) <= rows.shape[1] or matrix.dtype.kind != "f":
                continue
            layout = _layout(rows[:, :4], rows is not matrix)
            if rows.shape[1] == 5 and (labels := _of_length(matrices, len(rows), "iu", name)) is not None:
                return PlainReading(name, layout, 0, None, (name, 4), (labels, 0), False)
            if rows.shape[1] > 4:
                if layout.of_size is False and rows[:, :4].max() < 8 and rows.shape[1] > 6:
                    continue  # not pixels, nor parts of the photo: boxes that are not decoded yet
                beside = find_beside(name, rows, classes, scores)
                return PlainReading(name, layout, 0, beside, None, None, repeats(len(rows)))
            score = _of_length(matrices, len(rows), "f", name)
            labels = _of_length(matrices, len(rows), "iu", name)
            if score is not None and labels is not None:
                return PlainReading(name, layout, 0, None, (score, 0), (labels, 0), False)
            for other, second in matrices.items():
                for its in (second, second.T):
                    if other != name and len(its) == len(rows) and second.dtype.kind == "f" and its.shape[1] > 1:
                        made_by = _made_by(its, scores)
                        count = its.shape[1] - (made_by == "softmax")
                        where = Scores((other,), its.shape[1], 0, count, made_by)
                        return PlainReading(name, layout, 0, where, None, None, repeats(len(rows)))
    shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in outputs.items())
    raise UserError(f"nothing that this file gives out looks like decoded boxes with scores: {shapes}")


def _finished(name: str, matrix: np.ndarray) -> PlainReading | None:
    """Six columns: box, score and class as end-to-end exports have them, or Paddle's class, score and box."""
    rows = matrix[:, -6:]
    skipped = matrix.shape[1] - 6
    whole = [bool((rows[:, column] == np.round(rows[:, column])).all()) for column in (0, 5)]
    unit = [bool(((rows[:, column] >= 0) & (rows[:, column] <= 1)).all()) for column in (1, 4)]
    if whole[1] and unit[1] and not (whole[0] and unit[0] and rows[:, 2:].max(initial=0) > 1 and len(rows) > 1):
        return PlainReading(
            name, _layout(rows[:, :4], False), skipped, None, (name, skipped + 4), (name, skipped + 5), False
        )
    if whole[0] and unit[0]:
        layout = _layout(rows[:, 2:], False)
        return PlainReading(name, layout, skipped + 2, None, (name, skipped + 1), (name, skipped), False)
    return None


def _layout(boxes: np.ndarray, rows_last: bool) -> BoxLayout:
    of_size = bool(len(boxes) and np.median(np.abs(boxes)) <= PARTS_UP_TO)
    ordered = (boxes[:, 2:] >= boxes[:, :2] - 1e-3).all(1).mean() if len(boxes) else 1.0
    return BoxLayout(rows_last, "corners" if ordered > 0.999 else "centre and size", of_size)


def _of_length(matrices: dict[str, np.ndarray], count: int, kinds: str, but: str) -> str | None:
    for name, matrix in matrices.items():
        if name != but and matrix.size == count and matrix.dtype.kind in kinds:
            return name
    return None


def _made_by(rows: np.ndarray, told: MadeBy | None) -> MadeBy:
    return "as they are" if are_scores(rows) else told or "sigmoid"


def _column(tensors: Tensors, place: tuple[str, int], count: int) -> np.ndarray:
    tensor = tensors[place[0]]
    return tensor.reshape(count, -1)[:, place[1]] if tensor.size != count else tensor.reshape(count)
