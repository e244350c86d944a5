"""Which models there are: shipped, found in ``runs/``, named by the server's owner, and each visitor's own uploads."""

import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from pydantic import ValidationError

from app.hosting import is_hosted
from app.uploads import UploadFolder, stored_name
from obcn.checkpoints import SHIPPED_CHECKPOINTS, Card, card_path, checkpoint_name, load_checkpoint, read_card
from obcn.errors import UserError
from obcn.figures.lines import RESERVED
from obcn.models.scoring import DetectorCard
from obcn.opening import EXPORTED, hints_path, is_exported, weights_path

# What a newcomer sees before touching anything, and where `obcn app --model` lists what its caller wants to see.
FIRST_MODELS = ("regression", "obcn")
VARIABLE = "OBCN_MODELS"
# Bytes that visitors' checkpoints may have together.
MOST_UPLOADED = 2_000_000_000
# In a visitor's session: the files that they uploaded, or have the link of.
_OWN = "own-models"
# What links call an upload by; as hard to guess as the file itself.
_UPLOAD = re.compile(r"upload-[0-9a-f]{12}/[^/]+")
# Where `obcn train --output runs/NAME` puts what it makes.
RUNS = Path("runs")


@dataclass(frozen=True)
class ModelFile:
    """A checkpoint that the app can use.

    Attributes:
        name: what visitors choose it by: unique on this server, and after a restart the same.
        path: the .safetensors or .onnx file.
        card: what stands beside it, or was found in it.
    """

    name: str
    path: Path
    card: DetectorCard


def available_models() -> dict[str, ModelFile]:
    """Every model by name: the shipped ones, those added on this server, first come first, those in ``runs/``, and last
    what this visitor uploaded."""
    models, _ = _readable(_offered(_own()))
    return models


def models_of_server() -> dict[str, ModelFile]:
    """As :func:`available_models`, without anybody's uploads; needs no visitor."""
    models, _ = _readable(_offered())
    return models


def first_models() -> tuple[str, ...]:
    """Names of the models that a visitor sees before choosing: those that the server was started with, if any."""
    started_with = _given()
    return tuple(name for name, path in _offered().items() if path in started_with) or FIRST_MODELS


def unreadable_models() -> list[str]:
    """What is wrong with each checkpoint that lies there but cannot be offered, a sentence each."""
    _, problems = _readable(_offered(_own()))
    return problems


def add_folder(folder: Path) -> list[str]:
    """Offer every checkpoint with a card in a folder of this machine, or a single such file.

    Returns:
        Their names, also of ones known before.

    Raises:
        UserError: no such folder, or nothing in it that can be offered.
    """
    if not folder.is_dir() and not folder.is_file():
        raise UserError(f"{folder} is not a folder on the machine that runs this app")
    files = sorted([*folder.glob("*.safetensors"), *folder.glob(f"*{EXPORTED}")]) if folder.is_dir() else [folder]
    found, problems = _readable({str(path): path.resolve() for path in files})
    # A training run's state.safetensors has no card: it is no model.
    problems = [problem for problem in problems if "has no card" not in problem]
    if not found:
        reason = problems[0] if problems else "a checkpoint is a .safetensors file with its card (.json) beside it"
        raise UserError(f"no model found in {folder}: {reason}")
    return _added().add(model.path for model in found.values())


def add_upload(file_name: str, weights: bytes, card: bytes) -> str:
    """Offer this visitor a checkpoint of theirs; returns its name. The same files again are the same model.

    Args:
        file_name: the weights', for errors and the name; nothing is written under it.
        weights: a safetensors file.
        card: the JSON file beside it.

    Raises:
        UserError: not a checkpoint that this version wrote, or weights and card that do not belong together.
    """
    if Path(file_name).suffix != ".safetensors":
        raise UserError(f"{file_name} is not a .safetensors file; pickles are not read")
    added = _added()
    name = f"{Path(stored_name(file_name)).stem[:40]}.safetensors"
    with added.uploads.keep_if_usable({card_path(Path(name)).name: card, name: weights}) as folder:
        path = folder.resolve() / name
        try:
            load_checkpoint(str(path))
        except Exception as error:  # a stranger's card can ask for a network that fails to build in any way
            reason = str(error) if isinstance(error, UserError) else f"its card describes no network ({error})"
            raise UserError(f"{file_name} cannot be used: {reason.replace(str(path.parent) + '/', '')}") from error
    return _add_own(path)


