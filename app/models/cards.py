"""A model's card in words, and which uploaded files make a model."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from app.detectors import ModelFile
from app.hosting import is_hosted
from app.paths import from_here
from obcn.card_words import card_in_words
from obcn.checkpoints import Card
from obcn.errors import UserError
from obcn.exported.described import ExportedCard
from obcn.metrics import OF_A_CARD
from obcn.opening import EXPORTED, WEIGHTS

_PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")


def facts_in_words(model: ModelFile) -> list[tuple[str, str]]:
    """What a card says beside its figures, and the file: names and values, none of them empty."""
    card = model.card
    assert isinstance(card, Card)
    place = model.path.name if is_hosted() else from_here(model.path)
    return [*card_in_words(card), ("file", f"{place}, {model.path.stat().st_size / 1e6:.1f} MB")]


def copies(model: ModelFile, known: Mapping[str, ModelFile]) -> list[str]:
    """Names of the other models in a model's folder with the same card: a run's best epoch is often its last."""
    return [
        name
        for name, other in known.items()
        if name != model.name and other.path.parent == model.path.parent and other.card == model.card
    ]


def exported_in_words(model: ModelFile) -> list[tuple[str, str]]:
    """What was found in an .onnx file, what was assumed, and how the check went."""
    card = model.card
    assert isinstance(card, ExportedCard)
    size = f"{model.path.stat().st_size / 1e6:.1f} MB"
    return [*card.lines()[1:], ("size on disk", size)]


def figures_of(card: Card) -> list[tuple[str, str]]:
    """The card's headline figures in percent, each with its name."""
    metrics = card.evaluation.metrics if card.evaluation else {}
    return [(f"{metrics[figure]:.1f}", figure) for figure in OF_A_CARD if figure in metrics]


def exported_parts(names: Sequence[str]) -> tuple[int, int | None, int | None] | None:
    """Places of an .onnx file, its YAML and its weights among uploaded files; None where no .onnx file is among them.

    Raises:
        UserError: more than those.
    """
    kinds = ((EXPORTED,), (".yaml", ".yml"), (WEIGHTS,))
    files, hints, weights = ([n for n, name in enumerate(names) if _suffix(name) in kind] for kind in kinds)
    if not files:
        return None
    if max(map(len, (files, hints, weights))) > 1 or len(files) + len(hints) + len(weights) < len(names):
        raise UserError(
            "bring one .onnx file at a time, alone or with the .onnx.data file of its weights and the YAML that says "
            "what it does not"
        )
    return files[0], hints[0] if hints else None, weights[0] if weights else None


def checkpoint_pair(names: Sequence[str]) -> tuple[int, int]:
    """Which of the uploaded files are the weights and the card.

    Args:
        names: file names, in the order of the upload.

    Returns:
        Their places.

    Raises:
        UserError: these files make no model; the words say what to do.
    """
    by_kind = {kind: [n for n, name in enumerate(names) if _suffix(name) == kind] for kind in (".safetensors", ".json")}
    weights, cards = by_kind[".safetensors"], by_kind[".json"]
    for name in names:
        if _suffix(name) in _PICKLES:
            raise UserError(
                f"{name} looks like a pickle, and loading a pickle runs whatever code is in it. Bring the .safetensors "
                "file and the .json card beside it, both written by obcn train"
            )
        if _suffix(name) not in by_kind:
            raise UserError(f"{name} is neither weights nor a card: bring a .safetensors file and its .json card")
    if len(weights) > 1 or len(cards) > 1:
        raise UserError("bring one model at a time: one .safetensors file and its .json card")
    if not cards:
        lone = PurePath(names[weights[0]])
        raise UserError(
            f"{lone} comes without its card: add {lone.stem}.json, which obcn train wrote beside it, to the same upload"
        )
    if not weights:
        lone = PurePath(names[cards[0]])
        raise UserError(f"{lone} comes without its weights: add {lone.stem}.safetensors to the same upload")
    return weights[0], cards[0]


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()
