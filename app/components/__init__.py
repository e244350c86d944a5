"""The page's own widgets: what Streamlit has no element for."""

import time
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent


def read_files(*names: str) -> str:
    """Files of this folder in a row: a component has one script and one style sheet, whatever they are made of."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def in_order(key: str, data: dict) -> dict:
    """Data with a ``turn`` that grows whenever they change, by which ``in_order.js`` leaves out what comes late.

    A turn is a time in milliseconds, not a count: a browser outlives its session when the server starts anew. It stays
    while the data stay, so that Streamlit need not send them again, and grows within a session even where the clock is
    set back.

    Args:
        key: the widget's.
        data: what its script is to draw.
    """
    before = st.session_state.get(f"{key} drawn")
    if before is None or before["data"] != data:
        now = time.time_ns() // 1_000_000
        turn = now if before is None else max(now, before["turn"] + 1)
        before = st.session_state[f"{key} drawn"] = {"data": data, "turn": turn}
    return {**data, "turn": before["turn"]}
