"""Checkpoints: weights as safetensors, and beside them a JSON card that says where they come from.

No pickle is read or written.
"""

import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from obcn.config import SHIPPED_CONFIGS, DetectorConfig
from obcn.errors import UserError
from obcn.files import write_whole
from obcn.models.detector import Detector, build_detector
from obcn.models.inference import prepare_for_inference
from obcn.models.selection import DetectionThresholds
from obcn.offsets import OffsetCodec
from obcn.opening import EXPORTED
from obcn.reading import read_regular
from obcn.resources import ROOT
from obcn.yaml_files import describe_problems

SHIPPED_CHECKPOINTS = ROOT / "checkpoints"

# Bytes; a card of a thousand classes has a tenth of one million.
_MAX_CARD = 10_000_000

_PICKLES = (".pt", ".pth", ".ckpt")
_SHOWN_FILES = 4


class Training(BaseModel):
    """How the weights came about; ``start`` says the same of the checkpoint that they started from."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    command: str
    data: str
    train_images: int
    epochs: float
    seed: int
    device: str
    torch: str
    commit: str
    date: str
    started_from: str | None = None
    start: "Training | None" = None
    frozen_trunk: bool = False
    minutes: float | None = None


class Evaluation(BaseModel):
    """Figures in percent, and the command that measured them. Figures of no object at all (NaN) are left out."""

    model_config = ConfigDict(extra="forbid")
    command: str
    data: str
    images: int
    metrics: dict[str, float]

    @field_validator("metrics")
    @classmethod
    def _drop_nan(cls, metrics: dict[str, float]) -> dict[str, float]:
        """JSON knows no NaN."""
        if any(math.isinf(value) for value in metrics.values()):
            raise ValueError("figures are percent, and not infinite")
        return {name: value for name, value in metrics.items() if not math.isnan(value)}


class Card(BaseModel):
    """What stands beside a checkpoint."""

    model_config = ConfigDict(extra="forbid")
    name: str
    classes: tuple[str, ...] = Field(max_length=100_000)
    config: DetectorConfig
    training: Training
    evaluation: Evaluation | None = None

    @property
    def codec(self) -> OffsetCodec:
        """How its head writes offsets, read as trained."""
        return self.config.box_head.offsets.build()

    @property
    def thresholds(self) -> DetectionThresholds:
        """What survives of its candidates."""
        return DetectionThresholds(**self.config.box_head.selection.model_dump())


def save_checkpoint(path: Path, detector: Detector, card: Card) -> None:
    """Write ``path`` (.safetensors) and its card (.json), each in one move, so a kill leaves no half file.

    Weights of two or more dimensions are stored in half precision; vectors, BatchNorm's included, in full.

    Raises:
        UserError: one cannot be written.
    """
    tensors = {name: _stored(value) for name, value in detector.state_dict().items()}
    # Not save_file: its file would be its owner's only, and a kill would leave it behind under a random name.
    write_whole(path, save(tensors, metadata={"format": "obcn"}))
    write_card_file(path, card)


def load_checkpoint(name_or_path: str, device: str = "cpu") -> tuple[Detector, Card]:
    """A detector ready for inference, and its card.

    Args:
        name_or_path: a shipped checkpoint's name (``obcn models`` lists them) or a .safetensors file.
        device: where to put it.

    Raises:
        UserError: no such checkpoint, no card beside it, or not one that this package wrote.
    """
    path = find_checkpoint(name_or_path)
    shapes = stored_shapes(path)
    card = read_card(path)
    try:
        # Weightless: a card may describe more than the memory holds, but its file does not lie about its own size.
        with torch.device("meta"):
            detector = build_detector(card.config, card.classes)
        fits = shapes == {name: tuple(value.shape) for name, value in detector.state_dict().items()}
    except (RuntimeError, UserError) as error:
        raise UserError(f"{path} does not fit the model that {card_path(path).name} describes ({error})") from error
    if not fits:
        raise UserError(f"{path} does not fit the model that {card_path(path).name} describes")
    detector.to_empty(device="cpu").load_state_dict(read_weights(path))
    return detector.to(device).eval(), card


def load_for_inference(name_or_path: str, device: str = "cpu") -> tuple[Detector, Card]:
    """As :func:`load_checkpoint`, in the form of :func:`~obcn.models.inference.prepare_for_inference`: faster, but not
    to be trained.

    Boxes and scores differ from the other's by rounding only.
    """
    detector, card = load_checkpoint(name_or_path, device)
    prepare_for_inference(detector)
    return detector, card


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a checkpoint's tensors, by its header alone.

    Raises:
        UserError: not a safetensors file, or one that holds less or more than its header says.
    """
    with _safetensors(path), safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, floating-point ones as float32.

    Raises:
        UserError: not a safetensors file, or weights that are not floating-point numbers, or not finite.
    """
    with _safetensors(path):
        tensors = load_file(path)
    for name, value in tensors.items():
        if not value.is_floating_point() and not name.endswith("num_batches_tracked"):
            kind = str(value.dtype).removeprefix("torch.")
            raise UserError(
                f"{path}: {name} holds {kind} numbers, which are no weights; save them as float16 or float32"
            )
    weights = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    for name, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise UserError(f"{path}: {name} holds NaN or infinite weights; take an earlier checkpoint, or train again")
    return weights


@contextmanager
def _safetensors(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a safetensors checkpoint ({error}); pickles are not read") from error


def initialise_from(detector: Detector, name_or_path: str) -> set[str]:
    """Copy a checkpoint's weights wherever name and shape agree, but never those that only write offsets.

    Offset outputs and later looks start fresh whichever head the checkpoint had, so that two heads started from one
    checkpoint start alike. So do class scores where the checkpoint's classes are others: equally many would fit too.
    The same classes in another order are put into the detector's.

    Returns:
        Names of the tensors that were copied.

    Raises:
        UserError: not a checkpoint, or one with another backbone.
    """
    path = find_checkpoint(name_or_path)
    expected = detector.state_dict()
    card = read_card(path)
    classes, trunk = card.classes, card.config.trunk.name
    same_classes = set(classes) == set(detector.classes)
    fitting = {
        name: value
        for name, value in read_weights(path).items()
        if name in expected
        and expected[name].shape == value.shape
        and not _writes_offsets(name)
        and (same_classes or "class_scores" not in name)
    }
    if same_classes:
        rows = [0, *(1 + classes.index(name) for name in detector.classes)]  # the background's comes first
        fitting |= {name: value[rows] for name, value in fitting.items() if "class_scores" in name}
    # Pyramids of different trunks may agree in shape: only the backbone proper tells.
    if any(name not in fitting for name in expected if name.startswith("backbone.backbone.")):
        raise UserError(
            f"{path} has another trunk than this config: name a checkpoint of the config's trunk, a config with the "
            f"checkpoint's ({trunk}), or no checkpoint, to start from ImageNet's"
        )
    detector.load_state_dict(fitting, strict=False)
    return set(fitting)


def _writes_offsets(name: str) -> bool:
    return "offset_outputs" in name or "later_looks" in name


def find_checkpoint(name_or_path: str) -> Path:
    """The file of a shipped name or a path.

    Raises:
        UserError: there is none.
    """
    path = Path(name_or_path)
    if not path.suffix and not os.path.isfile(path):
        path = SHIPPED_CHECKPOINTS / f"{name_or_path}.safetensors"
    if path.suffix.lower() in (*_PICKLES, EXPORTED) or not os.path.isfile(path):
        raise UserError(_no_checkpoint(name_or_path))
    return path


def _no_checkpoint(name_or_path: str) -> str:
    """Why there is no such checkpoint, and what to give instead."""
    path = Path(name_or_path)
    instead = f"give a .safetensors file, or a shipped name ({', '.join(shipped_names()) or 'none here'})"
    if os.path.isdir(path):
        # A run's state is for --resume.
        files = sorted(file.name for file in path.glob("*.safetensors") if file.stem != "state")[:_SHOWN_FILES]
        return (
            f"{path} is a folder: name a file in it ({', '.join(files)})" if files else f"{path} is a folder: {instead}"
        )
    if path.suffix.lower() in _PICKLES:
        return (
            f"{path} is not a safetensors checkpoint, and pickles are not read, since loading one runs the code in it: "
            "export it to .onnx with the tool that it is from (docs/any-detector.md), or train one with `obcn train`"
        )
    if path.suffix.lower() == EXPORTED:
        return f"{path} is an .onnx file, where a checkpoint is asked for: {instead}"
    if os.path.isfile(SHIPPED_CONFIGS / f"{name_or_path}.yaml"):
        return f"{path} is a config: train it first, by `obcn train {path} --data data.yaml`; or {instead}"
    return f"no checkpoint {name_or_path!r}: {instead}"


def checkpoint_name(path: Path) -> str:
    """What a checkpoint is called wherever it shows: a shipped one by its file, any other by its folder and file.

    Examples:
        >>> from pathlib import Path
        >>> checkpoint_name(Path("runs/mine/best.safetensors"))
        'mine/best'
    """
    path = path.resolve()
    return path.stem if path.parent == SHIPPED_CHECKPOINTS.resolve() else f"{path.parent.name}/{path.stem}"


def shipped_names() -> list[str]:
    """Names of the checkpoints in ``checkpoints/``."""
    return sorted(path.stem for path in SHIPPED_CHECKPOINTS.glob("*.safetensors"))


def card_path(checkpoint: Path) -> Path:
    """Where a checkpoint's card lies."""
    return checkpoint.with_suffix(".json")


