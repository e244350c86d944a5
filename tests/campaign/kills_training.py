"""Training, killed at random moments: its state never goes back, and its weights end bit for bit as if nobody had."""

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file

from obcn.config import load_config
from obcn.data import load_data_config, read_annotations
from obcn.engine.train import TrainingOptions, train
from tests.campaign.cases import Case
from tests.campaign.kills import Work, kills_of
from tests.engine.conftest import CONFIG, DATA, write_split
from tests.engine.test_resume import LAST_STEP, figures, saved_step


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Of a tiny detector."""
    write_split(folder, "train", 12)
    write_split(folder, "val", 3)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "data.yaml").write_text(DATA)
    steps: dict[Path, int] = {}

    def check(output: Path) -> None:
        before, after = steps.get(output, 0), saved_step(output)
        assert after >= before, f"step {after} on disk, where {before} was"
        steps[output] = after

    yield from kills_of(Work(_train, check, _same, folder / "run"), rng)


def _train(output: Path) -> None:
    """As `obcn train`, but with a state on disk every second step."""
    data = read_annotations(load_data_config(output.with_name("data.yaml")))
    resume = (output / "state.safetensors").exists()
    options = TrainingOptions(output, "data", seed=7, resume=resume, save_every=2)
    train(load_config(str(output.with_name("config.yaml"))), *data, options)


def _same(whole: Path, output: Path) -> None:
    assert saved_step(output) == LAST_STEP
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, found = load_file(whole / name), load_file(output / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[key]) for key, value in expected.items()), name
    assert figures(whole) == figures(output)
