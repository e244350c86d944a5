"""Thumbnails of photos to choose from; Streamlit has no element for a choice of pictures."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st
from PIL import ImageOps
from PIL.Image import Image

from app.components import in_order, read_files

_THUMBNAIL = (160, 120)

_component = st.components.v2.component(
    "obcn_sample_strip",
    html='<div class="strip" role="group"></div>',
    css=read_files("sample_strip.css"),
    js=read_files("in_order.js", "sample_strip.js"),
)


@dataclass(frozen=True)
class StripPhoto:
    """One thumbnail: what the photo is chosen by, the words below it, and what reads it when it is first drawn."""

    name: str
    label: str
    read: Callable[[], Image]


def sample_strip(
    photos: Sequence[StripPhoto],
    chosen: str | None,
    label: str,
    key: str,
    on_pick: Callable[[], None],
    row: bool = False,
) -> None:
    """Draw thumbnails; a click calls ``on_pick`` with ``st.session_state[key].picked`` set to the photo's name.

    Args:
        photos: to choose from.
        chosen: name of the one in use.
        label: what they are, for screen readers.
        key: the widget's.
        on_pick: without arguments.
        row: all in one row, which scrolls; else three in a row.
    """
    drawn = [{"name": photo.name, "label": photo.label, "thumbnail": _thumbnail(photo)} for photo in photos]
    data = {"photos": drawn, "chosen": chosen, "label": label, "row": row}
    _component(key=key, data=in_order(key, data), on_picked_change=on_pick)


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs={StripPhoto: lambda photo: photo.name})
def _thumbnail(photo: StripPhoto) -> str:
    buffer = io.BytesIO()
    ImageOps.fit(photo.read(), _THUMBNAIL).save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
