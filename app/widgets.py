"""What several pages draw or ask in one way: a choice of one, and the theme's palette."""

import streamlit as st

from obcn.figures.palette import DARK, LIGHT, Palette


def one_of(label: str, options: list[str], key: str) -> str:
    """Draw a choice of one of these that stands in the address, and return what is chosen; at first the first."""
    chosen = st.segmented_control(label, options, default=options[0], required=True, key=key, bind="query-params")
    # A link may give the name and nothing behind it.
    return chosen or options[0]


def theme_palette() -> Palette:
    """The palette of the theme that the visitor sees."""
    return DARK if st.context.theme.type == "dark" else LIGHT
