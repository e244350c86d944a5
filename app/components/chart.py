"""A plotly figure on the page that does not make the page jump."""

from collections.abc import Callable
from functools import partial

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_BARE = {"displayModeBar": False}


def chart(
    figure: go.Figure, key: str, where: DeltaGenerator | None = None, alt: str = "", on_pick: Callable | None = None
) -> None:
    """Draw a figure.

    Args:
        figure: of a fixed height.
        key: the widget's, unique on the page.
        where: column to draw in; by default the page.
        alt: what screen readers are told; the key by default.
        on_pick: called after a click on a point or bar, with ``st.session_state[key].selection`` set.
    """
    # Streamlit builds a chart anew whenever its figure changes; a box of its height keeps the place open meanwhile.
    place = (where or st.container()).container(height=figure.layout.height, border=False)
    draw = partial(place.plotly_chart, figure, theme=None, key=key, config=_BARE, alt=alt or key)
    if on_pick is None:
        draw()
    else:
        draw(selection_mode="points", on_select=on_pick)
