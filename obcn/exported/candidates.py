"""Offsets of centre and size from candidate boxes of the file's own: what `obcn export` writes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from obcn.exported.comparing import compared, row_layouts
from obcn.exported.graph import Graph
from obcn.exported.layout import BoxLayout, as_matrix, box_layouts
from obcn.exported.reading import NO_SCORES, Check, Logits, Reading, Tensors
from obcn.exported.structure import Distribution, made_of
from obcn.offsets import OffsetCode


def from_candidates(
    real: Sequence[Distribution],
    graph: Graph,
    tensors: Tensors,
    size: tuple[int, int],
    tolerance: float,
    nearest: list[Check],
) -> tuple[Reading, BoxLayout] | None:
    """Distributions over normalised offsets, one for each stage; the offsets of all stages add up.

    Args:
        real: distributions whose products are their expectations, in running order.
        graph: the file's.
        tensors: what it computed of the check picture.
        size: (width, height) of its input, in pixels.
        tolerance: how far boxes may be off, in pixels.
        nearest: what was compared is appended.
    """
    for group in _stages(real, tensors):
        count = tensors[group[0].product].size // 4
        behind = made_of(graph, [one.product for one in group])
        # Layouts of 4 A numbers alone: whatever has more beside the boxes is made of them.
        shaped = [name for name in tensors if as_matrix(tensors[name]).size == 4 * count]
        boxes = sorted(behind & set(shaped), key=lambda name: -graph.place[name])
        for logits, offsets in _added_up(group, tensors):
            guesses = list(_guesses(offsets, [name for name in shaped if name not in behind], tensors, size))
            # The latest first: stages that add little leave earlier boxes close to the last ones.
            for name in boxes:
                for layout in box_layouts(tensors[name], count):
                    corners = layout.corners(tensors[name], *size)
                    for start, guess in guesses:
                        check = compared(name, corners, guess, tolerance)
                        nearest.append(check)
                        if check.worst <= tolerance:
                            first, *later = (tuple(map(float, tensors[one.points].ravel())) for one in group)
                            found = Reading("from candidates", first, logits, NO_SCORES, None, start, check)
                            return replace(found, added=tuple(later)), layout
    return None


def _stages(real: Sequence[Distribution], tensors: Tensors) -> Iterator[Sequence[Distribution]]:
    """Distributions whose offsets may add up: all, where they are equally many, or each alone, the last first."""
    different: list[Distribution] = []
    for one in real:
        # A stage that tells where the next one looks is worked out twice.
        if not any(np.array_equal(tensors[one.logits], tensors[other.logits]) for other in different):
            different.append(one)
    if len(different) > 1 and len({tensors[one.product].size for one in different}) == 1:
        yield different
    for one in reversed(different):
        yield [one]


def _added_up(group: Sequence[Distribution], tensors: Tensors) -> Iterator[tuple[tuple[Logits, ...], np.ndarray]]:
    """Every order of rows, the same for all stages, with the sum of the (A, 4) expectations."""
    for stages in zip(*(row_layouts([one], tensors) for one in group), strict=True):
        yield tuple(logits for logits, _ in stages), np.sum([offsets for _, offsets in stages], 0)


def _guesses(
    offsets: np.ndarray, starts: Sequence[str], tensors: Tensors, size: tuple[int, int]
) -> Iterator[tuple[tuple[str, BoxLayout], np.ndarray]]:
    """Tensors that candidates may stand in, with the (A, 4) boxes that the offsets would make of them."""
    for name in starts:
        for layout in box_layouts(tensors[name], len(offsets)):
            candidates = layout.corners(tensors[name], *size)
            if (candidates[:, 2:] > candidates[:, :2]).all():
                decoded = OffsetCode().decode(torch.from_numpy(offsets), torch.from_numpy(candidates))
                yield (name, layout), decoded.numpy()
