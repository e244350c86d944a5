"""What the address bar says of the photo and the object, so that a link or a reload brings the same view back.

Widgets carry their own values there (``bind="query-params"``); a photo and an object are chosen by clicks on pictures.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import streamlit as st
from PIL.Image import Image
from PIL.Image import new as new_image

from app.detectors import ModelFile, claim_uploads, link_to_upload
from app.hosting import is_hosted
from app.paths import from_here
from app.photos import Photo, read_sample, read_upload
from app.sources import photo_from_source
from obcn.checkpoints import SHIPPED_CHECKPOINTS, checkpoint_name
from obcn.errors import UserError

# What a newcomer sees before touching anything. Of the samples on which the shipped pair makes no mistake of class, it
# shows the idea best: OBCN gains as much IoU as on any (0.94 to 0.90), by every stage and by its mean against argmax.
FIRST_SAMPLE = "dog"

_UPLOAD = "upload:"
_PHOTO = ("photo", "data", "photos", "image")
_MEMORY = "compare-view"
_WEIGHTS, _WANTED = "weights", "models-wanted"
_FIRST, _OWN = "compare-first", "own-uploads"


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
        st.session_state[_FIRST] = address["photo"]
    try:
        opened = _open(samples)
    except _LeadsNowhereError as error:
        stand_in = _first(samples) if samples else None
        opened = Opened(read_sample(samples[stand_in]) if stand_in else None, stand_in, str(error))
    st.session_state[_MEMORY] = {name: address[name] for name in (*_PHOTO, "object") if name in address}
    return opened


def wanted_models(known: Mapping[str, ModelFile], came: bool) -> dict[str, str]:
    """Models that the last link which names any wants and that are not here, each with the file that it wants; empty if
    the link does not say.

    Args:
        known: all that are here.
        came: whether the visitor has just come to the page.
    """
    address, state = st.query_params, st.session_state
    # Strangers may not name files.
    files = {} if is_hosted() else {checkpoint_name(Path(file)): file for file in address.get_all(_WEIGHTS)}
    asked = {name: files.get(name, "") for name in address.get_all("models")}
    # The control drops from the address what it does not know: that is kept here until another link or choice.
    if asked and (came or not asked.keys() <= known.keys()):
        state[_WANTED] = asked
    wanted = {name: file for name, file in state.get(_WANTED, {}).items() if name not in known}
    state[_WANTED] = wanted
    return wanted


def forget_wanted() -> None:
    """Want no model any more that is not here: the visitor has chosen others than their link names."""
    st.session_state.pop(_WANTED, None)


def open_uploads() -> None:
    """Offer this visitor the uploaded models that the address names."""
    claim_uploads(st.query_params.get_all(_WEIGHTS))


def name_files(models: Iterable[ModelFile], wanted: Iterable[str]) -> None:
    """Have the address say which files the models come from that did not ship, and which are still wanted: of a hosted
    server only uploads.

    Args:
        models: the chosen ones.
        wanted: files of :func:`wanted_models`.
    """
    hosted, shipped = is_hosted(), SHIPPED_CHECKPOINTS.resolve()
    files = []
    for model in models:
        if upload := link_to_upload(model):
            files.append(upload)
        elif not hosted and model.path.parent != shipped:
            files.append(from_here(model.path))
    files += [file for file in wanted if file and not hosted]
    if not files:
        st.query_params.pop(_WEIGHTS, None)
    elif st.query_params.get_all(_WEIGHTS) != files:
        st.query_params[_WEIGHTS] = files


def show_sample(name: str) -> None:
    """Make the address name a sample."""
    _show({"photo": name})


def take_uploads(files: Sequence[tuple[str, bytes]]) -> None:
    """Keep the visitor's files, which are all that their uploader holds, as long as the server lives.

    The address names the first new one; where it names one that the uploader has dropped, another, or none.

    Args:
        files: names and contents.
    """
    before = st.session_state.get(_OWN, ())
    digests = tuple(dict.fromkeys(_uploads().keep(*file) for file in files))
    st.session_state[_OWN] = digests
    fresh = [digest for digest in digests if digest not in before]
    shown = shown_upload()
    if fresh or (shown is not None and shown not in digests):
        st.session_state.pop(_MEMORY, None)
        if digests:
            show_upload((fresh or digests)[0])
        else:
            _show({})


def own_uploads() -> dict[str, str]:
    """File names of what the visitor's uploader holds, by what the address calls each."""
    kept = {digest: _uploads().get(digest) for digest in st.session_state.get(_OWN, ())}
    return {digest: file[0] for digest, file in kept.items() if file is not None}


def picture_of_upload(digest: str) -> Image:
    """An upload to make a thumbnail of, or plain grey for one that cannot be read: it says so when it is looked at."""
    kept = _uploads().get(digest)
    with suppress(UserError):
        if kept is not None:
            return read_upload(*kept).image
    return new_image("RGB", (4, 3), "gray")


def show_upload(digest: str) -> None:
    """Make the address name an upload."""
    _show({"photo": _UPLOAD + digest})


def shown_upload() -> str | None:
    """The upload that the address names, if it names one."""
    word = st.query_params.get("photo", "")
    return word.removeprefix(_UPLOAD) if word.startswith(_UPLOAD) else None


def is_first_look() -> bool:
    """Whether the visitor came by no link and has chosen no other photo yet."""
    return st.session_state.get(_FIRST) == st.query_params.get("photo", "")


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
