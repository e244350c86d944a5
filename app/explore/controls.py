"""Explore's own controls: two heads, filters and order. Each value stands in the link, under its control's key."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import streamlit as st

from app.explore.table import Collection, Filters, Side, measures_of
from app.records.choice import EXPLORE_KEYS, Choice
from obcn.records.files import RecordInfo
from obcn.tables.matched import SIZES

NOTHING = "nothing, look at it alone"
ANY = "none"
PAGE_OF_EXPLORE = "explore/explore.py"

# The sliders' ends let everything pass, whatever lies beyond.
GAINS, SCORES, ENTROPIES = (-1.0, 1.0), (0.0, 1.0), (0.0, 4.0)

# Keys of the controls, which are the names in the address too; the filters with the values that let all pass.
FILTERS: dict[str, object] = {
    "classes": [],
    "sizes": [],
    "gain": GAINS,
    "scores": SCORES,
    "entropy": ENTROPIES,
    "measure": ANY,
    "above": None,
    "below": None,
}
OTHER_KEYS = ("head", "against", *FILTERS, "show", "sort", "picture", "page", "kinds")


def open_explore(parameters: Mapping[str, str | Sequence[str]]) -> NoReturn:
    """Go to Explore as a link with these parameters shows it, whatever was set there before."""
    for key in (*EXPLORE_KEYS.values(), *OTHER_KEYS):
        st.session_state.pop(key, None)
    st.switch_page(PAGE_OF_EXPLORE, query_params=parameters)


def choose_heads(choice: Choice) -> dict[Side, int]:
    """Which head to look at, and against which, as numbers of record files; bins against regression at first."""
    names = list(choice.names)
    bins = [number for number, info in enumerate(choice.infos) if info.num_stages]
    one, other = st.columns(2)
    with one:
        head = st.selectbox(
            "Head",
            names,
            index=bins[0] if bins else len(names) - 1,
            key="head",
            bind="query-params",
            help="The head that is judged: its IoU, score and entropy are what filters and orders look at.",
        )
    sides: dict[Side, int] = {"head": names.index(head)}
    others = [name for name in names if name != head]
    if not others:
        # A control of its own: what it says must not stay chosen once there is another file.
        other.selectbox("against", [NOTHING], key="against-none", disabled=True)
        return sides
    plain = [name for name in others if not choice.infos[names.index(name)].num_stages]
    with other:
        against = st.selectbox(
            "against",
            [*others, NOTHING],
            index=others.index(plain[0]) if plain else 0,
            key="against",
            bind="query-params",
            help="The head that its IoU is compared with, on the same true objects.",
        )
    return sides if against == NOTHING else sides | {"against": names.index(against)}


def choose_filters(collection: Collection, info: RecordInfo | None) -> tuple[Filters, str | None]:
    """Draw the filters in the side panel.

    Args:
        collection: what there is to filter.
        info: of the head that is looked at; None for a data set alone.

    Returns:
        The filters, and the column that ``measure`` is about.
    """
    objects = collection.objects
    with st.sidebar:
        st.subheader("Filters", anchor=False)
        classes = st.multiselect(
            "Class", sorted(objects.category.cat.categories), key="classes", bind="query-params", placeholder="all"
        )
        sizes = st.pills("Size (COCO)", SIZES, selection_mode="multi", key="sizes", bind="query-params")
        gain = score = entropy = limits = column = None
        if "gain" in objects:
            gain = _range("IoU gained against the other", GAINS, "gain", "Below 0: the other head fits better.")
        if info is not None:
            score = _range("Score", SCORES, "scores", "0 where the head found nothing.")
            if info.num_stages:
                entropy = _range(
                    "Entropy of stage 1, nats",
                    ENTROPIES,
                    "entropy",
                    "How unsure the head is: 0 is one certain bin. Mean over x, y, w and h; 4 means 4 and more.",
                )
            column, limits = _choose_measure(info)
        filters = Filters(tuple(classes), tuple(sizes), gain, score, entropy, limits)
        st.button("Clear the filters", icon=":material/filter_alt_off:", on_click=_clear, disabled=not filters.narrow)
    return filters, column


def _choose_measure(info: RecordInfo) -> tuple[str | None, tuple[float | None, float | None] | None]:
    """One more filter, by any figure that the record file has of a detection."""
    measures = measures_of(info)
    with st.expander("By another measure", expanded=st.session_state.get("measure") not in (None, ANY)):
        chosen = st.selectbox(
            "Measure",
            [ANY, *measures],
            key="measure",
            bind="query-params",
            help="Objects without it, such as errors of those that nothing matched, are left out.",
        )
        low, high = st.columns(2)
        off = chosen == ANY
        above, below = (
            column.number_input(label, value=None, format="%.6g", key=key, bind="query-params", disabled=off)
            for column, label, key in ((low, "from", "above"), (high, "to, below", "below"))
        )
    return (None, None) if off else (measures[chosen], (above, below))


def _range(label: str, ends: tuple[float, float], key: str, words: str) -> tuple[float, float] | None:
    """A slider with two handles; None where it stands at both ends, and unbounded at either."""
    low, high = st.slider(label, *ends, ends, 0.05, key=key, bind="query-params", help=words)
    if (low, high) == ends:
        return None
    return -float("inf") if low == ends[0] else low, float("inf") if high == ends[1] else high


def _clear() -> None:
    for key, value in FILTERS.items():
        if key in st.session_state:
            st.session_state[key] = value
