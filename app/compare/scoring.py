"""The networks: loaded once for all visitors, and run once per photo."""

import threading
from collections import OrderedDict
from contextlib import suppress

import streamlit as st

from app.detectors import ModelFile, devices, first_models, models_of_server, problem_with, stamp
from app.malloc import give_back
from app.photos import Photo
from obcn.errors import UserError
from obcn.figures.lines import MOST_MODELS
from obcn.models.scoring import PhotoScorer, ScoredPhoto
from obcn.models.selection import ScoredCandidates
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
    try:
        return _load(str(model.path), device, stamp(model.path))
    except UserError as error:
        raise UserError(problem_with(model.path, error)) from error


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(path: str, device: str, weights_stamp: int) -> PhotoScorer:
    detector, _ = open_detector(path, device)
    return detector


class _Shelf:
    """The last photos' scores. One network runs at a time: two would only slow each other.

    Those of a shipped model take about 0.3 MB a photo, of an .onnx file with many classes ten times that and more.

    Args:
        most_bytes: of all together. Of the last, as many as there can be models on the page stay, whatever their size:
            it runs again until it finds them all.
        most: how many.
    """

    def __init__(self, most_bytes: int = 64_000_000, most: int = 64) -> None:
        self.running = threading.Lock()
        self._most_bytes, self._most = most_bytes, most
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
            while self._overfull():
                self._items.popitem(last=False)

    def _overfull(self) -> bool:
        held = sum(_bytes_of(photo.candidates) for photo in self._items.values())
        return len(self._items) > self._most or (len(self._items) > MOST_MODELS and held > self._most_bytes)


def _bytes_of(candidates: ScoredCandidates) -> int:
    return candidates.boxes.nbytes + candidates.probabilities.nbytes + candidates.offset_outputs.nbytes


@st.cache_resource(show_spinner=False)
def _shelf() -> _Shelf:
    return _Shelf()
