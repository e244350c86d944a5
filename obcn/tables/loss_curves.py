"""Loss and gradient of each box loss against the error, as a table (Eqs. 2-4, 7 and 8)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from obcn.offsets import UniformBins
from obcn.offsets.losses import (
    bin_cross_entropy,
    bin_cross_entropy_gradient,
    l2_gradient,
    l2_loss,
    smooth_l1_gradient,
    smooth_l1_loss,
)


def loss_curves(
    errors: np.ndarray,
    betas: Sequence[float] = (1 / 9, 1.0, 2.0),
    spreads: Sequence[float] = (0.3, 0.6),
    bins: UniformBins | None = None,
) -> pd.DataFrame:
    """Loss and gradient of one coordinate at each error.

    A regression output is off by the error, and its gradient is with respect to that output. A bin head has many
    outputs: its belief is taken as a normal distribution whose centre is off by the error, read at the bins'
    representatives, and its gradient is the one with respect to the true bin's score, p - 1 (the largest of all in
    size, Eq. 8 with its sign mended), turned to the sign of the error so that curves can be compared.

    Args:
        errors: (E,) errors in normalised offsets.
        betas: of Smooth L1.
        spreads: standard deviations of the belief, normalised offsets.
        bins: by default the paper's.

    Returns:
        One row per loss and error: ``family`` (L2, Smooth L1, cross entropy), ``loss_name``, ``error``, ``loss``,
        ``gradient``.
    """
    error = torch.as_tensor(errors, dtype=torch.float64)
    curves = [("L2", "L2", l2_loss(error), l2_gradient(error))]
    for beta in betas:
        name = f"Smooth L1, \N{GREEK SMALL LETTER BETA} = {beta:.3g}"
        curves.append(("Smooth L1", name, smooth_l1_loss(error, beta), smooth_l1_gradient(error, beta)))
    for spread in spreads:
        loss, gradient = _cross_entropy(error, spread, bins or UniformBins())
        curves.append(("cross entropy", f"bins, spread {spread:.3g}", loss, gradient))
    return pd.concat(
        [
            pd.DataFrame(
                {"family": family, "loss_name": name, "error": errors, "loss": loss.numpy(), "gradient": slope.numpy()}
            )
            for family, name, loss, slope in curves
        ],
        ignore_index=True,
    )


def _cross_entropy(error: torch.Tensor, spread: float, bins: UniformBins) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss, and gradient of the true bin's score with the error's sign, of a normal belief; the truth is mid-bin."""
    representatives = bins.representatives(error)
    label = bins.num_bins // 2 + 1
    centre = representatives[label] + error
    scores = -((representatives - centre[:, None]) ** 2) / (2 * spread**2)
    labels = torch.full((len(error),), label)
    pull = bin_cross_entropy_gradient(scores, labels)[:, label]
    return bin_cross_entropy(scores, labels), -pull * error.sign()
