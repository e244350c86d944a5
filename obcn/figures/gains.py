"""Figures of the Results page: gains beside the paper's, and figures of analysis made to fit a page."""

from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from obcn.figures.palette import FONT, LIGHT, Palette

MINUS = "\N{MINUS SIGN}"
HEIGHT = 360
_ROW = 48


def paper_gains_figure(rows: pd.DataFrame, palette: Palette = LIGHT) -> go.Figure:
    """Our gain in AP over the baseline and the paper's, as bars, for rows that have both.

    Args:
        rows: of a table with ``row``, ``gain`` and ``paper_gain``.
        palette: the theme's.
    """
    both = rows[rows.gain.notna() & rows.paper_gain.notna()].iloc[::-1]
    names = [_wrapped(name) for name in both.row]
    figure = go.Figure()
    for label, column, colour, pattern in (
        ("the paper", "paper_gain", palette.lines["stage"].colour, "/"),
        ("ours", "gain", palette.lines["expectation"].colour, ""),
    ):
        figure.add_bar(
            x=both[column],
            y=names,
            orientation="h",
            name=label,
            marker={"color": colour, "pattern": {"shape": pattern, "fillmode": "overlay"}},
            text=[f"{gain:+.1f}".replace("-", MINUS) for gain in both[column]],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"<b>%{{y}}</b><br>{label}: %{{x:+.2f}} points of AP<extra></extra>",
        )
    fitted(figure, palette)
    reach = both[["gain", "paper_gain"]].abs().max().max()
    low = min(0.0, float(both[["gain", "paper_gain"]].min().min()))
    figure.update_layout(
        height=max(HEIGHT, 120 + _ROW * len(both)),
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "reversed"},
        margin={"t": 36, "l": 10, "r": 40},
        barmode="group",
    )
    figure.update_xaxes(
        title_text="gain in AP over regression, points", range=[1.7 * low, 1.2 * reach], zerolinecolor=palette.muted
    )
    figure.update_yaxes(automargin=True)
    return figure


def fitted(figure: go.Figure, palette: Palette = LIGHT, height: int = HEIGHT) -> go.Figure:
    """Make a figure of analysis fit the page, in place: as wide as its column, on the page's paper, without a title."""
    figure.update_layout(
        width=None,
        title=None,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": palette.ink},
        margin={"t": 24, "l": 56, "r": 16, "b": 90},
        height=height,
        hoverlabel={"font": {"family": FONT}},
    )
    figure.layout.annotations = ()  # titles of panels; the page's own say it
    figure.update_xaxes(gridcolor=palette.grid, automargin=True)
    figure.update_yaxes(gridcolor=palette.grid, automargin=True)
    for axis in figure.select_yaxes():
        if axis.categoryarray:
            axis.update(tickvals=axis.categoryarray, ticktext=[_wrapped(str(name)) for name in axis.categoryarray])
    return figure


def _wrapped(name: str) -> str:
    return "<br>".join(wrap(name, 20))
