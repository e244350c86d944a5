"""AP against the IoU threshold as a figure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from obcn.figures.layout import faded, finish, stroke
from obcn.figures.palette import LIGHT, Line, Palette


def ap_figure(
    table: pd.DataFrame,
    lines: Mapping[str, Line],
    palette: Palette = LIGHT,
    parts: Sequence[Literal["ap", "difference"]] = ("ap", "difference"),
) -> go.Figure:
    """AP against IoU and its difference from the first model, side by side; bands where the table has them.

    Each curve has ``meta``: its model.

    Args:
        table: ``ap_by_iou`` of :func:`ap_by_iou`.
        lines: model name to its line.
        palette: the theme's.
        parts: which of the two; the difference is left out where there is none.
    """
    first = next(iter(lines))
    compared = len(lines) > 1 and bool(table.difference.notna().any())
    shown = [part for part in parts if part == "ap" or compared]
    titles = {"ap": "AP (thin: had boxes near an object been right)", "difference": f"difference from {first}"}
    if not compared:
        titles["ap"] = "AP"
    figure = make_subplots(cols=len(shown), column_titles=[titles[part] for part in shown], horizontal_spacing=0.09)
    for column, part in enumerate(shown, start=1):
        for name, line in lines.items():
            rows = table[table.model == name]
            _add_curve(figure, rows, part, name, line, column)
            if part == "ap":
                _add_localised(figure, rows, name, line, column)
        if part == "ap":
            figure.update_yaxes(title_text="AP, percent", rangemode="tozero", col=column)
        else:
            zero = {"zeroline": True, "zerolinecolor": palette.muted}
            figure.update_yaxes(title_text="AP difference, points", col=column, **zero)
    figure.update_xaxes(title_text="IoU threshold", dtick=0.1)
    note = (
        "How AP falls as boxes must fit better. Bands: 95%, bootstrap over the photos. Read thin lines at "
        "0.50:<br>beyond, duplicates count as badly placed, and are set aside."
    )
    finish(figure, "AP by IoU", note, 560, palette, width=1200 if len(shown) > 1 else 760)
    return figure


def _add_localised(figure: go.Figure, part: pd.DataFrame, name: str, line: Line, column: int) -> None:
    figure.add_scatter(
        x=part.iou,
        y=part.ap_localised,
        mode="lines",
        line=stroke(line, 1),
        name=f"{name}, localised",
        hovertemplate=f"<b>{name}</b>, nearby boxes put right<br>IoU %{{x:.2f}}<br>AP %{{y:.1f}}<extra></extra>",
        legendgroup=name,
        showlegend=False,
        row=1,
        col=column,
    )


def _add_curve(figure: go.Figure, part: pd.DataFrame, value: str, name: str, line: Line, column: int) -> None:
    low, high = part[f"{value}_low"], part[f"{value}_high"]
    cell = {"legendgroup": name, "row": 1, "col": column}
    if low.notna().all():
        figure.add_scatter(
            x=[*part.iou, *part.iou[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=faded(line.colour, 0.15),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            **cell,
        )
    figure.add_scatter(
        x=part.iou,
        y=part[value],
        name=name,
        mode="lines+markers",
        line=stroke(line),
        marker={"symbol": line.symbol, "size": 8, "color": line.colour},
        customdata=np.stack((low, high), axis=1),
        meta={"model": name},
        hovertemplate=(
            f"<b>{name}</b><br>IoU %{{x:.2f}}<br>{value} <b>%{{y:.1f}}</b>"
            "<br>95%: %{customdata[0]:.1f} to %{customdata[1]:.1f}<extra></extra>"
        ),
        showlegend=column == 1,
        **cell,
    )
