"""Box losses side by side: what each asks of a head, and what a head that follows it learns step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import plotly.graph_objects as go

from obcn.figures.palette import FONT, LIGHT, Line, Palette, Role
from obcn.tables.descent import Descent, LossCurve

HEIGHT = 300
BELIEF_HEIGHT = 230

# The paper's losses have the lines of what they train elsewhere; those of the later heads are their own.
_BORROWED: dict[str, Role] = {"L2": "argmax", "Smooth L1": "regression", "GIoU": "stage", "offset bins": "expectation"}
_OWN = {
    "DFL": Line("#8C6BD1", "dash", 2.25, "pentagon", "DFL"),
    "D-FINE": Line("#A0643C", "dot", 2.5, "hexagon", "D-FINE"),
    "distance bins": Line("#8A7A1F", "solid", 2.25, "x", "distance bins"),
}

# Where the axes end: L2 goes on far beyond, and would press all others flat.
_HIGHEST_LOSS = 8.0
_LARGEST_GRADIENT = 3.0


def loss_lines(names: Sequence[str], palette: Palette = LIGHT) -> dict[str, Line]:
    """Each loss's line: colour, dash and marker, the same in every figure."""
    lines = {name: replace(palette.lines[role], label=name) for name, role in _BORROWED.items()} | _OWN
    return {name: lines[name] for name in names}


def loss_figure(curves: Mapping[str, LossCurve], error: float, palette: Palette = LIGHT) -> go.Figure:
    """Loss against the error, marked at one error."""
    series = {name: (curve.errors.tolist(), curve.losses.tolist()) for name, curve in curves.items()}
    return _chart(series, error, "loss", "error, normalised offset", (0, _HIGHEST_LOSS), palette)


def gradient_figure(curves: Mapping[str, LossCurve], error: float, palette: Palette = LIGHT) -> go.Figure:
    """How hard a head's outputs are pushed against the error, marked at one error."""
    series = {name: (curve.errors.tolist(), curve.gradients.tolist()) for name, curve in curves.items()}
    return _chart(series, error, "|gradient|", "error, normalised offset", (0, _LARGEST_GRADIENT), palette)


def prediction_figure(descents: Mapping[str, Descent], step: int, palette: Palette = LIGHT) -> go.Figure:
    """What each head predicts after each step, with the target as a line."""
    series = {name: (list(range(len(d.predictions))), d.predictions.tolist()) for name, d in descents.items()}
    target = next(iter(descents.values())).target
    reach = max(abs(target), 0.5)
    low, high = min(0.0, target) - 0.15 * reach, max(0.0, target) + 0.15 * reach
    figure = _chart(series, step, "prediction, normalised offset", "step", (low, high), palette)
    truth = palette.lines["truth"]
    figure.add_hline(y=target, line={"color": truth.colour, "dash": truth.dash, "width": truth.width}, layer="below")
    figure.add_annotation(
        text="target", x=1, xref="paper", xanchor="right", y=target, yanchor="bottom", showarrow=False, yshift=1
    )
    return figure


def descent_gradient_figure(descents: Mapping[str, Descent], step: int, palette: Palette = LIGHT) -> go.Figure:
    """How hard a head's outputs are pushed at each step."""
    series = {name: (list(range(len(d.gradients))), d.gradients.tolist()) for name, d in descents.items()}
    return _chart(series, step, "|gradient|", "step", (0, _LARGEST_GRADIENT), palette)


