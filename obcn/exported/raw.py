"""Distributions among a file's own outputs, with no softmax and no boxes inside: a head cut off."""

from collections.abc import Iterable, Sequence

import numpy as np

from obcn.errors import UserError
from obcn.exported.graph import Graph
from obcn.exported.layout import Pyramid, pyramids
from obcn.exported.reading import MadeBy, RawLogits, Reading, Scores, Tensors, columns_last
from obcn.exported.scores import are_scores
from obcn.exported.structure import chooses, from_maps


def find_raw(
    graph: Graph, tensors: Tensors, width: int, height: int, classes: int, bins: int | None, anchors: str | None
) -> Reading | None:
    """Distributions among the file's own outputs, with no softmax and no boxes inside: a head cut off.

    Arguments as for :func:`find_reading`; ``bins`` numbers for each side and the place of the ``anchors``, where known.

    Returns:
        None where the outputs have no such shape.
    """
    outputs = {name: tensors[name] for name in graph.outputs if name in tensors}
    if chooses(graph):
        return None
    levels: dict[int, list[tuple[str, int]]] = {}
    for name, tensor in outputs.items():
        counted = _cells_and_columns(tensor, width, height, alone=len(outputs) == 1)
        # As many queries as cells would be a coincidence, but a hundred of either are common.
        if counted is None or not from_maps(graph, name):
            return None
        levels.setdefault(counted[0], []).append((name, counted[1]))
    kinds = {tuple(sorted(columns for _, columns in parts)) for parts in levels.values()}
    if len(kinds) != 1:
        return None
    sizes = list(levels)
    pyramid = _raw_pyramid(sizes, width, height)
    if pyramid is None:
        return None
    assumed = ["the file gives no boxes, so nothing checks how its distributions are decoded"]
    parts = levels[sizes[0]]
    if len(parts) == 2:
        order = _two_outputs([(columns, outputs[name]) for name, columns in parts], classes, bins)
        if order is None:
            return None
        ours, its = order
        logits = RawLogits(tuple(levels[size][ours][0] for size in sizes), 0, parts[ours][1] // 4, parts[ours][1])
        names = tuple(levels[size][its][0] for size in sizes)
        scores_first = False
        count, first = parts[its][1], 0
    elif len(parts) == 1:
        columns = parts[0][1]
        rows = np.concatenate([columns_last(outputs[levels[size][0][0]], columns) for size in sizes])
        layout = _one_output(rows, classes, bins)
        if layout is None:
            return None
        count, n, scores_first = layout
        names = tuple(levels[size][0][0] for size in sizes)
        logits = RawLogits(names, count if scores_first else 0, n, columns)
        first = 0 if scores_first else 4 * n
    else:
        return None
    width_of_scores = parts[0][1] if len(parts) == 1 else count
    plain = np.concatenate([columns_last(outputs[name], width_of_scores) for name in names])[:, first : first + count]
    made_by: MadeBy = "as they are" if are_scores(plain) else "sigmoid"
    if made_by == "sigmoid":
        assumed.append("class scores are sigmoids of the file's numbers")
    # NanoDet-Plus alone counts from the corners: one output, scores first, and a fourth level of stride 64.
    corner = anchors == "corner" or (anchors is None and scores_first and pyramid.strides[-1] == 64)
    pyramid = Pyramid(pyramid.strides, "corner" if corner else "centre")
    assumed.append(f"anchor points are the cells' {'upper left corners' if corner else 'centres'}")
    assumed.append(f"points are 0 to {logits.bins - 1} strides")
    where = Scores(names, width_of_scores, first, count, made_by)
    points = tuple(float(point) for point in range(logits.bins))
    return Reading("raw", points, (logits,), where, pyramid, assumed=tuple(assumed))


def _cells_and_columns(tensor: np.ndarray, width: int, height: int, alone: bool) -> tuple[int, int] | None:
    """How many cells an output covers, and how many numbers each has; of an output ``alone`` fewer than cells."""
    shape = tensor.shape[1:] if tensor.ndim > 2 and tensor.shape[0] == 1 else tensor.shape
    if tensor.dtype.kind != "f":
        return None
    if len(shape) == 3:
        return shape[1] * shape[2], shape[0]
    if len(shape) != 2:
        return None
    # The smallest level of a pyramid may have fewer cells than numbers for each.
    by_rows = sorted((shape, shape[::-1]), reverse=True)
    for rows, columns in by_rows:
        if next(pyramids(rows, width, height), None) is not None and (columns < rows or not alone):
            return rows, columns
    return None


def _raw_pyramid(sizes: Sequence[int], width: int, height: int) -> Pyramid | None:
    if len(sizes) == 1:
        return next(pyramids(sizes[0], width, height), None)
    strides: list[int] = []
    for size in sizes:
        level = next((one for one in pyramids(size, width, height) if len(one.strides) == 1), None)
        if level is None:
            return None
        strides += level.strides
    return Pyramid(tuple(strides), "centre")


def _two_outputs(parts: Iterable[tuple[int, np.ndarray]], classes: int, bins: int | None) -> tuple[int, int] | None:
    """Which of two outputs has the distributions, and which the class scores."""
    (one, first), (other, second) = parts
    fits = [
        columns % 4 == 0 and columns >= 16 and (bins is None or columns == 4 * bins) and not are_scores(tensor)
        for columns, tensor in ((one, first), (other, second))
    ]
    if fits[0] and fits[1] and one != other:
        if classes in (one, other):
            return (1, 0) if one == classes else (0, 1)
        usual = [columns in (32, 64, 68) for columns in (one, other)]
        if usual[0] != usual[1]:
            return (0, 1) if usual[0] else (1, 0)
        raise UserError("which outputs are distributions cannot be told; say `bins` in the YAML beside the file")
    return (0, 1) if fits[0] else (1, 0) if fits[1] else None


def _one_output(rows: np.ndarray, classes: int, bins: int | None) -> tuple[int, int, bool] | None:
    """(classes, bins, whether scores stand first) of scores and distributions side by side."""
    columns = rows.shape[1]
    leading = 0
    while leading < columns and are_scores(rows[:, leading : leading + 1]):
        leading += 1
    guesses = [bins] if bins else [8, 16, 17]
    if classes and (columns - classes) % 4 == 0 and columns - classes >= 16:
        guesses = [(columns - classes) // 4]
    for n in guesses:
        count = columns - 4 * n
        if count < 1 or (classes and count != classes):
            continue
        if leading == count:
            return count, n, True
        if leading == 0 and (classes or bins or n == 16 or count == 80):
            return count, n, False
    return None