def read_card(checkpoint: Path) -> Card:
    """The card beside a checkpoint.

    Raises:
        UserError: missing, or not a card.
    """
    path = card_path(checkpoint)
    try:
        return Card.model_validate_json(read_regular(path, _MAX_CARD))
    except FileNotFoundError as error:
        raise UserError(f"{checkpoint} has no card: {path.name} must lie beside it") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        reason = describe_problems(error)
        raise UserError(f"{path} is not the card of a checkpoint that this version wrote ({reason})") from error


def read_evaluation(path: Path) -> Evaluation:
    """The figures that ``obcn eval --json`` wrote.

    Raises:
        UserError: missing, or not such a file.
    """
    try:
        return Evaluation.model_validate_json(read_regular(path, _MAX_CARD))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; `obcn eval --json` writes such files") from error
    except ValidationError as error:
        raise UserError(f"{path} is not a file that `obcn eval --json` wrote; give one") from error


def write_card_file(checkpoint: Path, card: Card) -> None:
    """Write the card beside a checkpoint.

    Raises:
        UserError: it cannot be written.
    """
    write_whole(card_path(checkpoint), json.dumps(card.model_dump(mode="json"), indent=2) + "\n")


def current_commit() -> str:
    """The repository's commit, with ``-dirty`` where the tree has changes; ``unknown`` outside a repository."""
    if not (ROOT / ".git").exists():
        # Installed elsewhere: a repository further up would be somebody else's.
        return "unknown"
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def typed_command() -> str:
    """This call of the ``obcn`` command, as it can be typed again."""
    return shlex.join(["obcn", *sys.argv[1:]])


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if value.is_floating_point() and value.dim() >= 2 else value.clone()
