"""What the address bar says of the photo and the object, so that a link or a reload brings the same view back.

Widgets carry their own values there (``bind="query-params"``); a photo and an object are chosen by clicks on pictures.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import streamlit as st

from app.photos import Photo, read_sample, read_upload
from app.sources import photo_from_source
from obcn.errors import UserError

# What a newcomer sees before touching anything.
FIRST_SAMPLE = "dog"

_UPLOAD = "upload:"
_PHOTO = ("photo", "data", "photos", "image")
_MEMORY = "compare-view"


@dataclass(frozen=True)
class Opened:
    """What the address led to.

    Attributes:
        photo: to look at; None where there is not even a sample.
        sample: its name, if it is a sample.
        notice: words for the visitor where the address leads nowhere and a sample stands in; else empty.
    """

    photo: Photo | None
    sample: str | None = None
    notice: str = ""


def open_photo(samples: Mapping[str, Path]) -> Opened:
    """The photo that the address names.

    ``photo`` is a sample's name, or ``upload:`` and what :meth:`_Uploads.keep` gave; ``data``, ``photos`` and
    ``image`` name a photo of a data set. With neither, the photo of this visitor's last look at the page, or the
    first sample.

    Args:
        samples: sample photos by name.

    Raises:
        UserError: a sample cannot be read.
    """
    address = st.query_params
    if not any(address.get(name) for name in _PHOTO):
        address.update(st.session_state.get(_MEMORY, {}))
    if not any(address.get(name) for name in _PHOTO) and samples:
        address["photo"] = _first(samples)
    try:
        opened = _open(samples)
    except _LeadsNowhereError as error:
        stand_in = _first(samples) if samples else None
        opened = Opened(read_sample(samples[stand_in]) if stand_in else None, stand_in, str(error))
    st.session_state[_MEMORY] = {name: address[name] for name in (*_PHOTO, "object") if name in address}
    return opened


def show_sample(name: str) -> None:
    """Make the address name a sample."""
    _show({"photo": name})


def show_upload(name: str, data: bytes) -> None:
    """Keep an uploaded file as long as the server lives, and make the address name it."""
    _show({"photo": _UPLOAD + _uploads().keep(name, data)})


def forget_upload() -> None:
    """Make the address name no upload."""
    if st.query_params.get("photo", "").startswith(_UPLOAD):
        st.session_state.pop(_MEMORY, None)
        _show({})


def shown_object() -> str:
    """The chosen object's :attr:`~app.compare.found_objects.FoundObject.place`; empty if none is chosen."""
    return st.query_params.get("object", "")


def show_object(place: str) -> None:
    """Make the address name an object."""
    st.query_params["object"] = place


def _show(photo: Mapping[str, str]) -> None:
    for name in (*_PHOTO, "object"):
        st.query_params.pop(name, None)
    st.query_params.update(photo)


class _LeadsNowhereError(Exception):
    """The address names what is not there."""


def _open(samples: Mapping[str, Path]) -> Opened:
    address = st.query_params
    name = address.get("photo", "")
    if name.startswith(_UPLOAD):
        kept = _uploads().get(name.removeprefix(_UPLOAD))
        if kept is None:
            raise _LeadsNowhereError("The upload that this link shows is no longer kept here.")
        try:
            return Opened(read_upload(*kept))
        except UserError as error:
            raise _LeadsNowhereError(f"{error}.") from error
    if name in samples:
        return Opened(read_sample(samples[name]), name)
    if name:
        raise _LeadsNowhereError(f"There is no sample called {name}.")
    if not any(address.get(name) for name in _PHOTO):
        return Opened(None)
    try:
        return Opened(photo_from_source(*(address.get(name, "") for name in _PHOTO[1:])))
    except UserError as error:
        raise _LeadsNowhereError(f"The photo of this link cannot be shown: {error}.") from error


def _first(samples: Mapping[str, Path]) -> str:
    return FIRST_SAMPLE if FIRST_SAMPLE in samples else next(iter(samples))


class _Uploads:
    """The last uploaded files of all visitors, under names that cannot be guessed; up to 256 MB."""

    def __init__(self, size: int = 256_000_000) -> None:
        self._size = size
        self._files: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, name: str, data: bytes) -> str:
        """What to ask for a file by; the same content under another name is another file."""
        digest = sha256(name.encode() + b"\0" + data).hexdigest()[:32]
        with self._lock:
            self._files[digest] = name, data
            self._files.move_to_end(digest)
            while len(self._files) > 1 and sum(len(content) for _, content in self._files.values()) > self._size:
                self._files.popitem(last=False)
        return digest

    def get(self, digest: str) -> tuple[str, bytes] | None:
        """A file's name and content, if it is still here."""
        with self._lock:
            return self._files.get(digest)


@st.cache_resource(show_spinner=False)
def _uploads() -> _Uploads:
    return _Uploads()
