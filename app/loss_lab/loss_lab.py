"""Loss lab: what each box loss asks of a head, and what a head learns that follows it. Needs no model and no photo."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.components.chart import chart
from app.exports import export_figures, export_table
from app.markup import line_key
from app.tables import html_table
from app.widgets import theme_palette
from obcn.figures.lines import with_models
from obcn.figures.losses import (
    belief_figure,
    descent_gradient_figure,
    gradient_figure,
    loss_figure,
    loss_lines,
    prediction_figure,
    with_legend,
)
from obcn.figures.palette import Palette
from obcn.offsets import BinCodec, DistanceBinCodec, OffsetCodec, RegressionCodec, SupportPointCodec
from obcn.tables.descent import Descent, LossCurve, descend, loss_curve

STEPS = 60
REACH = 5.0
ERRORS = tuple(np.linspace(-REACH, REACH, 201).round(6).tolist())
FIRST = ["L2", "Smooth L1", "GIoU", "offset bins"]


@dataclass(frozen=True)
class Settings:
    """What the controls say, in normalised offsets where a length.

    Attributes:
        losses: names, in the order of :data:`LOSSES`.
        error: target minus first prediction.
        beta: of Smooth L1.
        half_range: a, of every head with bins or points.
        num_bins: m, the uniform bins; heads with points have as many points as there are bins with tails, or one more.
        spread: standard deviation of the belief that heads with bins or points start with.
        rate: learning rate.
        step: how many steps of it are shown.
    """

    losses: tuple[str, ...]
    error: float
    beta: float
    half_range: float
    num_bins: int
    spread: float
    rate: float
    step: int


LOSSES: dict[str, Callable[[Settings], OffsetCodec]] = {
    "L2": lambda chosen: RegressionCodec("l2"),
    "Smooth L1": lambda chosen: RegressionCodec("smooth_l1", chosen.beta),
    "GIoU": lambda chosen: RegressionCodec("giou"),
    "offset bins": lambda chosen: BinCodec(chosen.num_bins, (chosen.half_range,)),
    "DFL": lambda chosen: SupportPointCodec.dfl(chosen.num_bins + 2, chosen.half_range),
    # Its points are odd in number.
    "D-FINE": lambda chosen: SupportPointCodec.dfine(chosen.num_bins // 2 * 2 + 3, chosen.half_range),
    "distance bins": lambda chosen: DistanceBinCodec(chosen.num_bins, chosen.half_range),
}


def main() -> None:
    """Draw the page."""
    st.header("Loss lab", anchor=False)
    st.markdown(
        "A box head says one offset and the truth is elsewhere. **Drag the error** to see what each loss asks of the "
        "head, then **drag the step** to watch one number learn."
    )
    st.html('<p class="obcn-narrow">Losses and their settings: » at the top.</p>')
    chosen = _settings()
    if not chosen.losses:
        st.info("Choose a loss to begin.", icon=":material/touch_app:")
        return
    palette = theme_palette()
    codecs = {name: LOSSES[name](chosen) for name in chosen.losses}
    curves = {name: loss_curve(codec, ERRORS, chosen.spread) for name, codec in codecs.items()}
    descents = {name: descend(codec, chosen.error, chosen.rate, STEPS, chosen.spread) for name, codec in codecs.items()}
    key = line_key(with_models(palette, loss_lines(chosen.losses, palette)), chosen.losses)
    figures = _show_curves(curves, chosen, palette, key)
    figures |= _show_descent(descents, chosen, palette, key)
    table = _show_numbers(descents, chosen)
    with st.container(horizontal=True):
        export_figures({title: partial(with_legend, figure) for title, figure in figures.items()}, "figures")
        export_table(table, "Losses")


def _settings() -> Settings:
    with st.sidebar:
        losses = st.pills(
            "Losses", list(LOSSES), selection_mode="multi", default=FIRST, key="losses", bind="query-params", wrap=True
        )
        beta = st.slider(
            "\N{GREEK SMALL LETTER BETA} of Smooth L1",
            0.05,
            3.0,
            1.0,
            0.05,
            key="beta",
            bind="query-params",
            help="Where it turns from quadratic to linear. The paper's baseline has 1, torchvision's own 1/9.",
        )
        half_range = st.slider(
            "a, half range of the bins",
            0.5,
            5.0,
            3.0,
            0.25,
            key="a",
            bind="query-params",
            help="The bins cover offsets from -a to a; what lies beyond falls into a tail.",
        )
        num_bins = st.slider(
            "m, number of bins",
            2,
            60,
            20,
            1,
            key="m",
            bind="query-params",
            help="Uniform bins within the range; with the two tails the paper's n = m + 2. Points of DFL and D-FINE: "
            "as many.",
        )
        spread = st.slider(
            "Spread of the first belief",
            0.2,
            3.0,
            0.6,
            0.1,
            key="spread",
            bind="query-params",
            help="How unsure a head with bins or points is at the start, as a standard deviation: small is sure.",
        )
        rate = st.select_slider(
            "Learning rate", [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0], 0.5, key="rate", bind="query-params"
        )
    left, right = st.columns(2)
    error = left.slider(
        "Error: target minus prediction, normalised offset",
        -REACH,
        REACH,
        2.0,
        0.05,
        key="error",
        bind="query-params",
        help="1 is a tenth of the candidate's width in x, and about 22% in w.",
    )
    step = right.slider("Step of gradient descent", 0, STEPS, 10, 1, key="step", bind="query-params")
    return Settings(
        tuple(name for name in LOSSES if name in losses), error, beta, half_range, num_bins, spread, rate, step
    )


def _show_curves(curves: dict[str, LossCurve], chosen: Settings, palette: Palette, key: str) -> dict[str, go.Figure]:
    st.subheader("What each loss asks", anchor=False)
    st.caption(
        "Look at the gradients: L2's grows with the error, Smooth L1's stops at 1 however far off the box is. The "
        "cross entropy of bins only asks for the right bin: its gradient stays below 1, and falls where the belief "
        "covers the true bin. (Of a head with many outputs: the sum over those pushed one way.)"
    )
    st.html(key)
    figures = {
        "Loss against the error": loss_figure(curves, chosen.error, palette),
        "Gradient against the error": gradient_figure(curves, chosen.error, palette),
    }
    _draw_row(figures)
    return figures


def _show_descent(descents: dict[str, Descent], chosen: Settings, palette: Palette, key: str) -> dict[str, go.Figure]:
    st.subheader("One number learns", anchor=False)
    st.caption(
        "Gradient descent on one object. Alone, L2 is quickest: a large gradient is a large step. In training all "
        "objects share the weights, and one with gradient 5 drowns five with 1: the paper's case for losses whose "
        "gradient is bounded. Bins come last here, from any first belief: a step moves the right bin's score by the "
        "learning rate at most, by less as that bin wins, and the mean stays short of the target until no belief is "
        "left elsewhere. That rest is what tells how unsure a head is."
    )
    st.html(key)
    figures = {
        "Prediction by step": prediction_figure(descents, chosen.step, palette),
        "Gradient by step": descent_gradient_figure(descents, chosen.step, palette),
    }
    _draw_row(figures)
    beliefs = {
        f"What {name} believe" if name.endswith("bins") else f"What {name} believes": belief_figure(
            name, descent, chosen.step, palette
        )
        for name, descent in descents.items()
        if len(descent.edges)
    }
    if beliefs:
        st.caption(
            "What the heads with bins or points believe: at the start (thin outline) and now (bars). The solid line is "
            "the prediction, their mean; the dotted one the target."
        )
        _draw_row(beliefs)
    return figures | beliefs


def _draw_row(figures: dict[str, go.Figure]) -> None:
    for (title, figure), column in zip(figures.items(), st.columns(len(figures)), strict=True):
        chart(figure, title, column)


def _show_numbers(descents: dict[str, Descent], chosen: Settings) -> pd.DataFrame:
    st.subheader("In numbers", anchor=False)
    close = chosen.half_range / chosen.num_bins
    st.caption(f"Offsets are normalised; close means within half a bin, {close:.3g}, of the target.")
    until = [descent.steps_until(close) for descent in descents.values()]
    table = pd.DataFrame([_row(name, descent, chosen.step) for name, descent in descents.items()])
    text = table.set_index("loss").map(lambda value: f"{value:.3f}")
    text["steps until close"] = [f"more than {STEPS}" if steps is None else str(steps) for steps in until]
    st.html(html_table(text.reset_index(), "Each loss in numbers"))
    table["steps until close"] = until
    return table


def _row(name: str, descent: Descent, step: int) -> dict[str, object]:
    return {
        "loss": name,
        "loss at the start": float(descent.losses[0]),
        "|gradient| at the start": float(descent.gradients[0]),
        "prediction after step 1": float(descent.predictions[1]),
        f"after step {step}": float(descent.predictions[step]),
        "|gradient| then": float(descent.gradients[step]),
    }


main()
