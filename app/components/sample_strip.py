"""Thumbnails of the sample photos to choose from; Streamlit has no element for a choice of pictures."""

import base64
import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import streamlit as st
from PIL import ImageOps

from obcn.data import read_photo

_HERE = Path(__file__).parent
_THUMBNAIL = (160, 120)

_component = st.components.v2.component(
    "obcn_sample_strip",
    html='<div class="strip" role="group" aria-label="Sample photos"></div>',
    css=(_HERE / "sample_strip.css").read_text(encoding="utf-8"),
    js=(_HERE / "sample_strip.js").read_text(encoding="utf-8"),
)


def sample_strip(samples: Sequence[Path], chosen: str | None, key: str, on_pick: Callable[[], None]) -> None:
    """Draw thumbnails; a click calls ``on_pick`` with ``st.session_state[key].picked`` set to the photo's stem.

    Args:
        samples: photo files.
        chosen: stem of the one in use.
        key: the widget's.
        on_pick: without arguments.
    """
    photos = [{"name": path.stem, "thumbnail": _thumbnail(path)} for path in samples]
    _component(key=key, data={"photos": photos, "chosen": chosen}, on_picked_change=on_pick)


@lru_cache(maxsize=64)
def _thumbnail(path: Path) -> str:
    buffer = io.BytesIO()
    ImageOps.fit(read_photo(path), _THUMBNAIL).save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
