"""The photo once per model, with boxes that can be clicked, tabbed to and hovered in step, and zoomed together.

Why not a plotly figure with selection events: plotly selects points, not boxes, so a click inside a large box would
miss it, nothing would be reachable by keyboard, and the photos could not light up together. Streamlit's
components v2 put plain HTML into the page itself: no iframe, no build step, and the theme's own CSS variables.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from app.components import in_order, read_files
from app.photos import Photo
from obcn.figures.crops import photo_uri
from obcn.figures.lines import CHOSEN, line_data
from obcn.figures.palette import Palette

_LONG_SIDE = 1280

_component = st.components.v2.component(
    "obcn_photo_pair",
    html='<div class="pair" tabindex="-1"></div>',
    css=read_files("marks.css", "photo_pair.css"),
    js=read_files("in_order.js", "marks.js", "photo_zoom.js", "photo_pair.js"),
)


@dataclass(frozen=True)
class ClickableBox:
    """One object's box in one panel.

    Attributes:
        object: the object's index, the same in every panel.
        place: what a click calls the object, whatever has another index by the time that it arrives.
        label: class name and score.
        box: (x1, y1, x2, y2) in pixels of the photo.
    """

    object: int
    place: str
    label: str
    box: list[float]


@dataclass(frozen=True)
class Outline:
    """A box that is only looked at; ``line`` is the name of its line in the palette."""

    line: str
    label: str
    box: list[float]


@dataclass(frozen=True)
class PhotoPanel:
    """One model's side.

    Attributes:
        model: its name; unique.
        line: name of its boxes' line in the palette.
        subtitle: how it decodes.
        status: a line at the right of the title, such as the number of objects.
        boxes: to choose from.
        outlines: to look at.
        busy: words to show while there are no boxes yet, or an empty string.
    """

    model: str
    line: str
    subtitle: str
    status: str
    boxes: Sequence[ClickableBox] = ()
    outlines: Sequence[Outline] = ()
    busy: str = ""


def photo_pair(
    photo: Photo,
    panels: Sequence[PhotoPanel],
    chosen: int | None,
    palette: Palette,
    key: str,
    on_choose: Callable[[], None],
) -> None:
    """Draw the photo once per panel; a click on a box calls ``on_choose``, ``st.session_state[key].chosen`` its place.

    Args:
        photo: which to show.
        panels: left to right, in rows as even as can be; below one another on a narrow screen.
        chosen: the object that stands out.
        palette: the theme's, with a line for each model.
        key: the widget's.
        on_choose: without arguments.
    """
    data = {
        "photo": _data_uri(photo),
        "width": photo.image.width,
        "height": photo.image.height,
        "chosen": chosen,
        "chosen_colour": CHOSEN,
        "halo": palette.halo,
        "lines": {name: line_data(line) for name, line in palette.lines.items()},
        "panels": [asdict(panel) for panel in panels],
    }
    _component(key=key, data=in_order(key, data), on_chosen_change=on_choose)


# By digest, so that what is kept are words and not photos.
@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs={Photo: lambda photo: photo.digest})
def _data_uri(photo: Photo) -> str:
    return photo_uri(photo.image, (0, 0, *photo.image.size), _LONG_SIDE)
