"""Figures get their colours from Python, so the page must run again where a visitor changes the theme."""

import streamlit as st

from app.components import read_files

KEY = "obcn-theme"

_component = st.components.v2.component(
    "obcn_theme", html="<i></i>", css=read_files("theme.css"), js=read_files("theme.js")
)


def run_again_with_the_theme() -> None:
    """Have the page run again when its colours change, by its menu or with the system's; Streamlit does not."""
    _component(key=KEY, on_changed_change=lambda: None)
