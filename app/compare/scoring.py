"""The networks: loaded once for all visitors, and run once per photo."""

import threading
from collections import OrderedDict
from contextlib import suppress

import streamlit as st

from app.detectors import ModelFile, devices, first_models, models_of_server, stamp
from app.malloc import give_back
from app.photos import Photo
from obcn.errors import UserError
from obcn.models.scoring import PhotoScorer, ScoredPhoto
from obcn.opening import open_detector


def stored_scores(photo: Photo, model: ModelFile, device: str) -> ScoredPhoto | None:
    """What :func:`scores` has already worked out."""
    return _shelf().get(_key(photo, model, device))


def scores(photo: Photo, model: ModelFile, device: str) -> ScoredPhoto:
    """What ``model`` says of the photo's candidates; the network runs once per photo, whoever asks.

    Raises:
        UserError: the model cannot be loaded.
    """
    key = _key(photo, model, device)
    shelf = _shelf()
    stored = shelf.get(key)
    if stored is None:
        with shelf.running:
            # Whoever ran before may have looked at the same photo.
            stored = shelf.get(key)
            if stored is None:
                stored = _detector(model, device).score(photo.image)
                shelf.put(key, stored)
                give_back()
    return stored


def load_first_models() -> None:
    """Load what a newcomer's first photo is shown to, so that they need not wait for it."""
    known = models_of_server()
    for name in first_models():
        # One that cannot be loaded says so on the page, beside those that can.
        with suppress(UserError):
            if name in known:
                _detector(known[name], devices()[0])


def _key(photo: Photo, model: ModelFile, device: str) -> tuple:
    return photo.digest, model.path, stamp(model.path), device


def _detector(model: ModelFile, device: str) -> PhotoScorer:
    return _load(str(model.path), device, stamp(model.path))


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(path: str, device: str, weights_stamp: int) -> PhotoScorer:
    detector, _ = open_detector(path, device)
    return detector


class _Shelf:
    """The last photos' scores, about 0.3 MB each. One network runs at a time: two would only slow each other."""

    def __init__(self, size: int = 64) -> None:
        self.running = threading.Lock()
        self._size = size
        self._items: OrderedDict[tuple, ScoredPhoto] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple) -> ScoredPhoto | None:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: tuple, value: ScoredPhoto) -> None:
        with self._lock:
            self._items[key] = value
            while len(self._items) > self._size:
                self._items.popitem(last=False)


@st.cache_resource(show_spinner=False)
def _shelf() -> _Shelf:
    return _Shelf()
