"""The two detectors: loaded once for all visitors, and run once per photo."""

import threading
from collections import OrderedDict

import streamlit as st
import torch

from app.objects import HEADS, Head
from app.photos import Photo
from obcn.checkpoints import SHIPPED_CHECKPOINTS, Card, find_checkpoint, load_checkpoint, read_card
from obcn.explain import ScoredPhoto, score_photo
from obcn.models.detector import Detector


def missing_checkpoints() -> list[Head]:
    """Heads without a checkpoint in ``checkpoints/``."""
    return [head for head in HEADS if not (SHIPPED_CHECKPOINTS / f"{head}.safetensors").is_file()]


def card_of(head: Head) -> Card:
    """A head's card, without its weights: quick.

    Raises:
        UserError: no card, or not one.
    """
    return read_card(find_checkpoint(head))


def devices() -> list[str]:
    """Where a detector can run, the quickest first."""
    return ["cuda", "cpu"] if torch.cuda.is_available() else ["cpu"]


def stored_scores(photo: Photo, head: Head, device: str) -> ScoredPhoto | None:
    """What :func:`scores` has already worked out."""
    return _shelf().get((photo.digest, head, _stamp(head), device))


def scores(photo: Photo, head: Head, device: str) -> ScoredPhoto:
    """What ``head`` says of the photo's candidates; the network runs once per photo, whoever asks.

    Raises:
        UserError: the checkpoint cannot be loaded.
    """
    key = (photo.digest, head, _stamp(head), device)
    shelf = _shelf()
    with shelf.running:
        stored = shelf.get(key)
        if stored is None:
            detector = _load(head, device, _stamp(head))
            stored = score_photo(detector, photo.image)
            shelf.put(key, stored)
    return stored


def _stamp(head: Head) -> int:
    """Changes when the checkpoint does, so that a newly trained one is picked up without a restart."""
    return find_checkpoint(head).stat().st_mtime_ns


@st.cache_resource(show_spinner=False, max_entries=4)
def _load(head: Head, device: str, stamp: int) -> Detector:
    detector, _ = load_checkpoint(head, device)
    return detector


class _Shelf:
    """The last photos' scores, about 0.3 MB each. One network runs at a time: two would only slow each other."""

    def __init__(self, size: int = 256) -> None:
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
