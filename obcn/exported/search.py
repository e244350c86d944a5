"""Distributions inside a graph, found among its tensors and believed where the numbers agree."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from obcn.errors import UserError
from obcn.exported.candidates import from_candidates
from obcn.exported.comparing import clipped, compared, row_layouts
from obcn.exported.graph import Graph
from obcn.exported.layout import BoxLayout, as_matrix, box_layouts, expectation, pyramids
from obcn.exported.reading import NO_SCORES, UNDECODED, Check, MadeBy, Reading, Tensors
from obcn.exported.scores import find_level_scores, find_scores
from obcn.exported.structure import Distribution, find_distributions, made_of

# How far decoded boxes may lie from the file's own, in pixels of the network's input: rounding, and no more.
TOLERANCE = 0.1
TOLERANCE_HALF = 4.0
# Of a box that a file chose, with its score, its class and the photo's number.
MOST_COLUMNS = 7
ALIKE = "all distributions say the same of the check picture, so nothing tells one side from another: is it trained?"


def find_reading(
    graph: Graph, tensors: Tensors, width: int, height: int, classes: int, scores: MadeBy | None
) -> Reading | None:
    """The distributions inside a graph; None where it has none.

    Args:
        graph: the file's.
        tensors: what it computed of the check picture.
        width: of its input, in pixels.
        height: of its input, in pixels.
        classes: how many there are, 0 if not known.
        scores: what makes class scores of its last numbers, if that is known.

    Raises:
        UserError: it has some, but they do not give back its boxes.
    """
    real = [one for one in find_distributions(graph) if _agrees(one, tensors)]
    if not real:
        return None
    half = any(tensors[one.logits].dtype == np.float16 for one in real)
    tolerance = TOLERANCE_HALF if half else TOLERANCE
    boxes_behind = made_of(graph, [one.product for one in real])
    searched = [name for name in sorted(boxes_behind, key=lambda name: -graph.place[name]) if name in tensors]
    nearest: list[Check] = []
    found = None
    for group in _heads(real, tensors):
        found = _from_cells(group, searched, tensors, (width, height), tolerance, nearest)
        if found is not None:
            break
    if found is None:
        found = _from_references(real, graph, tensors, (width, height), tolerance, nearest)
    if found is None:
        found = from_candidates(real, graph, tensors, (width, height), tolerance, nearest)
    if found is None:
        if not nearest:
            undecoded = _from_outputs(real, graph, tensors, (width, height), tolerance, classes)
            if undecoded is not None:
                return undecoded
            raise UserError("the file has distributions, but nothing in it has the shape of the boxes they would give")
        best = min(nearest, key=lambda check: check.worst)
        raise UserError(
            f"the file has distributions, but they do not give back its own boxes: the nearest reading of {best.boxes} "
            f"boxes is off by {best.worst:.3g} px ({best.tensor}), {best.tolerance:g} px are allowed"
        )
    reading, layout = found
    assert reading.check is not None
    off = _off_from_outputs(graph, tensors, reading.check, layout, (width, height), boxes_behind)
    if off > tolerance:
        raise UserError(
            f"the file has distributions, but its boxes are changed after them: what it gives out is off by "
            f"{off:.3g} px from what they say, {tolerance:g} px are allowed"
        )
    where = find_scores(graph, tensors, reading.check, layout, classes, boxes_behind, scores)
    distances = expectation(reading.layers[-1].rows(tensors), np.asarray(reading.points))
    alike = (ALIKE,) if np.ptp(distances) < 1e-3 else ()
    return replace(reading, scores=where, assumed=(*reading.assumed, *alike))


def _agrees(one: Distribution, tensors: Tensors) -> bool:
    """Whether the product is the expectation of rising points, in whatever order."""
    if not all(name in tensors for name in (one.logits, one.points, one.product)):
        return False
    logits, points, product = tensors[one.logits], tensors[one.points].ravel(), tensors[one.product]
    if logits.dtype.kind != "f" or not -logits.ndim <= one.axis < logits.ndim or len(points) < 2:
        return False
    if logits.shape[one.axis] != len(points) or product.size * len(points) != logits.size or logits.size % 4:
        return False
    if not (np.diff(points.astype(np.float64)) > 0).all():
        return False
    expected = np.sort(expectation(np.moveaxis(logits, one.axis, -1), points).ravel())
    return bool(np.abs(expected - np.sort(product.astype(np.float64).ravel())).max() <= 0.01 * np.abs(points).max())


def _heads(real: Sequence[Distribution], tensors: Tensors) -> Iterator[list[Distribution]]:
    """Distributions that may be one head: each alone, the last first, or levels of differing size together."""
    sizes = [tensors[one.product].size for one in real]
    if len(set(sizes)) > 1:
        by_size = dict(zip(sizes, real, strict=True))
        yield list(real)
        yield [by_size[size] for size in sorted(by_size, reverse=True)]
        yield [by_size[size] for size in sorted(by_size)]
    for one in reversed(real):
        yield [one]


def _from_cells(
    group: Sequence[Distribution],
    searched: Sequence[str],
    tensors: Tensors,
    size: tuple[int, int],
    tolerance: float,
    nearest: list[Check],
) -> tuple[Reading, BoxLayout] | None:
    """Distances from the anchor points of a pyramid, in strides."""
    points = tuple(tensors[group[0].points].ravel().astype(float).tolist())
    for logits, distances in row_layouts(group, tensors):
        count = len(distances)
        guesses = []
        for pyramid in pyramids(count, *size):
            cells = pyramid.cells(*size)
            centre, stride = (cells[:, :2] + cells[:, 2:]) / 2, cells[:, 2:] - cells[:, :2]
            low, high = centre - distances[:, :2] * stride, centre + distances[:, 2:] * stride
            guess = np.concatenate((low, high), 1)
            guesses += [(pyramid, one) for one in (guess, clipped(guess, *size)) if one is not None]
        if not guesses:
            continue
        for name in searched:
            for layout in box_layouts(tensors[name], count):
                boxes = layout.corners(tensors[name], *size)
                for pyramid, guess in guesses:
                    check = compared(name, boxes, guess, tolerance)
                    nearest.append(check)
                    if check.worst <= tolerance:
                        return Reading("in the graph", points, (logits,), NO_SCORES, pyramid, check=check), layout
    return None


def _from_references(
    real: Sequence[Distribution],
    graph: Graph,
    tensors: Tensors,
    size: tuple[int, int],
    tolerance: float,
    nearest: list[Check],
) -> tuple[Reading, BoxLayout] | None:
    """Distances from the sides of reference boxes that all layers share."""
    last = real[-1]
    alike = [one for one in real if tensors[one.logits].shape == tensors[last.logits].shape]
    points = tensors[last.points].ravel().astype(float)
    after_last = made_of(graph, [last.product])
    others = [name for name in tensors if name not in made_of(graph, [one.product for one in real])]
    for logits, distances in row_layouts([last], tensors):
        count = len(distances)
        references = [
            (name, layout, layout.corners(tensors[name], *size))
            for name in others
            for layout in box_layouts(tensors[name], count)
            if as_matrix(tensors[name]).size == 4 * count and layout.format == "centre and size"
        ]
        for name in sorted(after_last & set(tensors), key=lambda name: -graph.place[name]):
            for layout in box_layouts(tensors[name], count):
                boxes = layout.corners(tensors[name], *size)
                for other, other_layout, reference in references:
                    scale = _steps_per_size(boxes, reference, distances) or abs(points[-1])
                    step = np.tile((reference[:, 2:] - reference[:, :2]) / scale, 2)
                    guess = reference + np.array([-1, -1, 1, 1]) * distances * step
                    check = compared(name, boxes, guess, tolerance)
                    nearest.append(check)
                    if check.worst <= tolerance:
                        layers = tuple(replace(logits, names=(one.logits,)) for one in alike)
                        found = Reading(
                            "layer by layer",
                            tuple(points.tolist()),
                            layers,
                            NO_SCORES,
                            None,
                            (other, other_layout),
                            check,
                        )
                        return replace(found, steps_per_size=float(scale)), layout
    return None


def _from_outputs(
    real: Sequence[Distribution],
    graph: Graph,
    tensors: Tensors,
    size: tuple[int, int],
    tolerance: float,
    classes: int,
) -> Reading | None:
    """Distances that the file itself gives out, a map for each level, with scores beside them and no boxes."""
    for group in _heads(real, tensors):
        products = [tensors[one.product] for one in group]
        maps = [[side for side in product.shape if side != 1] for product in products]
        sides_first = all(shape[0] == 4 for shape in maps)
        if not sides_first and not all(shape[-1] == 4 for shape in maps):
            continue
        cells = [product.size // 4 for product in products]
        pyramid = next((one for one in pyramids(sum(cells), *size) if one.counts(*size) == cells), None)
        given = [tensors[name] for name in graph.outputs if name in tensors]
        if pyramid is None or not all(any(_same_numbers(product, one) for one in given) for product in products):
            continue
        points = tuple(tensors[group[0].points].ravel().astype(float).tolist())
        logits = next(logits for logits, _ in row_layouts(group, tensors) if logits.sides_first == sides_first)
        expected = np.sort(expectation(logits.rows(tensors), np.asarray(points)).ravel())
        worst = float(np.abs(expected - np.sort(np.concatenate([one.ravel() for one in products]))).max())
        check = Check(UNDECODED, sum(cells), worst * max(pyramid.strides), tolerance)
        scores = find_level_scores(graph, tensors, cells, classes)
        if check.worst <= tolerance and scores is not None:
            assumed = ("the file gives out distances, no boxes: anchor points are taken to be the cells' centres",)
            return Reading("in the graph", points, (logits,), scores, pyramid, check=check, assumed=assumed)
    return None


def _same_numbers(one: np.ndarray, other: np.ndarray) -> bool:
    return one.size == other.size and bool(np.allclose(np.sort(one.ravel()), np.sort(other.ravel()), atol=1e-4))


def _off_from_outputs(
    graph: Graph, tensors: Tensors, check: Check, layout: BoxLayout, size: tuple[int, int], boxes_behind: set[str]
) -> float:
    """How far what the file gives out lies from the checked boxes, in pixels: they, or some that it chose of them."""
    if check.tensor in graph.outputs:
        return 0.0
    known = layout.corners(tensors[check.tensor], *size)
    limits = np.array([*size, *size], dtype=float)
    off = [np.inf]
    for name in graph.outputs:
        if name not in tensors or tensors[name].dtype.kind != "f":
            continue
        matrix = as_matrix(tensors[name])
        for rows in (matrix, matrix.T):
            columns = rows.shape[1]
            if columns < 4 or len(rows) > len(known) or columns > len(rows) + 200:
                continue
            # Rows of one number fill up what was not found.
            found = rows[(rows != rows[:, :1]).any(1)][:300]
            if not len(found):
                if columns <= MOST_COLUMNS:
                    return 0.0
                continue
            # Behind a batch's number (TensorRT's form, YOLO-NAS's), a class and a score (Paddle's), or in front.
            for first in range(columns - 3) if columns <= MOST_COLUMNS else (0, columns - 4):
                boxes = found[:, first : first + 4]
                off += [_farthest(boxes, kind, known, limits) for kind in box_layouts(boxes, len(boxes))]
    return min(off)


def _farthest(found: np.ndarray, layout: BoxLayout, known: np.ndarray, limits: np.ndarray) -> float:
    """How far the worst of some (N, 4) boxes lies from the nearest of the known ones, clipped or not, in pixels."""
    if layout.rows_last:
        return float("inf")
    boxes = layout.corners(found, *limits[:2].astype(int))
    reachable = (known, np.clip(known, 0, limits))
    apart = [np.abs(boxes[:, None] - one[None]).max(-1).min(1) for one in reachable]
    return min(float(np.nan_to_num(one, nan=np.inf).max()) for one in apart)


def _steps_per_size(boxes: np.ndarray, reference: np.ndarray, distances: np.ndarray) -> float | None:
    """|reg_scale| from how far sides moved off the reference box: s = w d / moved; None if none moved."""
    moved = (boxes - reference) * np.array([-1, -1, 1, 1])
    size = np.tile(reference[:, 2:] - reference[:, :2], 2)
    clear = (np.abs(distances) > 0.05) & (np.abs(moved) > 1e-3)
    if not clear.any():
        return None
    scale = float(np.median((size * distances)[clear] / moved[clear]))
    # |reg_scale| is a round number in every release; float noise must not show in the unit's name.
    return round(scale, 3) if scale > 1e-3 else None
