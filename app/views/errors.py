"""Errors: how far off the boxes of each head are, whether it knows, and which objects are behind a bar."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import plotly.graph_objects as go
import streamlit as st

from analysis.ap_by_iou import ap_figure
from analysis.drawing import model_lines
from analysis.error_figures import COORDINATE_TITLES, calibration_figure, histogram_figure, quantile_figure
from analysis.palette import DARK, LIGHT, Line, Palette
from app import errors_load, explore_load
from app.errors_picks import (
    Picks,
    calibration_key,
    calibration_picks,
    group_picks,
    histogram_key,
    histogram_picks,
    precision_key,
    precision_picks,
)
from app.explore_controls import open_explore
from app.explore_table import Side, keep, measured
from app.exports import export_figures, export_table
from app.figures.results import fitted
from app.lines import with_models
from app.markup import line_key, plain
from app.records_choice import ERRORS_KEYS, Choice, choose_records, stamp
from obcn.errors import UserError
from obcn.record_files import RecordInfo
from obcn.record_schema import COORDINATES

Figures = dict[str, go.Figure]

BARE = {"displayModeBar": False}
UNITS = {"pixels": "px", "normalised offset": "normalised"}
SAMPLES = 200
# AP of more rows takes minutes: it waits until it is asked for.
MANY_ROWS = 200_000

COMMANDS = "\n".join(
    f"obcn eval --model {model} --images photos --annotations val.json --records runs/records/{model}.parquet"
    for model in ("regression", "obcn")
)


@dataclass(frozen=True)
class Evidence:
    """What all figures of the page share.

    Attributes:
        choice: of record files.
        models: paths and names of those with errors to show, regression first.
        infos: by name.
        lines: by name.
        palette: the theme's.
        tables: of :func:`app.errors_load.error_tables`.
        key: tells it from the evidence of other files, or in another theme.
    """

    choice: Choice
    models: tuple[tuple[Path, str], ...]
    infos: Mapping[str, RecordInfo]
    lines: Mapping[str, Line]
    palette: Palette
    tables: errors_load.Tables
    key: tuple


def main() -> None:
    """Draw the page."""
    st.header("Errors", anchor=False)
    st.markdown(
        "How far off the boxes of each head are, on which objects, and whether the head knows. **Choose a bar or a "
        "point** to see the objects behind it in Explore."
    )
    st.html('<p class="obcn-narrow">Record files: » at the top.</p>')
    choice = choose_records(ERRORS_KEYS)
    try:
        evidence = _gather(choice)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if evidence is None:
        st.info("**There are no errors to show yet.** Make record files of your data set:", icon=":material/search:")
        st.code(COMMANDS, language="bash")
        return
    st.html(line_key(with_models(evidence.palette, dict(evidence.lines)), list(evidence.lines)))
    unit = UNITS[_one_of("Unit", list(UNITS), "unit")]
    _show_histograms(evidence, unit)
    _show_groups(evidence, unit, "size", "Large objects err by more pixels, small ones by more of their size.")
    _show_groups(evidence, unit, "class", "A class that is off to one side has a habit; a long one is hard.")
    if any(info.num_stages for info in evidence.infos.values()):
        _show_calibration(evidence)
    _show_precision(evidence)


def _gather(choice: Choice) -> Evidence | None:
    """The tables of every file that has errors; what is wrong with others is said."""
    models, infos = [], {}
    # Regression first: differences are from the first.
    order = sorted(range(len(choice.paths)), key=lambda number: choice.infos[number].num_stages > 0)
    for number in order:
        path, name = choice.paths[number], choice.names[number]
        try:
            errors_load.rows_of(path, name)
        except UserError as error:
            st.warning(f"{plain(str(error))}. It is left out.", icon=":material/warning:")
            continue
        models.append((path, name))
        infos[name] = choice.infos[number]
    if not models:
        return None
    palette = DARK if st.context.theme.type == "dark" else LIGHT
    styles = dict(zip(choice.names, model_lines(choice.infos, palette), strict=True))
    lines = {name: replace(styles[name], label=name) for _, name in models}
    tables = errors_load.error_tables(models)
    key = (*((str(path), name, stamp(path)) for path, name in models), palette is DARK)
    return Evidence(choice, tuple(models), infos, lines, palette, tables, key)


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

    figures = _kept(
        (evidence.key, "histogram", unit),
        lambda: {
            name: fitted(histogram_figure(table, lines, palette, (unit,), (name,)), palette, 300)
            for name in COORDINATES
        },
    )
    _draw_row(figures, "histogram", lambda bar, at: histogram_key(bar.meta["coordinate"], at[0]))
    _offer(evidence, picks, "histogram", "bar")
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
    figures = _kept(
        (evidence.key, by, unit),
        lambda: {
            name: fitted(quantile_figure(table, by, lines, palette, (unit,), (name,)), palette, height)
            for name in COORDINATES
        },
    )
    _draw_row(figures, by, lambda _, at: str(at[0]))
    _offer(evidence, picks, by, by)
    _take_home(
        {f"Localisation error by {by}": lambda: quantile_figure(table, by, lines, palette)},
        {f"Errors by {by}": table[table.by == by]},
    )


@st.fragment
def _show_calibration(evidence: Evidence) -> None:
    st.subheader("Does the head know?", anchor=False)
    st.caption(
        "On the dotted line a head is as sure as it should be. Above: how often its most probable bin is the true one; "
        "under the line it is too sure. Below: the error that there is, against the spread it expects; over the line "
        "it is too sure. Ten groups of equal size each."
    )
    tables, palette = evidence.tables, evidence.palette
    stages = max(info.num_stages for info in evidence.infos.values())
    stage = int(_one_of("Stage", [str(k) for k in range(1, stages + 1)], "stage")) if stages > 1 else 1
    bins, spreads = tables["bins"], tables["spreads"]
    lines = {name: line for name, line in evidence.lines.items() if evidence.infos[name].num_stages >= stage}

    figures = _kept(
        (evidence.key, "calibration", stage),
        lambda: {
            name: fitted(calibration_figure(bins, spreads, lines, stage, palette, (name,)), palette, 520)
            for name in COORDINATES
        },
    )

    def key(curve: go.Scatter, at: Sequence) -> str:
        return calibration_key(curve.meta["model"], curve.meta["coordinate"], curve.meta["by"], at[1])

    _draw_row(figures, "calibration", key)
    _offer(evidence, calibration_picks(tables, stage), "calibration", "point")
    _take_home(
        {f"Calibration of stage {stage}": lambda: calibration_figure(bins, spreads, lines, stage, palette)},
        {"Calibration": tables["calibration"]},
    )


@st.fragment
def _show_precision(evidence: Evidence) -> None:
    st.subheader("AP by IoU", anchor=False)
    st.caption(
        f"How AP falls as boxes must fit better; thin: had every box near an object been right. Bands hold 95% of "
        f"{SAMPLES} data sets drawn anew from the photos."
    )
    rows = sum(len(errors_load.rows_of(path, name)) for path, name in evidence.models)
    if rows > MANY_ROWS and not st.toggle(f"Work it out for {rows:,} detections, which takes minutes", key="ap"):
        return
    try:
        tables = errors_load.precision_tables(evidence.models, SAMPLES)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    table, lines, palette = tables["ap_by_iou"], evidence.lines, evidence.palette
    titles: dict[str, Literal["ap", "difference"]] = {"AP": "ap"}
    if len(lines) > 1 and table.difference.notna().any():
        titles[f"Difference from {next(iter(lines))}"] = "difference"
    figures = _kept(
        (evidence.key, "ap"),
        lambda: {
            title: fitted(ap_figure(table, lines, palette, [part]), palette, 380) for title, part in titles.items()
        },
    )
    _draw_row(figures, "ap", lambda curve, at: precision_key(curve.meta["model"], at[-1]))
    _offer(evidence, precision_picks(table), "ap", "point")
    _take_home(
        {"AP by IoU": lambda: ap_figure(table, lines, palette)},
        {"AP by IoU": table, "AP summary": tables["ap_summary"]},
    )


# What the sections are made of


def _one_of(label: str, options: list[str], key: str) -> str:
    return st.segmented_control(label, options, default=options[0], required=True, key=key, bind="query-params")


@st.cache_resource(max_entries=48, show_spinner="Drawing…")
def _kept(key: tuple, _draw: Callable[[], Figures]) -> Figures:
    """Figures of one panel each, made once for each key: building twenty takes longer than a click may."""
    figures = _draw()
    for figure in figures.values():
        # The page has one key to all lines.
        figure.update_layout(showlegend=False, margin_b=48)
    return figures


def _draw_row(figures: Figures, name: str, key_of: Callable[[go.Scatter | go.Bar, Sequence], str]) -> None:
    """Figures side by side, below one another on a narrow screen; a click on a bar or point picks it.

    Args:
        figures: the section's, by coordinate or title.
        name: the section's.
        key_of: a trace and what its customdata and x say of a point, to the key of a pick.
    """
    for (title, figure), column in zip(figures.items(), st.columns(len(figures)), strict=True):
        column.markdown(f"**{plain(COORDINATE_TITLES.get(title, title))}**")
        chart = f"{name}-{title}"
        # A box of its height keeps the place open while Streamlit builds a chart anew.
        column.container(height=figure.layout.height, border=False).plotly_chart(
            figure,
            theme=None,
            key=chart,
            config=BARE,
            alt=f"{title}: {name}",
            selection_mode="points",
            on_select=lambda chart=chart, figure=figure: _take_pick(chart, figure, key_of, name),
        )


def _take_pick(
    chart: str, figure: go.Figure, key_of: Callable[[go.Scatter | go.Bar, Sequence], str], name: str
) -> None:
    points = st.session_state[chart].selection.points
    if points:
        trace, at = figure.data[points[0]["curve_number"]], points[0]["point_index"]
        if trace.customdata is not None:
            st.session_state[_pick_key(name)] = key_of(trace, [*trace.customdata[at], trace.x[at]])


def _pick_key(name: str) -> str:
    return f"pick-{name}"


def _offer(evidence: Evidence, picks: Picks, name: str, what: str) -> None:
    """The list that a keyboard can choose from, and the ways to the objects of what is chosen."""
    state, key = st.session_state, _pick_key(name)
    if state.get(key) not in picks:
        state[key] = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            f"Chosen {what}",
            list(picks),
            format_func=lambda pick: picks[pick].label,
            index=None,
            key=key,
            placeholder=f"click a {what} above, or choose one here",
            width=420,
        )
        if chosen is None:
            return
        pick = picks[chosen]
        names = [name for _, name in evidence.models]
        for model in [pick.model] if pick.model else names if pick.column else names[-1:]:
            _offer_objects(evidence, picks, chosen, model, name)


def _offer_objects(evidence: Evidence, picks: Picks, chosen: str, model: str, name: str) -> None:
    pick, choice = picks[chosen], evidence.choice
    against = next((other for _, other in evidence.models if other != model), None)
    sides: dict[Side, int] = {"head": choice.names.index(model)}
    if against is not None:
        sides["against"] = choice.names.index(against)
    try:
        objects = explore_load.load_pair(choice, sides).objects
    except UserError:
        # The two are of other photos: the head alone, then.
        against, objects = None, explore_load.load_pair(choice, {"head": sides["head"]}).objects
    measure = None
    if pick.column is not None:
        values = explore_load.load_measure(choice.paths[sides["head"]], pick.column)
        measure = measured(objects, values, pick.column)
    count = int(keep(objects, pick.filters, measure).sum())
    of = f" of {model}" if pick.column and not pick.model else ""
    words = f"Show {'this object' if count == 1 else f'these {count:,} objects'}{plain(of)} in Explore"
    if st.button(words, key=f"show-{name}-{model}", icon=":material/photo_library:", disabled=not count):
        open_explore({**choice.link, **pick.link(evidence.infos[model], model, against)})


def _take_home(figures: Mapping[str, Callable[[], go.Figure]], tables: Mapping[str, object]) -> None:
    with st.container(horizontal=True):
        export_figures(figures, f"figures-{next(iter(figures))}")
        for name, table in tables.items():
            export_table(table, name)


main()