def belief_figure(name: str, descent: Descent, step: int, palette: Palette = LIGHT) -> go.Figure:
    """What a head that keeps a distribution believes at the start (outline) and after ``step`` steps (bars).

    Args:
        name: the head's.
        descent: of a head with a distribution.
        step: which step.
        palette: the theme's.
    """
    edges = descent.edges.tolist()
    # The outermost have no outer end; drawn as wide as their neighbours.
    edges[0], edges[-1] = 2 * edges[1] - edges[2], 2 * edges[-2] - edges[-3]
    middles, widths = [(a + b) / 2 for a, b in pairwise(edges)], [b - a for a, b in pairwise(edges)]
    start, now = descent.beliefs[0].tolist(), descent.beliefs[step].tolist()
    prediction = float(descent.predictions[step])
    figure = go.Figure(
        [
            go.Bar(
                x=middles,
                y=now,
                width=[0.9 * width for width in widths],
                marker={"color": palette.bar, "line": {"width": 0}},
                customdata=list(zip(_stretches(edges), start, strict=True)),
                hovertemplate="%{customdata[0]}<br>now %{y:.1%}<br>at the start %{customdata[1]:.1%}<extra></extra>",
                name="now",
            ),
            go.Scatter(
                x=[edge for pair in pairwise(edges) for edge in pair],
                y=[height for height in start for _ in range(2)],
                mode="lines",
                line={"color": palette.muted, "width": 1},
                hoverinfo="skip",
                name="start",
            ),
            _upright(prediction, max(now), palette.lines["expectation"], f"prediction {prediction:+.2f}"),
            _upright(descent.target, max(now), palette.lines["truth"], f"target {descent.target:+.2f}"),
        ]
    )
    _dress(figure, f"{name}, step {step}", BELIEF_HEIGHT, palette)
    figure.update_xaxes(title_text="normalised offset")
    figure.update_yaxes(title_text="probability", tickformat=".0%", range=[0, 1.12 * max(*now, *start)], nticks=5)
    return figure


def with_legend(figure: go.Figure) -> go.Figure:
    """A copy that names its lines itself; on the page one key does so for several figures."""
    copy = go.Figure(figure)
    room = 40
    copy.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        height=figure.layout.height + room,
        margin_b=figure.layout.margin.b + room,
        title_x=0.01,
    )
    return copy


def _stretches(edges: list[float]) -> list[str]:
    inner = [f"{left:.3g} to {right:.3g}" for left, right in pairwise(edges[1:-1])]
    return [f"below {edges[1]:.3g}", *inner, f"above {edges[-2]:.3g}"]


def _chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    at: float,
    y_title: str,
    x_title: str,
    y_range: tuple[float, float],
    palette: Palette,
) -> go.Figure:
    """One curve per loss, with a marker on each where x is ``at``."""
    figure = go.Figure()
    lines = loss_lines(list(series), palette)
    for name, (xs, ys) in series.items():
        line = lines[name]
        nearest = min(range(len(xs)), key=lambda k: abs(xs[k] - at))
        hover = f"<b>{name}</b><br>{x_title} %{{x:.3g}}<br>{y_title} %{{y:.3g}}<extra></extra>"
        stroke = {"color": line.colour, "dash": line.dash, "width": line.width}
        figure.add_scatter(x=xs, y=ys, mode="lines", line=stroke, name=name, hovertemplate=hover)
        figure.add_scatter(
            x=[xs[nearest]],
            y=[ys[nearest]],
            mode="markers",
            marker={
                "symbol": line.symbol,
                "size": 11,
                "color": line.colour,
                "line": {"color": palette.halo, "width": 1},
            },
            name=f"{name} here",
            hovertemplate=hover,
            showlegend=False,
            cliponaxis=False,
        )
    _dress(figure, f"{y_title} against {x_title}", HEIGHT, palette)
    figure.add_vline(x=at, line={"color": palette.muted, "width": 1}, layer="below")
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title, range=y_range)
    return figure


def _upright(x: float, height: float, line: Line, hover: str) -> go.Scatter:
    return go.Scatter(
        x=[x, x],
        y=[0, 1.06 * height],
        mode="lines",
        line={"color": line.colour, "dash": line.dash, "width": line.width},
        hovertemplate=f"{hover}<extra></extra>",
        name=hover,
    )


def _dress(figure: go.Figure, title: str, height: int, palette: Palette) -> None:
    axis = {"gridcolor": palette.grid, "zerolinecolor": palette.grid, "title_standoff": 6, "automargin": True}
    figure.update_layout(
        title={"text": f"<b>{title}</b>", "x": 0, "xanchor": "left", "y": 1 - 12 / height, "yanchor": "top"},
        title_font={"size": 14, "color": palette.ink},
        font={"family": FONT, "size": 12, "color": palette.muted},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=height,
        margin={"l": 50, "r": 10, "t": 34, "b": 44},
        showlegend=False,
        hoverlabel={"font": {"family": FONT}},
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
