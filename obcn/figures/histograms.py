"""One coordinate's distribution over bins or points, stage above stage, with what everyone else says marked in it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Literal

import plotly.graph_objects as go

from obcn.figures.belief import Belief, tails
from obcn.figures.palette import FONT, LIGHT, Palette
from obcn.offsets import StageExplanation

MINUS = "\N{MINUS SIGN}"

# Heights in screen pixels: a fixed layout, so that nothing moves when the numbers change.
_TITLE, _NOTE, _TICKS, _GAP = 30, 20, 20, 26
_BARS = (140, 104)

# The probability axis reaches this much further than the tallest bar: room for the marks.
_HEADROOM = 1.45

# Between bars, as a share of the narrowest; and beyond the outermost two, of what all cover: half of one of 20 bins.
_BAR_GAP = 0.08
_MARGIN = 0.5 / 23

# Columns of a figure of all four, in screen pixels, and between them room for the ticks of the vertical axis.
_COLUMN, _BETWEEN, _LEFT, _RIGHT, _LEGEND = 300, 50, 40, 6, 36

# How high each role's line reaches, as a share of the axis: staggered, so that heads do not hide one another.
_REACH = {"truth": 0.97, "regression": 0.88, "expectation": 0.79, "argmax": 0.70}
_REACH_OF_OTHERS = (0.84, 0.75, 0.66, 0.92)


@dataclass(frozen=True)
class _Cell:
    """One bar, in normalised offsets from the candidate: where it is drawn, and which offsets it answers for.

    The outermost cells answer for everything beyond; a tail is one whose representative is its very edge.
    """

    left: float
    right: float
    low: float
    high: float
    tail: bool = False

    @property
    def outermost(self) -> bool:
        return math.isinf(self.low) or math.isinf(self.high)


@dataclass(frozen=True)
class _Panel:
    """Where one stage stands: x and y domain in paper units, and the span of its x axis in normalised offsets.

    ``slot`` counts the panels of the whole figure; ``inner`` is the span from the first representative to the last.
    """

    stage: StageExplanation
    number: int
    slot: int
    across: tuple[float, float]
    top: float
    bottom: float
    origin: float
    cells: tuple[_Cell, ...]
    left: float
    right: float
    inner: tuple[float, float]


def figure_height(num_stages: int) -> int:
    """Screen pixels that :func:`coordinate_histograms` needs; known before there is anything to draw."""
    bars = sum(_bar_height(k) + _NOTE + 2 * _TICKS for k in range(num_stages))
    return _TITLE + bars + (num_stages - 1) * _GAP


def coordinate_histograms(belief: Belief, coordinate: str, palette: Palette = LIGHT) -> go.Figure:
    """Probability of each bin of one coordinate, in spatial order; each stage zooms into the one above.

    Bars are as wide as the stretch that their bin or point answers for, and as high as its probability; the outermost,
    which answer for everything beyond them, are hollow.

    The lower axis of a stage is the head's number, from the candidate, the upper one the same in pixels.
    Marked are this distribution's argmax and expectation, and the belief's rivals (regression, truth); one that lies
    outside a stage's window is an arrow at its edge.

    Args:
        belief: one object's.
        coordinate: key of one of the four.
        palette: the theme's.
    """
    column = _column(belief, coordinate, palette)
    title = {
        "text": _title(belief, coordinate),
        "font": {"size": 15, "color": palette.ink},
        "x": 0,
        "xref": "paper",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 2},
    }
    return _figure([column], belief, palette, title=title)


def belief_histograms(belief: Belief, palette: Palette = LIGHT) -> go.Figure:
    """The distributions of all four coordinates beside each other, each as :func:`coordinate_histograms` draws it.

    Args:
        belief: one object's.
        palette: the theme's.
    """
    count = len(belief.keys)
    inner = count * (_COLUMN + _BETWEEN) - _BETWEEN
    columns = []
    for number, coordinate in enumerate(belief.keys):
        start = number * (_COLUMN + _BETWEEN)
        column = _column(
            belief, coordinate, palette, number * len(belief.stages), (start / inner, (start + _COLUMN) / inner)
        )
        column.notes.append(
            {
                "text": _title(belief, coordinate),
                "font": {"size": 15, "color": palette.ink},
                "x": start / inner,
                "y": 1,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
        columns.append(column)
    height = figure_height(len(belief.stages)) + _LEGEND
    return _figure(
        columns,
        belief,
        palette,
        width=inner + _LEFT + _RIGHT,
        height=height,
        margin={"l": _LEFT, "r": _RIGHT, "t": _TITLE, "b": _LEGEND},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        paper_bgcolor=palette.paper,
    )


@dataclass(frozen=True)
class _Column:
    """All that one coordinate draws, as plotly takes it."""

    traces: list[dict]
    axes: dict[str, dict]
    notes: list[dict]
    shapes: list[dict]


def _column(
    belief: Belief,
    coordinate: str,
    palette: Palette,
    first_slot: int = 0,
    across: tuple[float, float] = (0.0, 1.0),
) -> _Column:
    panels = _panels(belief, coordinate, first_slot, across)
    shapes = [] if belief.anew else [shape for pair in pairwise(panels) for shape in _link(*pair, palette)]
    column = _Column([], {}, [], shapes)
    for panel in panels:
        column.traces.append(_bars(panel, belief, coordinate, palette))
        column.traces.extend(_mark_lines(panel, belief, coordinate, palette))
        # Plotly draws an axis only if a trace lies on it; the pixel axis has none of its own.
        _, pixel_x, y = _axis_names(panel)
        empty = {"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip", "showlegend": False}
        column.traces.append({**empty, "xaxis": pixel_x, "yaxis": y})
        column.notes.extend(_notes(panel, belief, coordinate, palette))
        column.axes.update(_axes(panel, belief, coordinate, palette))
    return column


def _figure(columns: list[_Column], belief: Belief, palette: Palette, **layout: object) -> go.Figure:
    # One call with everything: plotly's add_ and update_ methods would take three times as long.
    return go.Figure(
        [trace for column in columns for trace in column.traces],
        {
            **{name: axis for column in columns for name, axis in column.axes.items()},
            "annotations": [note for column in columns for note in column.notes],
            "shapes": [shape for column in columns for shape in column.shapes],
            "height": figure_height(len(belief.stages)),
            "margin": {"l": _LEFT, "r": _RIGHT, "t": _TITLE, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 11, "color": palette.muted},
            "hoverlabel": {"font": {"family": FONT, "size": 12}},
            "bargap": 0,
            "showlegend": False,
            "dragmode": False,
            "template": None,
            **layout,
        },
    )


def _title(belief: Belief, coordinate: str) -> str:
    return f"<b>{coordinate}</b> · {belief.coordinate(coordinate).name}"


def _bar_height(stage: int) -> int:
    return _BARS[min(stage, len(_BARS) - 1)]


def _panels(belief: Belief, coordinate: str, first_slot: int, across: tuple[float, float]) -> list[_Panel]:
    index = belief.index(coordinate)
    total = figure_height(len(belief.stages)) - _TITLE
    panels, y = [], total
    for number, stage in enumerate(belief.stages):
        top = y - _NOTE - _TICKS
        bottom = top - _bar_height(number)
        y = bottom - _TICKS - _GAP
        origin = float(stage.origin[0, index])
        cells = _cells(stage, origin)
        margin = _MARGIN * (cells[-1].right - cells[0].left)
        panels.append(
            _Panel(
                stage=stage,
                number=number,
                slot=first_slot + number,
                across=across,
                top=top / total,
                bottom=bottom / total,
                origin=origin,
                cells=cells,
                left=cells[0].left - margin,
                right=cells[-1].right + margin,
                inner=(origin + float(stage.representatives[0]), origin + float(stage.representatives[-1])),
            )
        )
    return panels


def _cells(stage: StageExplanation, origin: float) -> tuple[_Cell, ...]:
    # Not added as a tensor: a third stage's bins are hardly wider than what single precision tells apart.
    edges = [origin + edge for edge in stage.edges.tolist()]
    inner = [_Cell(low, high, low, high) for low, high in pairwise(edges[1:-1])]
    first, last = float(stage.representatives[0]) + origin, float(stage.representatives[-1]) + origin
    left_tail, right_tail = tails(stage)
    return (
        _outermost(edges[1], first, inner[:1], -1, left_tail),
        *inner,
        _outermost(edges[-2], last, inner[-1:], 1, right_tail),
    )


def _outermost(edge: float, representative: float, neighbour: list[_Cell], side: Literal[-1, 1], tail: bool) -> _Cell:
    """The cell beyond an inner edge, around its representative if that lies beyond the edge too.

    A tail's does not: it is drawn as wide as its neighbour, half a width away from it.
    """
    width = neighbour[0].right - neighbour[0].left if neighbour else 0.0
    near, far = (0.5 * width, 1.5 * width) if tail else (0.0, 2 * abs(representative - edge))
    left, right = sorted((edge + side * near, edge + side * far))
    low, high = (-math.inf, edge) if side < 0 else (edge, math.inf)
    return _Cell(left, right, low, high, tail)


def _axis_names(panel: _Panel) -> tuple[str, str, str]:
    """Plotly's names of a panel's offset axis, pixel axis and probability axis."""
    suffix = "" if panel.slot == 0 else str(2 * panel.slot + 1)
    return f"x{suffix}", f"x{2 * panel.slot + 2}", f"y{'' if panel.slot == 0 else panel.slot + 1}"


def _layout_name(axis: str) -> str:
    return f"{axis[0]}axis{axis[1:]}"


def _ceiling(panel: _Panel, belief: Belief, coordinate: str) -> float:
    peak = float(panel.stage.probabilities[0, belief.index(coordinate)].max())
    # In steps, so that the axis stands still while the peak changes a little.
    return min(1.0, math.ceil(peak * 20) / 20) * _HEADROOM


def _bars(panel: _Panel, belief: Belief, coordinate: str, palette: Palette) -> dict:
    heights = panel.stage.probabilities[0, belief.index(coordinate)].tolist()
    peak = heights.index(max(heights))
    gap = _BAR_GAP * min(cell.right - cell.left for cell in panel.cells)
    x, _, y = _axis_names(panel)
    return {
        "type": "bar",
        "name": f"stage {panel.number + 1}",
        "showlegend": False,
        "x": [(cell.left + cell.right) / 2 for cell in panel.cells],
        "y": heights,
        "width": [cell.right - cell.left - gap for cell in panel.cells],
        "xaxis": x,
        "yaxis": y,
        "opacity": _opacity(panel, belief),
        "marker": {
            "color": [palette.peak if label == peak else palette.bar for label in range(len(heights))],
            # Hollow. (Plotly's hatching loses its fill when a figure is drawn again in another size.)
            "line": {"width": [1.5 if cell.outermost else 0 for cell in panel.cells], "color": palette.muted},
            "opacity": [0.45 if cell.outermost else 1 for cell in panel.cells],
        },
        "customdata": _spans(panel, belief, coordinate),
        "hovertemplate": "%{customdata}<br>probability <b>%{y:.1%}</b><extra></extra>",
    }


def _opacity(panel: _Panel, belief: Belief) -> float:
    return 1 if panel.number < belief.used_stages else 0.4


def _spans(panel: _Panel, belief: Belief, coordinate: str) -> list[str]:
    """What each cell answers for, in words."""
    lows, highs = ([getattr(cell, side) for cell in panel.cells] for side in ("low", "high"))
    inner = belief.all_pixels(coordinate, [*lows[1:], *highs[:-1]])
    first, last = [-math.inf, *inner[: len(lows) - 1]], [*inner[len(lows) - 1 :], math.inf]
    return [_span(belief, cell, *ends) for cell, *ends in zip(panel.cells, first, last, strict=True)]


def _span(belief: Belief, cell: _Cell, first: float, last: float) -> str:
    name = f"{'tail' if cell.tail else 'end point'}: {belief.quantity}"
    if math.isinf(cell.low):
        return f"{name} {cell.high:+.3g} or less ({last:+.1f} px or less)"
    if math.isinf(cell.high):
        return f"{name} {cell.low:+.3g} or more ({first:+.1f} px or more)"
    return f"{belief.quantity} {cell.low:+.3g} to {cell.high:+.3g} ({first:+.1f} to {last:+.1f} px)"


def _marks(panel: _Panel, belief: Belief, coordinate: str) -> dict[str, float]:
    index = belief.index(coordinate)
    marks: dict[str, float] = {
        "argmax": panel.origin + float(panel.stage.argmax[0, index]),
        "expectation": panel.origin + float(panel.stage.expectation[0, index]),
    }
    for rival in belief.rivals:
        marks[rival] = float(belief.rival_offsets(rival)[index])
    return marks


def _mark_lines(panel: _Panel, belief: Belief, coordinate: str, palette: Palette) -> Iterator[dict]:
    ceiling = _ceiling(panel, belief, coordinate)
    x, _, y = _axis_names(panel)
    marks = _marks(panel, belief, coordinate)
    reach_of = dict(zip([name for name in marks if name not in _REACH], cycle(_REACH_OF_OTHERS), strict=False)) | _REACH
    for name, offset in marks.items():
        line = palette.lines[name]
        reach = reach_of[name] * ceiling
        inside = panel.left <= offset <= panel.right
        at = min(max(offset, panel.cells[0].left), panel.cells[-1].right)
        arrow = "triangle-left" if offset < panel.left else "triangle-right"
        where = f"{belief.quantity} {offset:+.3f} ({belief.pixels(coordinate, offset):+.1f} px)"
        yield {
            "type": "scatter",
            "name": line.label,
            "showlegend": panel.slot == 0,
            "x": [at, at] if inside else [at],
            "y": [0, reach] if inside else [reach],
            "xaxis": x,
            "yaxis": y,
            "mode": "lines+markers" if inside else "markers",
            "opacity": _opacity(panel, belief),
            "line": {"color": line.colour, "dash": line.dash, "width": line.width},
            "marker": {
                "color": line.colour,
                "symbol": line.symbol if inside else arrow,
                "size": [0, 8] if inside else 10,
                "opacity": 1,
            },
            "hovertemplate": (
                f"<b>{line.label}</b><br>{where}" + ("" if inside else "<br>outside this window") + "<extra></extra>"
            ),
            "cliponaxis": False,
        }


def _axes(panel: _Panel, belief: Belief, coordinate: str, palette: Palette) -> dict[str, dict]:
    x, pixel_x, y = _axis_names(panel)
    ceiling = _ceiling(panel, belief, coordinate)
    offset_ticks = _round_ticks(*panel.inner, include_ends=panel.number == 0)
    first, last = (belief.pixels(coordinate, offset) for offset in panel.inner)
    pixel_ticks = _apart(
        {belief.offset(coordinate, value): value for value in _round_ticks(first, last, count=7)},
        (panel.right - panel.left) / 6,
    )
    shared = {
        "range": [panel.left, panel.right],
        "domain": panel.across,
        "anchor": y,
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 3,
        "tickcolor": palette.muted,
        "tickangle": 0,
        "tickfont": {"size": 10},
    }
    return {
        _layout_name(x): {
            **shared,
            "showline": True,
            "linecolor": palette.muted,
            "tickvals": offset_ticks,
            "ticktext": [_signed(value) for value in offset_ticks],
        },
        _layout_name(pixel_x): {
            **shared,
            "overlaying": x,
            "side": "top",
            "tickvals": list(pixel_ticks),
            "ticktext": [_signed(value) for value in pixel_ticks.values()],
        },
        _layout_name(y): {
            "domain": [panel.bottom, panel.top],
            "anchor": x,
            "range": [0, ceiling],
            "fixedrange": True,
            "tickvals": _round_ticks(0, ceiling / _HEADROOM, count=2),
            "tickformat": ".0%",
            "tickfont": {"size": 10},
            "gridcolor": palette.grid,
            "zeroline": False,
        },
    }


def _notes(panel: _Panel, belief: Belief, coordinate: str, palette: Palette) -> list[dict]:
    """What the panel shows, and the units of its two axes at their left ends."""
    used = panel.number < belief.used_stages
    spread = _spread(belief, coordinate, panel.number) if used else "not used now"
    stage = "layer" if belief.anew else "stage"
    note = {"x": panel.across[0], "xref": "paper", "yref": "paper", "showarrow": False}
    unit = {**note, "xanchor": "right", "xshift": -4, "font": {"size": 10, "color": palette.muted}}
    return [
        {
            **note,
            "text": f"{stage} {panel.number + 1} · {spread}" if len(belief.stages) > 1 else spread,
            "y": panel.top,
            "xanchor": "left",
            "yanchor": "bottom",
            "yshift": _TICKS,
            "font": {"size": 11.5, "color": palette.ink},
        },
        {**unit, "text": "px", "y": panel.top, "yanchor": "bottom", "yshift": 3},
        {**unit, "text": belief.quantity, "y": panel.bottom, "yanchor": "top", "yshift": -3},
    ]


def _spread(belief: Belief, coordinate: str, stage: int) -> str:
    words = f"spread ±{belief.spread_pixels(coordinate, stage):.1f} px"
    floor = belief.floor_pixels(coordinate, stage)
    return words if floor is None else f"{words}, if sure ±{floor:.1f}"


def _link(outer: _Panel, inner: _Panel, palette: Palette) -> list[dict]:
    """The funnel from a bin-wide window of one stage to the next stage, which it is blown up to."""

    start, end = outer.across

    def on_paper(offset: float, panel: _Panel) -> float:
        share = (offset - panel.left) / (panel.right - panel.left)
        return start + (end - start) * min(max(share, 0.0), 1.0)

    left, right = (on_paper(offset, outer) for offset in inner.inner)
    window_left, window_right = (on_paper(offset, inner) for offset in inner.inner)
    look = {
        "xref": "paper",
        "yref": "paper",
        "fillcolor": palette.peak,
        "opacity": 0.16,
        "line": {"width": 0},
        "layer": "below",
    }
    corners = ((left, outer.bottom), (right, outer.bottom), (window_right, inner.top), (window_left, inner.top))
    path = "M " + " L ".join(f"{x},{y}" for x, y in corners) + " Z"
    return [
        {**look, "type": "path", "path": path},
        {**look, "type": "rect", "x0": left, "x1": right, "y0": outer.bottom, "y1": outer.top},
        {**look, "type": "rect", "x0": window_left, "x1": window_right, "y0": inner.bottom, "y1": inner.top},
    ]


def _round_ticks(low: float, high: float, count: int = 5, include_ends: bool = False) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``count`` of them."""
    span = high - low
    rough = span / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
    if include_ends:
        inner = [tick for tick in ticks if low + 0.4 * step < tick < high - 0.4 * step]
        return [low, *inner, high]
    return ticks


def _apart(ticks: dict[float, float], gap: float) -> dict[float, float]:
    """Drop ticks (position to value) whose labels would touch: sizes in pixels are not evenly spaced. Zero stays."""
    kept: dict[float, float] = {}
    for position, value in sorted(ticks.items(), key=lambda tick: (tick[1] != 0, abs(tick[1]))):
        if all(abs(position - other) >= gap for other in kept):
            kept[position] = value
    return dict(sorted(kept.items()))


def _signed(value: float) -> str:
    return f"{value:+.4g}".replace("-", MINUS) if value else "0"
