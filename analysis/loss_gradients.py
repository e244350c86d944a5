"""Loss and gradient against the error: L2, Smooth L1 and the cross entropy of offset bins (Eqs. 2-4, 7 and 8).

Needs no data. The paper's argument: L2's gradient grows without bound, Smooth L1's stops at 1 but is the same for
every far-off sample, and the cross entropy's follows how wrong the whole distribution is and stays within 1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
import typer
from plotly.subplots import make_subplots

from analysis.drawing import finish
from analysis.output import Picture, run, script, write_figures, write_tables
from analysis.palette import LIGHT, Palette
from obcn.errors import UserError
from obcn.offsets import UniformBins
from obcn.offsets.losses import (
    bin_cross_entropy,
    bin_cross_entropy_gradient,
    l2_gradient,
    l2_loss,
    smooth_l1_gradient,
    smooth_l1_loss,
)

app = script("Loss and gradient of each box loss as curves against the error; needs no data.")

_DASHES = ("solid", "dash", "dashdot", "dot")


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


def loss_figure(curves: pd.DataFrame, palette: Palette = LIGHT) -> go.Figure:
    """Loss (left) and gradient (right) against the error.

    Args:
        curves: of :func:`loss_curves`.
        palette: the theme's.
    """
    colours = {
        "L2": palette.lines["argmax"].colour,
        "Smooth L1": palette.lines["regression"].colour,
        "cross entropy": palette.lines["expectation"].colour,
    }
    figure = make_subplots(cols=2, column_titles=["loss", "gradient"], horizontal_spacing=0.09)
    for family, members in curves.groupby("family", sort=False):
        for number, (name, part) in enumerate(members.groupby("loss_name", sort=False)):
            for column, value in enumerate(("loss", "gradient"), start=1):
                figure.add_scatter(
                    x=part.error,
                    y=part[value],
                    name=name,
                    mode="lines",
                    line={"color": colours[family], "dash": _DASHES[number % len(_DASHES)], "width": 2.5},
                    hovertemplate=f"<b>{name}</b><br>error %{{x:+.2f}}<br>{value} %{{y:.3f}}<extra></extra>",
                    legendgroup=name,
                    showlegend=column == 1,
                    row=1,
                    col=column,
                )
    reach = curves.error.abs().max()
    figure.update_xaxes(title_text="error, normalised offset", range=[-reach, reach])
    figure.update_yaxes(title_text="loss", range=[0, 1.05 * curves[curves.family == "L2"].loss.max()], col=1)
    figure.update_yaxes(title_text="gradient", range=[-2.1, 2.1], zeroline=True, col=2)
    note = (
        "L2's gradient grows with the error, Smooth L1's stops at 1. The cross entropy's is as large as the belief is "
        "wrong (bins: of the true bin's score)."
    )
    finish(figure, "What each loss asks of the network", note, 560, palette)
    return figure


def _cross_entropy(error: torch.Tensor, spread: float, bins: UniformBins) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss, and gradient of the true bin's score with the error's sign, of a normal belief; the truth is mid-bin."""
    representatives = bins.representatives(error)
    label = bins.num_bins // 2 + 1
    centre = representatives[label] + error
    scores = -((representatives - centre[:, None]) ** 2) / (2 * spread**2)
    labels = torch.full((len(error),), label)
    pull = bin_cross_entropy_gradient(scores, labels)[:, label]
    return bin_cross_entropy(scores, labels), -pull * error.sign()


@app.command(no_args_is_help=False)
def main(
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/losses"),
    beta: Annotated[list[float], typer.Option(help="Of Smooth L1; repeat for more.")] = [1 / 9, 1.0, 2.0],  # noqa: B006
    spread: Annotated[list[float], typer.Option(help="Of a bin head's belief; repeat for more.")] = [0.3, 0.6],  # noqa: B006
    reach: Annotated[float, typer.Option(min=0.1, help="Largest error drawn, normalised offset.")] = 3.0,
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside each page.")] = "svg",
) -> None:
    """Draw Eqs. 2-4, 7 and 8 as curves.

    Example: `python -m analysis.loss_gradients --beta 1 --beta 2 --output runs/losses`
    """
    if min([*beta, *spread]) <= 0:
        raise UserError("every beta and spread must be above 0")
    curves = loss_curves(np.linspace(-reach, reach, 601), beta, spread)
    write_tables(output, {"loss_gradients": curves})
    write_figures(output, {"loss_gradients": loss_figure(curves)}, picture)


if __name__ == "__main__":
    run(app)
