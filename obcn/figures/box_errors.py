"""Figures of the error tables; pure: table in, plotly figure out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from obcn.figures.layout import faded, finish, stroke
from obcn.figures.palette import LIGHT, Line, Palette
from obcn.records.schema import COORDINATES, SIDES
from obcn.tables.box_errors import UNITS

COORDINATE_TITLES = {"x": "x, centre", "y": "y, centre", "w": "w, width", "h": "h, height"}
COORDINATE_TITLES |= {side: f"{side} side" for side in SIDES}
UNIT_TITLES = {"normalised": "error, normalised offset", "px": "error, pixels"}
LABELS = {"size": "object size (COCO)", "class": "class", "all": ""}

# Groups of fewer detections say too little for a line from one to the next.
FEW = 30

Lines = Mapping[str, Line]


def histogram_figure(
    histograms: pd.DataFrame,
    lines: Lines,
    palette: Palette = LIGHT,
    units: Sequence[str] = tuple(UNITS),
    coordinates: Sequence[str] = COORDINATES,
) -> go.Figure:
    """Signed error per coordinate: bars count, curves are smooth densities; a row for each unit.

    Each trace of bars has ``meta``: its model, unit and coordinate. Their ``customdata`` are left and right edge and
    count.

    Args:
        histograms: of :func:`obcn.tables.box_errors.error_histograms`.
        lines: model name to its line.
        palette: the theme's.
        units: rows.
        coordinates: columns.
    """
    figure = _grid(len(units), coordinates)
    for name, line in lines.items():
        for row, unit in enumerate(units, start=1):
            for column, coordinate in enumerate(coordinates, start=1):
                part = _part(histograms, model=name, unit=unit, coordinate=coordinate)
                inner = part[np.isfinite(part.left) & np.isfinite(part.right)]
                middle = (inner.left + inner.right) / 2
                outside = int(part["count"].sum() - inner["count"].sum())
                cell = {"row": row, "col": column}
                figure.add_bar(
                    x=middle,
                    y=inner.density,
                    width=inner.right - inner.left,
                    marker={"color": faded(line.colour, 0.22), "line": {"width": 0}},
                    customdata=np.stack((inner.left, inner.right, inner["count"]), axis=1),
                    meta={"model": name, "unit": unit, "coordinate": coordinate},
                    hovertemplate=(
                        f"<b>{name}</b><br>%{{customdata[0]:+.3g}} to %{{customdata[1]:+.3g}}"
                        f"<br>%{{customdata[2]}} of {part['count'].sum()} detections"
                        f"<br>{outside} lie outside the axis<extra></extra>"
                    ),
                    showlegend=False,
                    legendgroup=name,
                    **cell,
                )
                figure.add_scatter(
                    x=middle,
                    y=inner.smooth,
                    name=name,
                    mode="lines",
                    line={**stroke(line), "shape": "spline"},
                    hoverinfo="skip",
                    legendgroup=name,
                    showlegend=row == column == 1,
                    **cell,
                )
    for row, unit in enumerate(units, start=1):
        figure.update_xaxes(title_text=UNIT_TITLES[unit], row=row)
        figure.update_yaxes(title_text="density", row=row, col=1)
    figure.update_layout(barmode="overlay", bargap=0, shapes=_zero_lines(len(units) * len(coordinates), palette))
    note = "Predicted minus true, detections that match an object at IoU 0.5. Narrower and centred on 0 is better."
    finish(figure, "Localisation error by coordinate", note, 180 + 270 * len(units), palette)
    return figure


def quantile_figure(
    summary: pd.DataFrame,
    by: str,
    lines: Lines,
    palette: Palette = LIGHT,
    units: Sequence[str] = tuple(UNITS),
    coordinates: Sequence[str] = COORDINATES,
) -> go.Figure:
    """Spread of the signed error in each group: dot the median, thick half of the rows, thin nine tenths.

    The dots' ``customdata`` begin with the group's name.

    Args:
        summary: of :func:`obcn.tables.box_errors.error_summary`.
        by: ``all``, ``size`` or ``class``.
        lines: model name to its line.
        palette: the theme's.
        units: rows.
        coordinates: columns.
    """
    figure = _grid(len(units), coordinates)
    groups = list(dict.fromkeys(summary[summary.by == by].group))
    gap = 0.8 / len(lines)
    for number, (name, line) in enumerate(lines.items()):
        for row, unit in enumerate(units, start=1):
            for column, coordinate in enumerate(coordinates, start=1):
                part = _part(summary, model=name, unit=unit, by=by, coordinate=coordinate)
                # Groups count downwards, models side by side within one.
                at = [-groups.index(group) + (0.5 * (len(lines) - 1) - number) * gap for group in part.group]
                cell = {"row": row, "col": column, "legendgroup": name, "hoverinfo": "skip"}
                for low, high, width in (("q05", "q95", 1.5), ("q25", "q75", 6)):
                    figure.add_scatter(
                        x=_segments(part[low], part[high]),
                        y=_segments(at, at),
                        mode="lines",
                        line={"color": line.colour, "width": width},
                        showlegend=False,
                        **cell,
                    )
                figure.add_scatter(
                    x=part.q50,
                    y=at,
                    name=name,
                    mode="markers",
                    marker={
                        "color": palette.paper,
                        "symbol": line.symbol,
                        "size": 9,
                        "line": {"color": line.colour, "width": 2},
                    },
                    customdata=part[["group", "count", "q05", "q25", "q75", "q95"]],
                    hovertemplate=(
                        f"<b>{name}</b>, %{{customdata[0]}}<br>median %{{x:+.3g}}"
                        "<br>half lie in %{customdata[3]:+.3g} to %{customdata[4]:+.3g}"
                        "<br>nine tenths in %{customdata[2]:+.3g} to %{customdata[5]:+.3g}"
                        "<br>%{customdata[1]} detections<extra></extra>"
                    ),
                    legendgroup=name,
                    showlegend=row == column == 1,
                    row=row,
                    col=column,
                )
    figure.update_yaxes(tickvals=[-k for k in range(len(groups))], ticktext=groups, range=[-len(groups) + 0.4, 0.6])
    for row, unit in enumerate(units, start=1):
        for column, coordinate in enumerate(coordinates, start=1):
            part = _part(summary, unit=unit, by=by, coordinate=coordinate)
            # Plotly leaves no room beside lines without markers.
            margin = 0.05 * (part.q95.max() - part.q05.min()) or 1.0
            figure.get_subplot(row, column).xaxis.range = [part.q05.min() - margin, part.q95.max() + margin]
        figure.update_xaxes(title_text=UNIT_TITLES[unit], row=row)
        figure.update_yaxes(title_text=LABELS[by], row=row, col=1)
    for column in range(2, len(coordinates) + 1):
        figure.update_yaxes(showticklabels=False, col=column)
    figure.update_layout(shapes=_zero_lines(len(units) * len(coordinates), palette))
    note = "Marker: median. Thick: half of the detections. Thin: nine tenths. Off 0 is a bias, long is imprecise."
    height = 250 + len(units) * (40 + len(groups) * (14 + 22 * len(lines)))
    finish(figure, f"Localisation error by {by}", note, height, palette)
    return figure


def calibration_figure(
    bins: pd.DataFrame,
    spreads: pd.DataFrame,
    lines: Lines,
    stage: int = 1,
    palette: Palette = LIGHT,
    coordinates: Sequence[str] = COORDINATES,
) -> go.Figure:
    """Reliability curves of one stage: of the top bin's probability (above) and of the spread (below).

    Bars hold 95% of what as many detections would give again. Points of fewer than ``FEW`` detections are not joined.

    Each curve has ``meta``: its model, coordinate, and the quantity that it is by. Its ``customdata`` are count, and
    least and greatest of that quantity.

    Args:
        bins: of :func:`obcn.tables.calibration.reliability_of_bins`.
        spreads: of :func:`obcn.tables.calibration.reliability_of_spread`.
        lines: model name to its line.
        stage: from 1.
        palette: the theme's.
        coordinates: columns.
    """
    figure = _grid(2, coordinates, horizontal=0.055)
    shown: set[str] = set()
    for column, coordinate in enumerate(coordinates, start=1):
        reach = [0.0, 0.0]
        for name, line in lines.items():
            for row, table, x, y in ((1, bins, "confidence", "accuracy"), (2, spreads, "spread", "rms_error")):
                part = _part(table, model=name, stage=stage, coordinate=coordinate)
                reach[row - 1] = max([reach[row - 1], *part[x], *part[y]])
                figure.add_scatter(
                    x=part[x],
                    y=part[y],
                    name=name,
                    mode="lines+markers" if part["count"].min() >= FEW else "markers",
                    line=stroke(line),
                    marker={"symbol": line.symbol, "size": 7, "color": line.colour},
                    error_y=_bars(part, y, line),
                    customdata=part[["count", "low", "high"]],
                    meta={"model": name, "coordinate": coordinate, "by": x},
                    hovertemplate=(
                        f"<b>{name}</b><br>predicted %{{x:.3g}}<br>measured %{{y:.3g}}"
                        "<br>%{customdata[0]} detections<extra></extra>"
                    ),
                    legendgroup=name,
                    showlegend=len(part) > 0 and name not in shown,
                    row=row,
                    col=column,
                )
                if len(part):
                    shown.add(name)
            part = _part(spreads, model=name, stage=stage, coordinate=coordinate)
            figure.add_scatter(
                x=part.spread,
                y=part.rms_if_honest,
                name=f"{name}, if honest",
                mode="lines",
                line={"color": line.colour, "width": 1, "dash": "dot"},
                hoverinfo="skip",
                legendgroup=name,
                showlegend=False,
                row=2,
                col=column,
            )
        for row, end in ((1, min(1, 1.08 * reach[0])), (2, 1.08 * reach[1])):
            figure.add_scatter(
                x=[0, end],
                y=[0, end],
                name="honest",
                mode="lines",
                line={"color": palette.muted, "width": 1, "dash": "dot"},
                hoverinfo="skip",
                legendgroup="honest",
                showlegend=row == column == 1,
                row=row,
                col=column,
            )
            cell = figure.get_subplot(row, column)
            cell.xaxis.range = cell.yaxis.range = [0, end]
    figure.update_xaxes(title_text="probability of the top bin", row=1)
    figure.update_yaxes(title_text="share of the true label on it", row=1, col=1)
    figure.update_xaxes(title_text="predicted spread", row=2)
    figure.update_yaxes(title_text="RMS error, in the head's unit", row=2, col=1)
    note = (
        "Detections that match an object. Honest is on the dotted line, below in each head's own colour: soft labels "
        "widen<br>even an ideal head's spread. Too sure is below it in the upper row, above it in the lower one."
    )
    finish(figure, f"Is the uncertainty honest? Stage {stage}", note, 760, palette)
    return figure


def _bars(part: pd.DataFrame, column: str, line: Line) -> dict:
    """95% intervals of groups: Wilson's of a share, and to first order of a root mean square of normal errors."""
    value, count = part[column].to_numpy(np.float64), part["count"].to_numpy(np.float64)
    z = 1.96
    if column == "accuracy":
        middle = (value + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z * np.sqrt(value * (1 - value) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
        plus, minus = middle + half - value, value - middle + half
    else:
        plus = minus = z * value / np.sqrt(2 * count)
    return {"array": plus, "arrayminus": minus, "thickness": 1, "width": 0, "color": faded(line.colour, 0.6)}


def _grid(rows: int, coordinates: Sequence[str], horizontal: float = 0.04) -> go.Figure:
    figure = make_subplots(
        rows=rows,
        cols=len(coordinates),
        column_titles=[COORDINATE_TITLES[coordinate] for coordinate in coordinates],
        horizontal_spacing=horizontal,
        vertical_spacing=0.16,
    )
    figure.update_annotations(font_size=14)
    return figure


def _zero_lines(cells: int, palette: Palette) -> list[dict]:
    """A line at 0 in each cell; plotly's add_vline takes ten milliseconds for each."""
    names = ["", *map(str, range(2, cells + 1))]
    line = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "line": {"color": palette.muted, "width": 1}}
    return [{**line, "xref": f"x{name}", "yref": f"y{name} domain"} for name in names]


def _part(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    keep = np.ones(len(table), dtype=bool)
    for column, value in where.items():
        keep &= (table[column] == value).to_numpy()
    return table[keep]


def _segments(starts, ends) -> list[float | None]:
    """Coordinates of separate strokes in one trace: start, end, gap."""
    return [value for start, end in zip(starts, ends, strict=True) for value in (start, end, None)]
