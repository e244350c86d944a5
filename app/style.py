"""One designed palette: every figure draws the same role in the same colour and the same line style.

Colours are Okabe and Ito's, told apart by people with any colour vision; line styles say the same a second time,
so that nothing depends on colour alone.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["expectation", "argmax", "regression", "truth", "candidate", "stage"]
Dash = Literal["solid", "dash", "dot", "dashdot"]

FONT = "Source Sans, Source Sans Pro, system-ui, sans-serif"


@dataclass(frozen=True)
class Line:
    """How one role is drawn: CSS colour, dash pattern, width in screen pixels, plotly marker, and its name."""

    colour: str
    dash: Dash
    width: float
    symbol: str
    label: str


@dataclass(frozen=True)
class Palette:
    """Colours of one theme (CSS) and the line of every role.

    Attributes:
        ink: text.
        muted: axis labels and notes.
        grid: axis and grid lines.
        bar: a bin of a histogram.
        peak: the most probable bin.
        halo: thin rim that keeps a line readable on any photo.
        lines: by role.
    """

    ink: str
    muted: str
    grid: str
    bar: str
    peak: str
    halo: str
    lines: dict[Role, Line]


def _lines(expectation: str, candidate: str) -> dict[Role, Line]:
    return {
        "expectation": Line(expectation, "solid", 3, "circle", "OBCN, expectation"),
        "argmax": Line("#CC79A7", "solid", 1.5, "triangle-down", "OBCN, argmax"),
        "regression": Line("#D55E00", "dash", 2.25, "diamond", "regression"),
        "truth": Line("#009E73", "dot", 2.25, "star", "truth"),
        "candidate": Line(candidate, "solid", 1.5, "square", "candidate"),
        "stage": Line("#E69F00", "dashdot", 2, "cross", "after stage 1"),
    }


LIGHT = Palette(
    ink="#1D2229",
    muted="#5B636E",
    grid="#E3DFD7",
    bar="#A9C6DA",
    peak="#6FA3C7",
    halo="rgba(255,255,255,0.75)",
    lines=_lines(expectation="#0072B2", candidate="#6E757D"),
)
DARK = Palette(
    ink="#E6E8EB",
    muted="#A3ABB5",
    grid="#2E3640",
    bar="#34536B",
    peak="#4F83A8",
    halo="rgba(255,255,255,0.75)",
    lines=_lines(expectation="#56B4E9", candidate="#9AA1A9"),
)

# For the pieces of HTML in app/markup.py. Text and rims follow Streamlit's theme through currentColor, so that light
# and dark need no second set.
PAGE_CSS = """
<style>
.stMainBlockContainer { padding-top: 3rem; padding-bottom: 3rem; max-width: 90rem; }
@media (max-width: 40rem) { .stMainBlockContainer { padding-top: 4.5rem; } }
.obcn-narrow { margin: 0; font-size: 0.9rem; opacity: 0.8; }
@media (min-width: 40rem) { .stElementContainer:has(.obcn-narrow) { display: none; } }
.obcn-key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; font-size: 0.85rem; margin: 0 0 0.25rem; }
.obcn-key span { display: inline-flex; align-items: center; gap: 0.4rem; white-space: nowrap; }
.obcn-facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.5rem; }
@media (max-width: 64rem) { .obcn-facts { grid-template-columns: repeat(2, 1fr); } }
.obcn-facts > div { min-height: 4.9rem; box-sizing: border-box; padding: 0.35rem 0.7rem; border-radius: 0.5rem;
  border: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.obcn-facts p { margin: 0; font-size: 0.85rem; line-height: 1.35; }
.obcn-facts .values { display: flex; flex-wrap: wrap; gap: 0 0.7rem; line-height: 1.45;
  font-variant-numeric: tabular-nums; }
.obcn-facts .values b { font-size: 1.05rem; font-weight: 650; }
.obcn-facts small { font-size: 0.8rem; opacity: 0.8; }
.obcn-scroll { overflow-x: auto; }
.obcn-numbers { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.obcn-numbers th, .obcn-numbers td { padding: 0.4rem 0.7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.obcn-numbers th { font-weight: 600; }
.obcn-numbers th:first-child { text-align: left; }
.obcn-key i, .obcn-numbers i { display: inline-block; width: 1.9rem; height: 0; vertical-align: middle; }
.obcn-numbers i { margin-right: 0.6rem; }
.obcn-numbers thead th { font-weight: 400; opacity: 0.8; vertical-align: bottom; }
</style>
"""
