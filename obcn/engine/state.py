"""The training state on disk: everything a killed run needs to go on as if nothing had happened."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import SGD

from obcn.errors import UserError
from obcn.files import write_whole


class DamagedStateError(UserError):
    """A file that is no training state, or no longer the one that was written."""


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: optimiser steps done.
        epochs_closed: epochs whose validation, figures and checkpoints are on the disk too.
        best_ap: best validation AP so far, in percent; -1 before the first validation.
        seconds: time spent training, over all interruptions.
    """

    step: int = 0
    epochs_closed: int = 0
    best_ap: float = -1.0
    seconds: float = 0.0


@dataclass(frozen=True)
class SavedState:
    """A training state as it was read.

    Attributes:
        path: where it came from, for messages.
        settings: of the run that wrote it.
        progress: where that stood.
        tensors: weights, momentum and random state.
    """

    path: Path
    settings: dict[str, Any]
    progress: Progress
    tensors: dict[str, Tensor]

    def restore(self, model: nn.Module, optimizer: SGD, rank: int = 0) -> None:
        """Put weights, momentum and the random state of one process back.

        Raises:
            DamagedStateError: something is missing or of another shape.
        """
        prefix = "model."
        weights = {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}
        expected = {name: value.shape for name, value in model.state_dict().items()}
        if {name: value.shape for name, value in weights.items()} != expected:
            raise _not_a_state(self.path, "its weights do not fit the model")
        model.load_state_dict(weights)
        for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
            momentum = self.tensors.get(f"momentum.{number}")
            if momentum is None:
                continue
            if momentum.shape != parameter.shape:
                raise _not_a_state(self.path, "its momentum does not fit the model")
            # The parameter's memory layout sets the order of sums.
            optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
        try:
            torch.set_rng_state(self.tensors[f"random.{rank}.cpu"])
            if torch.cuda.is_available() and f"random.{rank}.cuda" in self.tensors:
                torch.cuda.set_rng_state(self.tensors[f"random.{rank}.cuda"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise _not_a_state(self.path, "it holds no random state") from error


def random_state() -> dict[str, Tensor]:
    """Where this process's random numbers stand, by the kind of device."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def save_state(
    path: Path,
    model: nn.Module,
    optimizer: SGD,
    progress: Progress,
    settings: dict[str, Any],
    random: Sequence[dict[str, Tensor]] | None = None,
) -> None:
    """Write weights, momentum, random state and progress in one move.

    Args:
        path: a .safetensors file.
        model: its weights.
        optimizer: its momentum.
        progress: where the run stands.
        settings: JSON values that decide the run's outcome, for who reads the state to compare.
        random: :func:`random_state` of each process of the run; by default of this one, alone.

    Raises:
        UserError: it cannot be written; the state before it still stands.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    parameters = optimizer.param_groups[0]["params"]
    for number, parameter in enumerate(parameters):
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{number}"] = momentum
    for rank, state in enumerate([random_state()] if random is None else random):
        tensors |= {f"random.{rank}.{kind}": value for kind, value in state.items()}
    stored = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {"progress": json.dumps(vars(progress)), "settings": json.dumps(settings)}
    metadata["digest"] = state_digest(stored, metadata)
    write_whole(path, save(stored, metadata))


def read_state(path: Path) -> SavedState:
    """What :func:`save_state` wrote.

    Raises:
        DamagedStateError: not a training state, or one that changed since it was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        settings, progress = json.loads(metadata["settings"]), Progress(**json.loads(metadata["progress"]))
        digest = metadata["digest"]
    except KeyError as error:
        raise _not_a_state(path, f"it holds no {error.args[0]}") from error
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise _not_a_state(path, str(error)) from error
    if digest != state_digest(tensors, metadata):
        raise DamagedStateError(f"{path} is damaged: its numbers are not those that were written")
    return SavedState(path, settings, progress, tensors)


def _not_a_state(path: Path, why: str) -> DamagedStateError:
    return DamagedStateError(f"{path} is not a training state of this version ({' '.join(why.split())})")


def state_digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """SHA-256 of a state's contents, so that a single flipped number shows.

    Args:
        tensors: contiguous tensors on the CPU, by name.
        metadata: the file's own words; a digest among them is passed over.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    words = {name: text for name, text in metadata.items() if name != "digest"}
    digest.update(json.dumps(words, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
