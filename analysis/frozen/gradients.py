"""What class and box loss ask of the layers that they share: the norms of their gradients, and the angle between."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.frozen.heads import GatedBranch
from obcn.models.roi_heads import Losses, OffsetRoIHeads

# A measurement costs about a backward pass.
EVERY = 20


class SharedGradients(NamedTuple):
    """One step's gradients with respect to the shared layers' weights.

    Attributes:
        step: counted from 0.
        classes: norm of the class loss's gradient.
        boxes: norm of the box loss's, weighted and gated as it is trained.
        cosine: of the angle between the two; NaN where one is zero.
    """

    step: int
    classes: float
    boxes: float
    cosine: float


def is_measured(head: OffsetRoIHeads) -> bool:
    """Whether a head's shared gradients are recorded: heads with a gate, which they are about."""
    return isinstance(head.box_head, GatedBranch)


def shared_gradients(step: int, head: OffsetRoIHeads, losses: Losses) -> SharedGradients:
    """Measure; the graph of ``losses`` stays for the step's own backward pass."""
    weights = list(head.box_head.shared.parameters())
    classes, boxes = (_flat(losses[name], weights) for name in ("loss_classifier", "loss_box"))
    norms = classes.norm() * boxes.norm()
    return SharedGradients(step, classes.norm().item(), boxes.norm().item(), (classes @ boxes / norms).item())


def summed_up(measured: Sequence[SharedGradients], from_step: int) -> dict[str, float]:
    """Means over the steps from ``from_step`` on, under the names that outcomes use; empty without measurements.

    The cosine is the mean over the steps where both gradients are there; NaN if there is none.
    """
    late = [found for found in measured if found.step >= from_step]
    if not late:
        return {}
    cosines = [found.cosine for found in late if not np.isnan(found.cosine)]
    return {
        "shared_gradient_classes": float(np.mean([found.classes for found in late])),
        "shared_gradient_boxes": float(np.mean([found.boxes for found in late])),
        "shared_gradient_cosine": float(np.mean(cosines)) if cosines else float("nan"),
    }


def write_gradients(path: Path, measured: Sequence[SharedGradients]) -> None:
    """Write all measurements of a run so far."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(measured) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_gradients(path: Path, before_step: int) -> list[SharedGradients]:
    """Measurements of the steps before ``before_step``: a stopped run repeats the others."""
    if not path.is_file():
        return []
    found = [SharedGradients(*values) for values in json.loads(path.read_text(encoding="utf-8"))]
    return [measured for measured in found if measured.step < before_step]


def _flat(loss: Tensor, weights: Sequence[Tensor]) -> Tensor:
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(weight) if gradient is None else gradient).flatten()
            for gradient, weight in zip(found, weights, strict=True)
        ]
    )
