"""Explore: every object of a data set, and where one head beats another on it."""

import numpy as np
import streamlit as st

from app import detectors
from app.components.photo_grid import photo_grid
from app.explore import load
from app.explore.controls import OTHER_KEYS, choose_filters, choose_heads
from app.explore.mistakes import show_mistakes
from app.explore.offer_runs import offer_runs
from app.explore.paging import choose_page
from app.explore.table import MEANS, SORTS, Collection, Filters, Side, keep, measured, order_of, per_photo, sorts_for
from app.explore.tiles import Source, object_tiles, parameters_of, photo_tiles
from app.exports import export_table
from app.markup import line_key, plain
from app.records.choice import EXPLORE_KEYS, MAKE_RECORDS, Choice, choose_records, say_what_ships
from app.sources import photo_folder
from app.widgets import one_of, theme_palette
from obcn.errors import UserError
from obcn.figures.lines import model_lines, with_models
from obcn.figures.palette import Line, Palette

OBJECTS, PHOTOS, MISTAKES = "objects", "photos", "mistakes"
CROPPED, WHOLE = "around the object", "whole photo"
SAYS = {
    OBJECTS: "Numbers are IoU with the true box; under 0.5 is a miss, and the nearest box of the class is shown.",
    PHOTOS: "Found: true objects matched at IoU 0.5. False: boxes that match none and score 0.5 or more. "
    "At the right: how far the mean IoUs differ.",
}


def main() -> None:
    """Draw the page."""
    st.header("Explore", anchor=False)
    st.markdown(
        "Every true object of a data set, with the boxes that one or two heads gave it, and every mistake by its kind. "
        "See **where one head wins** and where it loses, and **click a picture** to open it in Compare."
    )
    st.html('<p class="obcn-narrow">Records, photos and filters: » at the top.</p>')
    palette = theme_palette()
    try:
        choice = choose_records(EXPLORE_KEYS, OTHER_KEYS)
        _open_if_asked()
        say_what_ships(choice)
        if choice.paths:
            _show_records(choice, palette)
        elif choice.data:
            _show_data(choice, palette)
        else:
            st.info(
                "**There is nothing to explore yet.** Make record files of your data set:", icon=":material/search:"
            )
            st.code(MAKE_RECORDS, language=None)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _show_records(choice: Choice, palette: Palette) -> None:
    """One head's objects, or two heads'."""
    sides = choose_heads(choice)
    collection = load.load_pair(choice, sides)
    _tell_what_is_left_out(choice, sides, collection)
    head = sides["head"]
    filters, column = choose_filters(collection, choice.infos[head])
    measure = None
    if column is not None:
        values = load.load_measure(choice.paths[head], column)
        measure = measured(collection.objects, values, column)
    kept = keep(collection.objects, filters, measure)
    _show(choice, collection, kept, filters, sides, palette)


def _show_data(choice: Choice, palette: Palette) -> None:
    """A data set's objects, without any head."""
    collection = load.load_data(choice.data, choice.photos)
    offer_runs(choice.data, choice.photos)
    filters, _ = choose_filters(collection, None)
    _show(choice, collection, keep(collection.objects, filters), filters, {}, palette)


