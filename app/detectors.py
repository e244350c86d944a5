"""Which models there are: the shipped ones, and those that were added while the server runs, for all visitors."""

import itertools
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from pydantic import ValidationError

from app.uploads import UploadFolder
from obcn.checkpoints import SHIPPED_CHECKPOINTS, Card, card_path, load_checkpoint, read_card
from obcn.errors import UserError
from obcn.figures.lines import RESERVED

# What a newcomer sees before touching anything, and where `obcn app --model` lists what its caller wants to see.
FIRST_MODELS = ("regression", "obcn")
VARIABLE = "OBCN_MODELS"
# Bytes that visitors' checkpoints may have together.
MOST_UPLOADED = 2_000_000_000


@dataclass(frozen=True)
class ModelFile:
    """A checkpoint that the app can use.

    Attributes:
        name: what visitors choose it by; unique on this server.
        path: the .safetensors file.
        card: what stands beside it.
    """

    name: str
    path: Path
    card: Card


def available_models() -> dict[str, ModelFile]:
    """Every model by name: the shipped ones by file name, then those added on this server, first come first."""
    models, _ = _readable(_offered())
    return models


def first_models() -> tuple[str, ...]:
    """Names of the models that a visitor sees before choosing: those that the server was started with, if any."""
    started_with = _given()
    return tuple(name for name, path in _offered().items() if path in started_with) or FIRST_MODELS


def unreadable_models() -> list[str]:
    """What is wrong with each checkpoint that lies there but cannot be offered, a sentence each."""
    _, problems = _readable(_offered())
    return problems


def add_folder(folder: Path) -> list[str]:
    """Offer every checkpoint with a card in a folder of this machine; returns their names, also of ones known before.

    Raises:
        UserError: no such folder, or nothing in it that can be offered.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder on the machine that runs this app")
    found, problems = _readable({str(path): path.resolve() for path in sorted(folder.glob("*.safetensors"))})
    # A training run's state.safetensors has no card: it is no model.
    problems = [problem for problem in problems if "has no card" not in problem]
    if not found:
        reason = problems[0] if problems else "a checkpoint is a .safetensors file with its card (.json) beside it"
        raise UserError(f"no model found in {folder}: {reason}")
    return [_added().add(model, f"{folder.resolve().name}/{model.path.stem}") for model in found.values()]


def add_upload(file_name: str, weights: bytes, card: bytes) -> str:
    """Offer an uploaded checkpoint; returns its name. The same files again are the same model.

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
    stem = Path(file_name.replace("\\", "/")).stem
    name = f"{stem[:60] or 'model'}.safetensors"
    path = added.uploads.keep({card_path(Path(name)).name: card, name: weights}) / name
    try:
        load_checkpoint(str(path))
    except Exception as error:  # a stranger's card can ask for a network that fails to build in any way
        added.uploads.drop(path.parent)
        reason = str(error) if isinstance(error, UserError) else f"its card describes no network ({error})"
        raise UserError(f"{file_name} cannot be used: {reason.replace(str(path.parent) + '/', '')}") from error
    return added.add(ModelFile(stem, path, read_card(path)), stem)


def model_of_card(card: Mapping[str, Any]) -> str | None:
    """The first model with this card, whatever has been added to the card since; None if it is not here.

    Args:
        card: as a record file keeps it.
    """
    try:
        wanted = _lasting(Card.model_validate(card))
    except ValidationError:
        return None
    return next((name for name, model in available_models().items() if _lasting(model.card) == wanted), None)


def devices() -> list[str]:
    """Where a detector can run, the quickest first."""
    return ["cuda", "cpu"] if torch.cuda.is_available() else ["cpu"]


def stamp(path: Path) -> int:
    """Changes when the file does, so that a newly trained checkpoint is picked up without a restart."""
    return path.stat().st_mtime_ns


class _Added:
    """Models that visitors brought."""

    def __init__(self) -> None:
        self.uploads = UploadFolder("obcn-models-", MOST_UPLOADED)
        self.files: dict[str, Path] = {}
        self._lock = threading.Lock()

    def add(self, model: ModelFile, origin: str) -> str:
        """Offer it under its card's name, with ``origin`` behind it where that is taken."""
        with self._lock:
            shipped = _shipped()
            known = {path: name for name, path in self.files.items()} | {path: path.stem for path in shipped}
            if model.path in known:
                return known[model.path]
            taken = {*known.values(), *RESERVED}
            base = model.card.name
            names = itertools.chain(
                (base, f"{base} ({origin})"), (f"{base} ({origin}, {n})" for n in itertools.count(2))
            )
            name = next(name for name in names if name not in taken)
            # A new dict: another visitor's run may be going through the old one.
            self.files = self.files | {name: model.path}
            return name


@st.cache_resource(show_spinner=False)
def _added() -> _Added:
    added = _Added()
    for path in _given():
        models, _ = _readable({path.stem: path})
        for model in models.values():
            added.add(model, path.stem)
        if not models:
            # Offered by its path all the same, so that the pages say what is wrong with it.
            added.files[str(path)] = path
    return added


def _given() -> list[Path]:
    return [Path(word) for word in os.environ.get(VARIABLE, "").split(os.pathsep) if word]


def _shipped() -> list[Path]:
    """Files in ``checkpoints/``, the baseline and the paper's head before the others."""
    first = {name: place for place, name in enumerate(FIRST_MODELS)}
    files = SHIPPED_CHECKPOINTS.glob("*.safetensors")
    return sorted(files, key=lambda path: (first.get(path.stem, len(first)), path.stem))


def _offered() -> dict[str, Path]:
    """Files by the models' names. An added one that has gone since is left out: nobody could get rid of a complaint."""
    here = {
        name: path
        for name, path in _added().files.items()
        if all(_stamp_or_none(file) is not None for file in (path, card_path(path)))
    }
    return {path.stem: path for path in _shipped()} | here


def _readable(files: dict[str, Path]) -> tuple[dict[str, ModelFile], list[str]]:
    """Models whose cards can be read, and what is wrong with the others."""
    models, problems = {}, []
    for name, path in files.items():
        try:
            models[name] = ModelFile(
                name, path, _card(path, *(_stamp_or_none(file) for file in (path, card_path(path))))
            )
        except UserError as error:
            problems.append(str(error))
    return models, problems


@lru_cache(maxsize=256)
def _card(path: Path, weights_stamp: int | None, card_stamp: int | None) -> Card:
    """The card beside ``path``, read anew when either file changes; failures are not kept."""
    if weights_stamp is None:
        raise UserError(f"{path} is gone")
    return read_card(path)


def _lasting(card: Card) -> Card:
    """What stays the same when a card is written anew: without figures, and without ``start``, which came later."""
    return card.model_copy(update={"evaluation": None, "training": card.training.model_copy(update={"start": None})})


def _stamp_or_none(path: Path) -> int | None:
    try:
        return stamp(path) if path.is_file() else None
    except OSError:  # in a folder that may not be looked into
        return None
