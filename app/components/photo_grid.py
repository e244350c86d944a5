"""Tiles of photos with boxes: each is a link that opens its photo in Compare, by click, keyboard or in a new tab.

Streamlit has no element for pictures that can be chosen; a column of buttons under images would take one round trip
and three elements per picture.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from app.components import in_order, read_files
from obcn.figures.lines import line_data
from obcn.figures.palette import Line, Palette

_component = st.components.v2.component(
    "obcn_photo_grid",
    html='<ul class="grid"></ul>',
    css=read_files("photo_grid.css"),
    js=read_files("in_order.js", "photo_grid.js"),
)


@dataclass(frozen=True)
class TileBox:
    """A box on a tile: the key of its line, words, and (x1, y1, x2, y2) in pixels of the photo."""

    line: str
    label: str
    box: tuple[float, ...]


@dataclass(frozen=True)
class Tile:
    """One object or photo.

    Attributes:
        title: what it is.
        detail: a second, quieter line.
        picture: URI of the part of the photo that is shown; empty if there is none.
        part: (x1, y1, x2, y2) of that part, in pixels of the photo.
        view: (x1, y1, x2, y2) that the tile shows, in pixels of the photo.
        note: words in the picture's place.
        boxes: drawn over it, the last on top.
        values: line key and value of each head.
        verdict: sign and words of the gain.
        mood: ``better``, ``worse`` or empty, for the verdict's mark.
        link: where it leads; empty if nowhere.
    """

    title: str
    detail: str
    picture: str
    part: tuple[float, ...]
    view: tuple[float, ...]
    note: str = ""
    boxes: Sequence[TileBox] = ()
    values: Sequence[tuple[str, str]] = ()
    verdict: str = ""
    mood: str = ""
    link: str = ""


def photo_grid(
    tiles: Sequence[Tile], lines: Mapping[str, Line], palette: Palette, key: str, on_open: Callable[[], None]
) -> None:
    """Draw the tiles; opening one calls ``on_open`` with ``st.session_state[key].opened`` set to its link.

    Args:
        tiles: in reading order.
        lines: by the keys that tiles use.
        palette: the theme's.
        key: the widget's.
        on_open: without arguments.
    """
    data = {
        "tiles": [asdict(tile) for tile in tiles],
        "lines": {name: line_data(line) for name, line in lines.items()},
        "halo": palette.halo,
    }
    _component(key=key, data=in_order(key, data), on_opened_change=on_open)
