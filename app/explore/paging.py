"""Which page of many tiles is shown."""

from math import ceil

import streamlit as st

PER_PAGE = 24


def choose_page(count: int, total: int, what: str, view: tuple) -> slice:
    """Draw the choice of a page, and return which of the tiles it shows.

    The first page is shown of every view that is new, and where the chosen one no longer exists.

    Args:
        count: tiles that pass the filters.
        total: tiles without any filter.
        what: to call them.
        view: what tells this view from others.
    """
    state, pages = st.session_state, ceil(count / PER_PAGE)
    if state.get("paged", (what, view)) != (what, view) or state.get("page", 1) > pages:
        state["page"] = 1
    state["paged"] = what, view
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{count:,}** of {total:,} {what}")
        page = st.pagination(pages, key="page", bind="query-params")
    return slice((page - 1) * PER_PAGE, page * PER_PAGE)
