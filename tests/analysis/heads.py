"""Small heads on the sample photos, with a schedule of seconds."""

from pathlib import Path

import torch

from analysis.frozen.heads import HeadSettings, build_head
from analysis.frozen.training import HeadRun
from obcn.models.detector import Detector
from obcn.studies.study import Protocol

REGRESSION = {"offsets": {"codec": "regression"}}
BINS = {"offsets": {"codec": "bins"}}
COMMON = {"hidden": 16, "candidates_per_image": 16}


def protocol(epochs: int = 2) -> Protocol:
    schedule = {"epochs": epochs, "batch_size": 3, "lr": 0.01, "warmup_steps": 0, "shape": "cosine"}
    return Protocol(trunk="regression", seeds=(0, 1), head=COMMON, schedule=schedule)


def new_run(settings: dict, folder: Path, detector: Detector, epochs: int = 2, seed: int = 0) -> HeadRun:
    head = build_head(HeadSettings.model_validate({**COMMON, **settings}), detector, seed)
    return HeadRun("head", head, folder / "state.safetensors", "id", protocol(epochs).schedule)


def weights(run: HeadRun) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.head.parameters()])
