"""Errors: how far off the boxes of each head are, whether it knows, and which objects are behind a bar."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.errors import load
from app.errors.clickable import draw_row, kept_figures, offer_objects
from app.errors.evidence import Evidence, gather_evidence
from app.errors.picks import (
    calibration_key,
    calibration_picks,
    group_picks,
    histogram_key,
    histogram_picks,
    precision_key,
    precision_picks,
)
from app.explore.load import MANY_ROWS, rows_in
from app.exports import export_figures, export_table
from app.markup import line_key, plain
from app.records.choice import ERRORS_KEYS, MAKE_RECORDS, choose_records, say_what_ships
from app.widgets import one_of
from obcn.errors import UserError
from obcn.figures.box_errors import calibration_figure, histogram_figure, quantile_figure
from obcn.figures.gains import fitted
from obcn.figures.lines import with_models
from obcn.figures.precision import ap_figure
from obcn.records.schema import COORDINATES
from obcn.tables.precision import BYTES_PER_ROW

UNITS = {"pixels": "px", "normalised offset": "normalised"}
SAMPLES = 200
# Fewer detections than this make ragged curves.
FEW = 200


def main() -> None:
    """Draw the page."""
    st.header("Errors", anchor=False)
    st.markdown(
        "How far off the boxes of each head are, on which objects, and whether the head knows. **Choose a bar or a "
        "point** to see the objects behind it in Explore."
    )
    st.html('<p class="obcn-narrow">Record files: » at the top.</p>')
    try:
        choice = choose_records(ERRORS_KEYS)
        say_what_ships(choice)
        evidence = gather_evidence(choice)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if evidence is None:
        st.info(
            "**There are no errors to show yet.** Run models on a data set in Explore, or make record files yourself.",
            icon=":material/search:",
        )
        st.page_link("explore/explore.py", label="Run models in Explore", icon=":material/play_arrow:")
        st.code(MAKE_RECORDS, language=None)
        return
    st.html(line_key(with_models(evidence.palette, dict(evidence.lines)), list(evidence.lines)))
    _tell_how_many(evidence)
    known = set(evidence.tables["histograms"].unit)
    unit = UNITS[one_of("Unit", [words for words, unit in UNITS.items() if unit in known], "unit")]
    _show_histograms(evidence, unit)
    _show_groups(evidence, unit, "size", "Large objects err by more pixels, small ones by more of their size.")
    _show_groups(evidence, unit, "class", "A class that is off to one side has a habit; a long one is hard.")
    if any(info.num_stages for info in evidence.infos.values()):
        _show_calibration(evidence)
    _show_precision(evidence)


def _tell_how_many(evidence: Evidence) -> None:
    """How much the figures rest on."""
    counts = {name: len(load.rows_of(path, name)) for path, name in evidence.models}
    counts_in_words = "; ".join(
        f"{plain(name)} {count:,} in {evidence.infos[name].photos:,} photos" for name, count in counts.items()
    )
    few = " **So few say little: read the shapes with care.**" if min(counts.values()) < FEW else ""
    st.caption(f"Detections that match an object: {counts_in_words}.{few}")
    if len({(info.photos, *info.categories.values()) for info in evidence.infos.values()}) > 1:
        st.warning(
            "These record files are of different photos or classes, so their errors are not of the same objects.",
            icon=":material/warning:",
        )


# The sections. Each runs by itself when something in it is chosen.


@st.fragment
def _show_histograms(evidence: Evidence, unit: str) -> None:
    st.subheader("How far off", anchor=False)
    st.caption(
        "Predicted less true, of detections that match an object at IoU 0.5. Narrower and centred on 0 is better; a "
        "hump beside 0 is a habit."
    )
    table, lines, palette = evidence.tables["histograms"], evidence.lines, evidence.palette
    picks = histogram_picks(table, unit)

    figures = kept_figures(
        (evidence.key, "histogram", unit),
        lambda: {
            name: fitted(histogram_figure(table, lines, palette, (unit,), (name,)), palette, 300)
            for name in COORDINATES
        },
    )
    draw_row(figures, "histogram", lambda bar, at: histogram_key(bar.meta["coordinate"], at[0]))
    offer_objects(evidence, picks, "histogram", "bar")
    _take_home(
        {"Localisation error by coordinate": lambda: histogram_figure(table, lines, palette)},
        {"Error histograms": table},
    )


@st.fragment
def _show_groups(evidence: Evidence, unit: str, by: str, words: str) -> None:
    st.subheader(f"By {by}", anchor=False)
    st.caption(f"Marker: median. Thick: half of the detections. Thin: nine tenths. {words}")
    table, lines, palette = evidence.tables["errors"], evidence.lines, evidence.palette
    picks = group_picks(table, by)

    height = 110 + len(picks) * (14 + 22 * len(lines))
    figures = kept_figures(
        (evidence.key, by, unit),
        lambda: {
            name: fitted(quantile_figure(table, by, lines, palette, (unit,), (name,)), palette, height)
            for name in COORDINATES
        },
    )
    draw_row(figures, by, lambda _, at: str(at[0]))
    offer_objects(evidence, picks, by, by)
    _take_home(
        {f"Localisation error by {by}": lambda: quantile_figure(table, by, lines, palette)},
        {f"Errors by {by}": table[table.by == by]},
    )


@st.fragment
def _show_calibration(evidence: Evidence) -> None:
    st.subheader("Does the head know?", anchor=False)
    st.caption(
        "Of detections that match an object. On the dotted line a head is as sure as it should be. Above: how much of "
        "the true label lies on its most probable bin, which for OBCN's bins is how often it is the true one; under "
        "the line it is too sure. Below: the error that there is, against the spread it expects; over the line in its "
        "own colour, which is an ideal head's with the same labels, it is too sure. Ten groups of equal size each; "
        "bars: 95%. Points of fewer than 30 detections are not joined."
    )
    tables, palette = evidence.tables, evidence.palette
    stages = max(info.num_stages for info in evidence.infos.values())
    stage = int(one_of("Stage", [str(k) for k in range(1, stages + 1)], "stage")) if stages > 1 else 1
    bins, spreads = tables["bins"], tables["spreads"]
    having = {name: info for name, info in evidence.infos.items() if info.num_stages >= stage}
    # Heads that predict offsets and heads that predict distances have no axis in common.
    axes = {", ".join(info.coordinates): info.coordinates for info in having.values()}
    coordinates = axes[one_of("Numbers", list(axes), "numbers")] if len(axes) > 1 else next(iter(axes.values()))
    lines = {name: evidence.lines[name] for name, info in having.items() if info.coordinates == coordinates}

    figures = kept_figures(
        (evidence.key, "calibration", stage, coordinates),
        lambda: {
            name: fitted(calibration_figure(bins, spreads, lines, stage, palette, (name,)), palette, 520)
            for name in coordinates
        },
    )

    def key(curve: go.Scatter, at: Sequence) -> str:
        return calibration_key(curve.meta["model"], curve.meta["coordinate"], curve.meta["by"], at[1])

    draw_row(figures, "calibration", key)
    offer_objects(evidence, calibration_picks(tables, stage), "calibration", "point")
    _take_home(
        {
            f"Calibration of stage {stage}": lambda: calibration_figure(
                bins, spreads, lines, stage, palette, coordinates
            )
        },
        {"Calibration": tables["calibration"]},
    )


@st.fragment
def _show_precision(evidence: Evidence) -> None:
    st.subheader("AP by IoU", anchor=False)
    st.caption(
        f"How AP falls as boxes must fit better; thin: had every box near an object been right. Bands: 95%, from "
        f"{SAMPLES} data sets drawn anew from the photos."
    )
    rows = sum(rows_in(path) for path, _ in evidence.models)
    cost = f"which takes minutes and up to {rows * BYTES_PER_ROW / 1e9:.1f} GB of memory"
    if rows > MANY_ROWS and not st.toggle(f"Work it out for {rows:,} rows, {cost}", key="ap"):
        return
    try:
        tables = load.precision_tables(evidence.models, SAMPLES)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    table, lines, palette = tables["ap_by_iou"], evidence.lines, evidence.palette
    titles: dict[str, Literal["ap", "difference"]] = {"AP": "ap"}
    if len(lines) > 1 and table.difference.notna().any():
        titles[f"Difference from {next(iter(lines))}"] = "difference"
    figures = kept_figures(
        (evidence.key, "ap"),
        lambda: {
            title: fitted(ap_figure(table, lines, palette, [part]), palette, 380) for title, part in titles.items()
        },
    )
    draw_row(figures, "ap", lambda curve, at: precision_key(curve.meta["model"], at[-1]))
    offer_objects(evidence, precision_picks(table), "ap", "point")
    _take_home(
        {"AP by IoU": lambda: ap_figure(table, lines, palette)},
        {"AP by IoU": table, "AP summary": tables["ap_summary"]},
    )


# What the sections are made of


def _take_home(figures: Mapping[str, Callable[[], go.Figure]], tables: Mapping[str, pd.DataFrame]) -> None:
    with st.container(horizontal=True):
        export_figures(figures, f"figures-{next(iter(figures))}")
        for name, table in tables.items():
            export_table(table, name, "Export table" if len(tables) == 1 else f"Export {name}")


main()
