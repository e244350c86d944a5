"""Loss and gradient of each box loss against the error, as a figure."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from obcn.figures.layout import finish
from obcn.figures.palette import LIGHT, Palette

_DASHES = ("solid", "dash", "dashdot", "dot")


def loss_and_gradient_figure(curves: pd.DataFrame, palette: Palette = LIGHT) -> go.Figure:
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
                    line={"color": colours[str(family)], "dash": _DASHES[number % len(_DASHES)], "width": 2.5},
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
