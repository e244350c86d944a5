"""Figures of the Errors page that can be clicked, and the way from a bar or point to the objects behind it."""

from collections.abc import Callable, Sequence
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from app.components.chart import chart
from app.errors.evidence import Evidence
from app.errors.picks import Pick, Picks
from app.explore import load
from app.explore.controls import open_explore
from app.explore.table import Side, keep, measured, measures_of
from app.markup import plain
from obcn.errors import UserError
from obcn.figures.box_errors import COORDINATE_TITLES

Figures = dict[str, go.Figure]
KeyOf = Callable[[go.Scatter | go.Bar, Sequence], str]


@st.cache_resource(max_entries=48, show_spinner="Drawing…")
def kept_figures(key: tuple, _draw: Callable[[], Figures]) -> Figures:
    """Figures of one panel each, made once for each key: building twenty takes longer than a click may."""
    figures = _draw()
    for figure in figures.values():
        # The page has one key to all lines.
        figure.update_layout(showlegend=False, margin_b=48)
    return figures


def draw_row(figures: Figures, name: str, key_of: KeyOf) -> None:
    """Figures side by side, below one another on a narrow screen; a click on a bar or point picks it.

    Args:
        figures: the section's, by coordinate or title.
        name: the section's.
        key_of: a trace and what its customdata and x say of a point, to the key of a pick.
    """
    for (title, figure), column in zip(figures.items(), st.columns(len(figures)), strict=True):
        column.markdown(f"**{plain(COORDINATE_TITLES.get(title, title))}**")
        key = f"{name}-{title}"
        chart(figure, key, column, f"{title}: {name}", partial(_take_pick, key, figure, key_of, name))


def _take_pick(key: str, figure: go.Figure, key_of: KeyOf, name: str) -> None:
    points = st.session_state[key].selection.points
    if points:
        trace, at = figure.data[points[0]["curve_number"]], points[0]["point_index"]
        if trace.customdata is not None:
            st.session_state[_pick_key(name)] = key_of(trace, [*trace.customdata[at], trace.x[at]])


def _pick_key(name: str) -> str:
    return f"pick-{name}"


def offer_objects(evidence: Evidence, picks: Picks, name: str, what: str) -> None:
    """Draw the list that a keyboard can choose from, and buttons that lead to the objects of what is chosen.

    Args:
        evidence: what the figures are of.
        picks: what there is to choose.
        name: the section's.
        what: to call it: a bar, a point.
    """
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
        if pick.column:
            # A head that predicts the sides has no errors of x, y, w and h in its own numbers.
            names = [name for name in names if pick.column in measures_of(evidence.infos[name]).values()]
        for model in [pick.model] if pick.model else names if pick.column else names[-1:]:
            _offer_of(evidence, pick, model, name)


def _offer_of(evidence: Evidence, pick: Pick, model: str, name: str) -> None:
    """The button to one model's objects."""
    choice = evidence.choice
    against = next((other for _, other in evidence.models if other != model), None)
    sides: dict[Side, int] = {"head": choice.names.index(model)}
    if against is not None:
        sides["against"] = choice.names.index(against)
    try:
        objects = load.load_pair(choice, sides).objects
    except UserError:
        # The two are of other photos: the head alone, then.
        against, objects = None, load.load_pair(choice, {"head": sides["head"]}).objects
    measure = None
    if pick.column is not None:
        values = load.load_measure(choice.paths[sides["head"]], pick.column)
        measure = measured(objects, values, pick.column)
    count = int(keep(objects, pick.filters, measure).sum())
    of = f" of {model}" if pick.column and not pick.model else ""
    words = f"Show {'this object' if count == 1 else f'these {count:,} objects'}{plain(of)} in Explore"
    if st.button(words, key=f"show-{name}-{model}", icon=":material/photo_library:", disabled=not count):
        open_explore({**choice.link, **pick.link(evidence.infos[model], model, against)})
