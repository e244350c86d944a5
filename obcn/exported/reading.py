"""What is read from a file, and how: where its distributions, class scores and starting points are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from obcn.exported.layout import BoxLayout, Pyramid, arranged

Family = Literal["in the graph", "layer by layer", "raw", "from candidates", "none"]
MadeBy = Literal["as they are", "sigmoid", "softmax"]
Tensors = dict[str, np.ndarray]
# What a check compares where a file gives out no boxes.
UNDECODED = "sets of distances"


@dataclass(frozen=True)
class Check:
    """How well the distributions give back the file's own boxes on the check picture.

    Attributes:
        tensor: which of the file's tensors holds those boxes.
        boxes: how many were compared.
        worst: largest distance between two sides, in pixels of the network's input.
        tolerance: what it may be.
    """

    tensor: str
    boxes: int
    worst: float
    tolerance: float


@dataclass(frozen=True)
class Logits:
    """One layer's distributions of all levels.

    Attributes:
        names: a tensor for each level.
        axis: of the softmax.
        sides_first: whether rows come side by side of all boxes, not box by box.
    """

    names: tuple[str, ...]
    axis: int
    sides_first: bool

    def rows(self, tensors: Tensors) -> np.ndarray:
        """(A, 4, n)."""
        return np.concatenate([arranged(tensors[name], self.axis, self.sides_first) for name in self.names])


@dataclass(frozen=True)
class RawLogits:
    """Distributions as columns of the file's own outputs, a level each or all in one.

    Attributes:
        names: a tensor for each level, (A, columns), (columns, A) or a map (columns, height, width).
        first: column at which they begin; n for each side stand together.
        bins: n.
        columns: of one box in all, by which the order of a tensor's axes is told.
    """

    names: tuple[str, ...]
    first: int
    bins: int
    columns: int

    def rows(self, tensors: Tensors) -> np.ndarray:
        """(A, 4, n)."""
        levels = [columns_last(tensors[name], self.columns) for name in self.names]
        kept = np.concatenate(levels)[:, self.first : self.first + 4 * self.bins]
        return kept.reshape(len(kept), 4, self.bins)


@dataclass(frozen=True)
class Scores:
    """Class scores.

    Attributes:
        names: a tensor for each level.
        columns: how many columns such a tensor has.
        first: column at which the classes begin.
        count: of classes.
        made_by: what makes scores of the numbers: nothing, or a sigmoid or softmax that the file leaves to others.
        objectness: column of a factor for all classes, if any.
    """

    names: tuple[str, ...]
    columns: int
    first: int
    count: int
    made_by: MadeBy
    objectness: int | None = None

    def rows(self, tensors: Tensors) -> np.ndarray:
        """(A, classes) in [0, 1]."""
        levels = [columns_last(tensors[name], self.columns) for name in self.names]
        every = (levels[0] if len(levels) == 1 else np.concatenate(levels)).astype(np.float32, copy=False)
        rows = every[:, self.first : self.first + self.count]
        if self.made_by == "sigmoid":
            rows = 1 / (1 + np.exp(-rows.clip(-60, 60)))
        elif self.made_by == "softmax":
            grown = np.exp(every - every.max(1, keepdims=True))
            rows = (grown / grown.sum(1, keepdims=True))[:, self.first : self.first + self.count]
        return rows if self.objectness is None else rows * every[:, self.objectness, None]


@dataclass(frozen=True)
class Reading:
    """What is read, and how.

    Attributes:
        family: where the distributions are.
        points: of each distribution; of the first stage, where several add up.
        layers: logits, one entry per decoder layer or stage; one for heads without either.
        scores: where the class scores are.
        pyramid: cells that distances start from.
        reference: the tensor and layout of the boxes that layers refine, or that offsets start from.
        check: None where the file gives no boxes to compare with.
        assumed: what nothing says, a sentence each.
        steps_per_size: |reg_scale| of the boxes that layers refine; None for other numbers.
        added: points of each later stage whose offsets are added to the first one's.
    """

    family: Family
    points: tuple[float, ...]
    layers: tuple[Logits | RawLogits, ...]
    scores: Scores
    pyramid: Pyramid | None = None
    reference: tuple[str, BoxLayout] | None = None
    check: Check | None = None
    assumed: tuple[str, ...] = ()
    steps_per_size: float | None = None
    added: tuple[tuple[float, ...], ...] = ()

    @property
    def tensors(self) -> list[str]:
        """What the network must give out."""
        names = [name for layer in self.layers for name in layer.names] + list(self.scores.names)
        return list(dict.fromkeys(names + ([self.reference[0]] if self.reference else [])))


NO_SCORES = Scores((), 0, 0, 0, "as they are")


def columns_last(tensor: np.ndarray, columns: int) -> np.ndarray:
    """(A, columns) of a tensor of one photo: (A, columns), (columns, A), or a map (columns, height, width)."""
    shape = tensor.shape[1:] if tensor.ndim > 2 and tensor.shape[0] == 1 else tensor.shape
    flat = tensor.reshape(shape)
    if flat.ndim == 3 and shape[0] == columns:
        return flat.reshape(columns, -1).T
    if flat.ndim == 2 and shape[1] != columns and shape[0] == columns:
        return flat.T
    return flat.reshape(-1, columns)
