"""One designed palette: every figure draws the same role in the same colour and the same line style.

Colours are Okabe and Ito's, told apart by people with any colour vision; line styles say the same a second time,
so that nothing depends on colour alone.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["expectation", "argmax", "regression", "truth", "candidate", "stage"]
Dash = Literal["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]

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
        paper: what figures are drawn on.
        ink: text.
        muted: axis labels and notes.
        grid: axis and grid lines.
        bar: a bin of a histogram.
        peak: the most probable bin.
        halo: thin rim that keeps a line readable on any photo.
        lines: by role; whoever draws models adds theirs by name.
    """

    paper: str
    ink: str
    muted: str
    grid: str
    bar: str
    peak: str
    halo: str
    lines: dict[str, Line]


def _lines(expectation: str, candidate: str) -> dict[str, Line]:
    return {
        "expectation": Line(expectation, "solid", 3, "circle", "OBCN, expectation"),
        "argmax": Line("#CC79A7", "solid", 1.5, "triangle-down", "OBCN, argmax"),
        "regression": Line("#D55E00", "dash", 2.25, "diamond", "regression"),
        "truth": Line("#009E73", "dot", 2.25, "star", "truth"),
        "candidate": Line(candidate, "solid", 1.5, "square", "candidate"),
        "stage": Line("#E69F00", "dashdot", 2, "cross", "after stage 1"),
    }


LIGHT = Palette(
    paper="#FFFFFF",
    ink="#1D2229",
    muted="#5B636E",
    grid="#E3DFD7",
    bar="#A9C6DA",
    peak="#6FA3C7",
    halo="rgba(255,255,255,0.75)",
    lines=_lines(expectation="#0072B2", candidate="#6E757D"),
)
DARK = Palette(
    paper="#12161B",
    ink="#E6E8EB",
    muted="#A3ABB5",
    grid="#2E3640",
    bar="#34536B",
    peak="#4F83A8",
    halo="rgba(255,255,255,0.75)",
    lines=_lines(expectation="#56B4E9", candidate="#9AA1A9"),
)
