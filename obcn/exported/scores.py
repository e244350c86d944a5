"""Where a file's class scores are, and what makes probabilities of them."""

from collections.abc import Sequence

import numpy as np

from obcn.errors import UserError
from obcn.exported.coco import are_ids
from obcn.exported.graph import Graph
from obcn.exported.layout import BoxLayout, as_matrix
from obcn.exported.reading import Check, MadeBy, Scores, Tensors
from obcn.exported.structure import leading_to_outputs


def find_scores(
    graph: Graph,
    tensors: Tensors,
    check: Check,
    layout: BoxLayout,
    classes: int,
    boxes_behind: set[str],
    told: MadeBy | None,
) -> Scores:
    """Where the class scores of the checked boxes are: beside them in one tensor, or in one of their own.

    Raises:
        UserError: nowhere.
    """
    count = check.boxes
    rows = layout.rows(tensors[check.tensor])
    latest = sorted((name for name in tensors if name in graph.place), key=lambda name: -graph.place[name])
    for name in [check.tensor, *(name for name in latest if name in boxes_behind)]:
        matrix = as_matrix(tensors[name])
        for candidate in (matrix, matrix.T):
            if len(candidate) != count or candidate.shape[1] <= 4 or matrix.dtype.kind != "f":
                continue
            if np.allclose(candidate[:, :4], rows[:, :4], atol=1e-3, equal_nan=True):
                return find_beside(name, candidate, classes, told)
    given = leading_to_outputs(graph, boxes_behind)
    # The file's own outputs before what they were chosen from; one column may be the best score of several.
    outputs = [name for name in graph.outputs if name in given]
    for narrowest in (2, 1):
        for name in [*outputs, *(name for name in latest if name in given and name not in outputs)]:
            if name not in tensors:
                continue
            matrix = as_matrix(tensors[name])
            for candidate in (matrix, matrix.T):
                width = candidate.shape[1]
                fits = _fits(width, classes) if classes else width >= narrowest and width not in (4, count)
                if len(candidate) != count or not fits or matrix.dtype.kind != "f":
                    continue
                # A softmax has one number more, for no object: the last.
                if are_scores(candidate):
                    whole = classes > 0 and np.allclose(candidate.sum(1), 1, atol=1e-2)
                    more = whole and width != classes and not are_ids(width, classes)
                    return Scores((name,), width, 0, width - more, "as they are")
                if name in outputs:
                    made_by = made_by_of(candidate, classes, told)
                    return Scores((name,), width, 0, width - (made_by == "softmax"), made_by)
    named = f" of the {classes} classes that are named" if classes else ""
    mended = ", or name the classes that it scores" if classes else ""
    raise UserError(
        f"no class scores{named} found beside the {count} boxes; export the file with its scores as an output{mended}"
    )


def _fits(width: int, classes: int) -> bool:
    """Whether so many scores can be of so many classes that are named, with or without one for no object."""
    return any(one == classes or are_ids(one, classes) for one in (width, width - 1))


def find_level_scores(graph: Graph, tensors: Tensors, cells: Sequence[int], classes: int) -> Scores | None:
    """Class scores among the file's outputs, a map (columns, height, width) for each level; None where there are none.

    Args:
        graph: the file's.
        tensors: what it computed.
        cells: of each level, in the order of the distributions.
        classes: how many there are, 0 if not known.
    """
    maps = {name: tensors[name][0] for name in graph.outputs if name in tensors and tensors[name].ndim == 4}
    by_level = [
        {len(one): name for name, one in maps.items() if one[0].size == count and len(one) != 4} for count in cells
    ]
    shared = set.intersection(*(set(level) for level in by_level))
    fitting = [columns for columns in sorted(shared) if classes in (0, columns)]
    if not fitting:
        return None
    names = tuple(level[fitting[0]] for level in by_level)
    made_by: MadeBy = "as they are" if all(are_scores(maps[name]) for name in names) else "sigmoid"
    return Scores(names, fitting[0], 0, fitting[0], made_by)


def find_beside(name: str, rows: np.ndarray, classes: int, told: MadeBy | None) -> Scores:
    """Class scores that stand behind the four numbers of each box in (A, 4 + k) rows.

    Raises:
        UserError: they are said to be a softmax, or are not as many as the ``classes`` that are named.
    """
    count = _count_scores(rows[:, 4:], classes)
    if classes and classes not in (count, count - 1):
        raise UserError(
            f"the file has {count} scores for each box, but {classes} classes are named; name {count} in its YAML, "
            f"or {count - 1} if the first score says whether there is any object"
        )
    if told == "softmax":
        raise UserError("scores beside the boxes are one by one, no softmax; take `scores` out of the YAML")
    # YOLOv5's and YOLOX's: how probably there is an object at all, then the classes given one.
    objectness = count == classes + 1 if classes else count in (81, 21)
    made_by: MadeBy = "as they are" if are_scores(rows[:, 4 : 4 + count]) else "sigmoid"
    if objectness:
        return Scores((name,), rows.shape[1], 5, count - 1, made_by, objectness=4)
    return Scores((name,), rows.shape[1], 4, count, made_by)


def _count_scores(rows: np.ndarray, classes: int) -> int:
    """How many of the numbers behind a box are scores, an objectness among them, if ``classes`` are named."""
    if not are_scores(rows[:, :classes]):
        return rows.shape[1]
    # What follows a segmenter's probabilities, or a pose's, can be none.
    behind = (column for column in range(classes, rows.shape[1]) if not are_scores(rows[:, column : column + 1]))
    return next(behind, rows.shape[1])


def made_by_of(rows: np.ndarray, classes: int, told: MadeBy | None) -> MadeBy:
    """What makes probabilities of (A, columns) numbers in a tensor of their own, if ``classes`` are named.

    DETR's softmax is known by its size: COCO's ids, and one number more, the last, for no object.
    """
    if are_scores(rows):
        return "as they are"
    return told or ("softmax" if are_ids(rows.shape[1] - 1, classes) else "sigmoid")


def are_scores(rows: np.ndarray) -> bool:
    """Whether all numbers can be probabilities."""
    return bool(rows.size and rows.min() >= -1e-4 and rows.max() <= 1 + 1e-3)
