"""One line per model, the same on photos, in figures, in tables and in what is taken home."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

from obcn.figures.palette import Dash, Line, Palette

# What a figure calls its own lines: no model goes by one of these names.
RESERVED = ("truth", "candidate", "expectation", "argmax", "stage")

# The chosen object's colour, in every theme and on any photo; Okabe and Ito's yellow, which no line has.
CHOSEN = "#F0E442"

# Lines of the models after the shipped pair, light and dark enough for either theme.
_MORE = (
    Line("#E69F00", "dashdot", 2.25, "cross", ""),
    Line("#8A7A1F", "longdash", 2.25, "x", ""),
    Line("#8C6BD1", "longdashdot", 2.25, "pentagon", ""),
    Line("#A0643C", "dot", 3.5, "hexagon", ""),
)
MOST_MODELS = 2 + len(_MORE)


# Strokes and gaps of each dash in line widths, as plotly draws them, for what plotly does not draw.
_STROKES: dict[Dash, tuple[float, ...]] = {
    "solid": (),
    "dash": (3, 2),
    "dot": (1, 1.2),
    "dashdot": (4, 1.6, 1, 1.6),
    "longdash": (7, 2.5),
    "longdashdot": (7, 1.8, 1, 1.8),
}


def strokes(line: Line) -> list[float]:
    """Lengths of a line's strokes and gaps in screen pixels; none where it is solid."""
    return [round(length * line.width, 1) for length in _STROKES[line.dash]]


def line_data(line: Line) -> dict:
    """A line as our own widgets are told of it."""
    return {"label": line.label, "colour": line.colour, "width": line.width, "strokes": strokes(line)}


def model_lines(names: Sequence[str], palette: Palette) -> dict[str, Line]:
    """The line of each model, in the order of ``names``; the first :data:`MOST_MODELS` are told apart.

    ``regression`` and ``obcn`` have the lines that they have in print. Any other has one that follows from its name, so
    that it is the same on every page and beside any others, unless another of these names has taken that line.

    Args:
        names: of the models that are drawn together.
        palette: the theme's.
    """
    printed = {"regression": palette.lines["regression"], "obcn": palette.lines["expectation"]}
    lines: dict[str, Line] = {}
    for name in names:
        line = printed.get(name.removeprefix("compact_"))
        if line is not None and line not in lines.values():
            lines[name] = line
    spare = [*_MORE, *(line for line in printed.values() if line not in lines.values())]
    free = list(spare)
    for name in sorted(set(names) - lines.keys()):
        by_name = _MORE[zlib.crc32(name.encode()) % len(_MORE)]
        lines[name] = by_name if by_name in free else (free or spare)[0]
        free = [line for line in free if line != lines[name]]
    return {name: replace(lines[name], label=name) for name in names}


def lines_in_order(names: Sequence[str], palette: Palette) -> dict[str, Line]:
    """The line of each curve that is no model, by its place; the first :data:`MOST_MODELS` are told apart."""
    known = [palette.lines["regression"], palette.lines["expectation"], *_MORE]
    return {name: replace(line, label=name) for name, line in zip(names, cycle(known), strict=False)}


def with_models(palette: Palette, lines: dict[str, Line]) -> Palette:
    """The palette with every model's line beside the roles'."""
    return replace(palette, lines={**palette.lines, **lines})


def with_head(palette: Palette, model: str) -> Palette:
    """A palette with models as the figures of one model's belief want it: its expectation is drawn as the model is, its
    argmax thin, whichever of the two its box comes from."""
    lines = {"expectation": palette.lines[model], "argmax": palette.lines["argmax"]}
    named = {rule: replace(line, label=f"{model}, {rule}") for rule, line in lines.items()}
    return replace(palette, lines={**palette.lines, **named})
