"""What the page's own widgets are sent, without a browser."""

import pytest
import streamlit as st

from app.components import in_order


@pytest.fixture(autouse=True)
def _session(monkeypatch) -> None:
    monkeypatch.setattr(st, "session_state", {})


def turns_of(monkeypatch, milliseconds: list[int], drawn: list[int]) -> list[int]:
    """The turns of drawings of one widget, by a clock that shows these times."""
    times = iter(milliseconds)
    monkeypatch.setattr("app.components.time.time_ns", lambda: next(times) * 1_000_000)
    return [in_order("pair", {"chosen": chosen})["turn"] for chosen in drawn]


def test_a_turn_lasts_as_long_as_what_is_drawn(monkeypatch) -> None:
    assert turns_of(monkeypatch, [5, 8], [1, 1, 2]) == [5, 5, 8]


def test_turns_grow_where_the_clock_stands_or_is_set_back(monkeypatch) -> None:
    """A browser would drop every drawing until the clock has caught up."""
    assert turns_of(monkeypatch, [6, 6, 5, 9], [1, 2, 3, 4]) == [6, 7, 8, 9]