def add_exported(file_name: str, content: bytes, hints: bytes | None = None, weights: bytes | None = None) -> str:
    """Offer this visitor an .onnx file of theirs; returns its name. The same file again is the same model.

    Args:
        file_name: its name, for errors and the name; nothing is written under it.
        content: the file.
        hints: the YAML beside it, where there is one.
        weights: the file that it keeps its weights in, where it does.

    Raises:
        UserError: it cannot be read, or not be believed.
    """
    added = _added()
    name = f"{Path(stored_name(file_name)).stem[:40]}{EXPORTED}"
    parts = {hints_path(Path(name)).name: hints, weights_path(Path(name)).name: weights, name: content}
    with added.uploads.keep_if_usable({place: part for place, part in parts.items() if part is not None}) as folder:
        path = folder.resolve() / name
        try:
            _card(path, *_stamps(path))
        except UserError as error:
            raise UserError(f"{file_name} cannot be used: {str(error).replace(str(path.parent) + '/', '')}") from error
    return _add_own(path)


def link_to_upload(model: ModelFile) -> str | None:
    """What a link calls an uploaded model's file by, for :func:`claim_uploads`; None for others."""
    uploads = _added().uploads.folder.resolve()
    return model.path.relative_to(uploads).as_posix() if model.path.is_relative_to(uploads) else None


def claim_uploads(words: Iterable[str]) -> None:
    """Offer this visitor the uploads that their link names, as far as they are still here.

    Args:
        words: of :func:`link_to_upload`; others are passed over.
    """
    for word in words:
        path = _added().uploads.folder.resolve() / word
        if _UPLOAD.fullmatch(word) and _is_whole(path) and path not in _own():
            _add_own(path)


def model_of_card(card: Mapping[str, Any], called: str = "") -> str | None:
    """The model with this card, whatever has been added to the card since; None if it is not here.

    Args:
        card: as a record file keeps it.
        called: its name there; of several models with the card, such as copies of a run, the one of this name.
    """
    models = available_models()
    try:
        wanted = _lasting(Card.model_validate(card))
    except ValidationError:
        names = [name for name, model in models.items() if model.card.model_dump(mode="json") == card]
    else:
        ours = {name: model.card for name, model in models.items() if isinstance(model.card, Card)}
        names = [name for name, known in ours.items() if _lasting(known) == wanted]
    return called if called in names else next(iter(names), None)


def problem_with(path: Path, error: UserError) -> str:
    """What is wrong with a model's file; strangers are not told which folder it lies in."""
    return str(error).replace(f"{path.parent}{os.sep}", "") if is_hosted() else str(error)


def devices() -> list[str]:
    """Where a detector can run, the quickest first."""
    return ["cuda", "cpu"] if torch.cuda.is_available() else ["cpu"]


def stamp(path: Path) -> int:
    """Changes when the file does, so that a newly trained checkpoint is picked up without a restart."""
    return path.stat().st_mtime_ns


class _Added:
    """Models of all visitors, which the owner brought, and where uploads lie."""

    def __init__(self) -> None:
        self.uploads = UploadFolder("obcn-models-", MOST_UPLOADED)
        self.files: tuple[Path, ...] = ()
        self._lock = threading.Lock()

    def add(self, files: Iterable[Path]) -> list[str]:
        """Offer files; their names."""
        files = list(files)
        with self._lock:
            # A new tuple: another visitor's run may be going through the old one.
            self.files = tuple(dict.fromkeys((*self.files, *files)))
        names = {path: name for name, path in _offered().items()}
        return [names[path] for path in files]


@st.cache_resource(show_spinner=False)
def _added() -> _Added:
    added = _Added()
    # One that cannot be read is offered all the same, so that the pages say what is wrong with it.
    added.files = tuple(dict.fromkeys(_given()))
    return added


def _own() -> tuple[Path, ...]:
    return st.session_state.get(_OWN, ())


def _add_own(path: Path) -> str:
    st.session_state[_OWN] = own = tuple(dict.fromkeys((*_own(), path)))
    return next(name for name, offered in _offered(own).items() if offered == path)