def _show(
    choice: Choice,
    collection: Collection,
    kept: np.ndarray,
    filters: Filters,
    sides: dict[Side, int],
    palette: Palette,
) -> None:
    """The bar above the tiles, and one page of them."""
    names = {side: choice.names[number] for side, number in sides.items()}
    lines = _lines(choice, sides, palette)
    source = _source(choice, sides)
    st.html(line_key(with_models(palette, lines), list(lines)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = one_of("Show", [OBJECTS, PHOTOS, MISTAKES] if sides else [OBJECTS, PHOTOS], "show")
        if show != MISTAKES:
            sort = st.selectbox("Order", sorts_for(collection.objects), key="sort", bind="query-params", width=220)
        whole = show != PHOTOS and one_of("Picture", [CROPPED, WHOLE], "picture") == WHOLE
    if show == MISTAKES:
        show_mistakes(choice.paths[sides["head"]], names["head"], filters, source, whole, lines, palette, _open_tile)
        return
    if show == OBJECTS:
        table, order = collection.objects, collection.order(sort)
        order = order[kept[order]]
    else:
        # Of a million objects every mean takes its time: here the two that are shown and sorted by.
        table = per_photo(collection, kept, [name for name in MEANS if name in ("gain", SORTS[sort][0])])
        order = order_of(table, sort)
        # A photo without an object has nothing that could fall out, until something is asked of objects.
        order = order[(table["count"].to_numpy()[order] > 0) | (not filters.narrow)]
    if not len(order):
        none = f"None of the {len(table):,} {show} passes the filters. Widen them in the side panel."
        st.info(none if len(table) else f"There are no {show} here.", icon=":material/search_off:")
        return
    rows = table.iloc[
        order[
            choose_page(
                len(order), len(table), show, (filters, sort, tuple(choice.names), tuple(sides.items()), choice.data)
            )
        ]
    ]
    with st.spinner(f"Reading {len(rows)} pictures…"):
        if show == OBJECTS:
            tiles = object_tiles(rows, names, source, whole)
        else:
            alarms = {side: load.load_alarms(choice.paths[number]) for side, number in sides.items()}
            tiles = photo_tiles(rows, collection, alarms, names, source)
    if sides:
        st.caption(SAYS[show])
    photo_grid(tiles, lines, palette, "grid", _open_tile)
    # A million rows take a second to gather: only when they are asked for.
    export_table(lambda: (table if show == OBJECTS else per_photo(collection, kept)).iloc[order], f"explore {show}")


def _lines(choice: Choice, sides: dict[Side, int], palette: Palette) -> dict[str, Line]:
    """A line for each side, its model's, and the truth's."""
    of_model = model_lines(choice.names, palette)
    of_side: dict[str, Line] = {side: of_model[choice.names[number]] for side, number in sides.items()}
    return {**of_side, "truth": palette.lines["truth"]}


def _source(choice: Choice, sides: dict[Side, int]) -> Source:
    try:
        folder = photo_folder(choice.data, choice.photos)
    except UserError as error:
        st.warning(
            f"There are no pictures: {plain(str(error))}. Name their folder in the side panel.",
            icon=":material/hide_image:",
        )
        return Source(None, {})
    # Without a data set, links carry the record file: it knows the true boxes too.
    link = {"data": choice.data or str(choice.paths[0]), "photos": choice.photos}
    chosen = {choice.names[number]: choice.infos[number] for number in sides.values()}
    models = {name: detectors.model_of_card(info.card, info.checkpoint_name) for name, info in chosen.items()}
    absent = [name for name, model in models.items() if model is None]
    if absent:
        st.caption(f"Compare opens without {plain(' and '.join(absent))}: add the checkpoint on the Models page first.")
    # Two files may be of one model that decoded in two ways.
    known = list(dict.fromkeys(model for model in models.values() if model is not None))
    return Source(folder, link | {"models": known} if known else link)


def _tell_what_is_left_out(choice: Choice, sides: dict[Side, int], collection: Collection) -> None:
    if "against" not in sides:
        return
    total = len(load.load_head(choice, sides["head"]))
    left = total - len(collection.objects)
    if left:
        st.warning(
            f"{left:,} of the {total:,} objects of {plain(choice.names[sides['head']])} are not in the record file of "
            f"{plain(choice.names[sides['against']])}, and are left out.",
            icon=":material/warning:",
        )


def _open_tile() -> None:
    # A callback cannot switch pages; the run after it does.
    st.session_state["tile-opened"] = st.session_state["grid"].opened


def _open_if_asked() -> None:
    # The tile's link, not its number: a click can arrive from a page drawn before the filters changed.
    parameters = parameters_of(str(st.session_state.pop("tile-opened", "")))
    if parameters:
        # The link says it all: no threshold of an earlier look stays.
        st.session_state.pop("score", None)
        st.switch_page("compare/compare.py", query_params=parameters)


main()
