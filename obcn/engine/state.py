"""The training state on disk: everything a killed run needs to go on as if nothing had happened."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import SGD

from obcn.errors import UserError


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: optimiser steps done.
        best_ap: best validation AP so far, in percent; -1 before the first validation.
        seconds: time spent training, over all interruptions.
    """

    step: int = 0
    best_ap: float = -1.0
    seconds: float = 0.0


def save_state(path: Path, model: nn.Module, optimizer: SGD, progress: Progress, fingerprint: str) -> None:
    """Write weights, momentum, random state and progress in one move.

    Args:
        path: a .safetensors file.
        fingerprint: names the run's settings; :func:`load_state` refuses a state made with others.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    parameters = optimizer.param_groups[0]["params"]
    for number, parameter in enumerate(parameters):
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{number}"] = momentum
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    metadata = {"progress": json.dumps(vars(progress)), "fingerprint": fingerprint}
    metadata["digest"] = state_digest(stored, metadata)
    temporary = path.with_suffix(".tmp")
    save_file(stored, temporary, metadata)
    temporary.replace(path)


def load_state(path: Path, model: nn.Module, optimizer: SGD, fingerprint: str) -> Progress:
    """Put back what :func:`save_state` wrote.

    Raises:
        UserError: not a training state, one that changed since it was written, or one of a run with other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a training state ({error})") from error
    # States of earlier versions carry no digest.
    if "digest" in metadata and metadata["digest"] != state_digest(tensors, metadata):
        raise UserError(f"{path} is damaged: its numbers are not those that were written; start from a checkpoint")
    if metadata.get("fingerprint") != fingerprint:
        raise UserError(f"{path} belongs to a run with another config, data, seed or start; choose another --output")
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
        momentum = _matching(tensors, f"momentum.{number}", parameter)
        if momentum is not None:
            optimizer.state[parameter]["momentum_buffer"] = momentum
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])
    return Progress(**json.loads(metadata["progress"]))


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


def _matching(tensors: dict[str, Tensor], name: str, parameter: Tensor) -> Tensor | None:
    """A stored tensor on the parameter's device and with its memory layout, which sets the order of sums."""
    if name not in tensors:
        return None
    return torch.empty_like(parameter).copy_(tensors[name])