def _given() -> list[Path]:
    return [Path(word).resolve() for word in os.environ.get(VARIABLE, "").split(os.pathsep) if word]


def _shipped() -> list[Path]:
    """Files in ``checkpoints/``, the baseline and the paper's head before the others."""
    first = {name: place for place, name in enumerate(FIRST_MODELS)}
    files = SHIPPED_CHECKPOINTS.resolve().glob("*.safetensors")
    return sorted(files, key=lambda path: (first.get(path.stem, len(first)), path.stem))


def _offered(own: Iterable[Path] = ()) -> dict[str, Path]:
    """Files by the models' names, of which those for all do not depend on one's ``own``.

    An added one that has gone since is left out: nobody could get rid of a complaint.
    """
    here = [path for path in _added().files if _is_whole(path)]
    for_all = _named([*_shipped(), *here, *_trained()])
    return for_all | _named([path for path in own if _is_whole(path) and path not in for_all.values()], for_all)


def _trained() -> list[Path]:
    """Checkpoints in ``runs/`` and its folders that can be read; nobody asked for the others."""
    files = sorted(path.resolve() for pattern in ("*", "*/*") for path in RUNS.glob(f"{pattern}.safetensors"))
    models, _ = _readable({str(path): path for path in files if _is_whole(path)})
    return [model.path for model in models.values()]


def _is_whole(path: Path) -> bool:
    """Whether weights and card are there; an .onnx file needs none."""
    file, beside = _stamps(path)
    return file is not None and (is_exported(path) or beside is not None)


def _named(files: Iterable[Path], others: Iterable[str] = ()) -> dict[str, Path]:
    """Each file once, by :func:`~obcn.checkpoints.checkpoint_name`, with more of the folders above it where two would
    be alike; an .onnx file by its own name, unless that is taken by ``others``.

    Of files that differ by their endings alone the .safetensors file keeps the plain name; the others show theirs.
    """
    files, shipped = list(dict.fromkeys(files)), _shipped()
    taken = {path.stem for path in shipped} | {*RESERVED, *others}
    beside = Counter(path.with_suffix("") for path in files)

    def long_name(path: Path, name: str) -> str:
        plain = path.suffix == ".safetensors" or beside[path.with_suffix("")] == 1
        return name if plain else name + path.suffix

    names = {
        path: path.stem
        if path in shipped or (is_exported(path) and path.stem not in taken)
        else long_name(path, checkpoint_name(path))
        for path in files
    }
    for depth in range(3, max([len(path.parts) for path in names], default=0) + 1):
        counts = Counter(names.values())
        names = {
            path: name if counts[name] == 1 else long_name(path, "/".join(path.with_suffix("").parts[-depth:]))
            for path, name in names.items()
        }
    return {name: path for path, name in names.items()}


def _readable(files: dict[str, Path]) -> tuple[dict[str, ModelFile], list[str]]:
    """Models whose cards can be read, and what is wrong with the others."""
    models, problems = {}, []
    for name, path in files.items():
        try:
            models[name] = ModelFile(name, path, _card(path, *_stamps(path)))
        except UserError as error:
            problems.append(problem_with(path, error))
    return models, problems


@lru_cache(maxsize=256)
def _card(path: Path, weights_stamp: int | None, card_stamp: int | None) -> DetectorCard:
    """The card beside ``path`` or found in it, anew when either file changes; failures are not kept."""
    if weights_stamp is None:
        raise UserError(f"{path} is gone")
    if is_exported(path):
        from obcn.exported import open_exported

        return open_exported(path).card
    return read_card(path)


def _lasting(card: Card) -> Card:
    """What stays the same when a card is written anew: without figures, and without ``start``, which came later."""
    return card.model_copy(update={"evaluation": None, "training": card.training.model_copy(update={"start": None})})


def _stamps(path: Path) -> tuple[int | None, int | None]:
    """Stamps of a model's file and of what stands beside it."""
    beside = hints_path(path) if is_exported(path) else card_path(path)
    return _stamp_or_none(path), _stamp_or_none(beside)


def _stamp_or_none(path: Path) -> int | None:
    try:
        return stamp(path) if path.is_file() else None
    except OSError:  # in a folder that may not be looked into
        return None
