"""A run that is killed and resumed ends exactly where an uninterrupted one does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.engine.processes import Forked

# As `obcn train`, but with a state on disk every second step; a run's settings do not include how often it saves.
FREQUENT = """
import sys
from pathlib import Path
from obcn.config import load_config
from obcn.data import load_data_config, read_annotations
from obcn.engine.train import TrainingOptions, train
options = TrainingOptions(Path(sys.argv[3]), "data", seed=7, resume="--resume" in sys.argv, save_every=2)
train(load_config(sys.argv[1]), *read_annotations(load_data_config(Path(sys.argv[2]))), options)
"""
LAST_STEP = 18


def start(*command: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_frequent(folder: Path, output: Path, *flags: str) -> subprocess.Popen:
    return start("-c", FREQUENT, str(folder / "config.yaml"), str(folder / "data.yaml"), str(output), *flags)


def command_words(folder: Path, output: Path, *flags: str) -> tuple[str, ...]:
    files = (str(folder / "config.yaml"), "--data", str(folder / "data.yaml"), "--output", str(output))
    return ("train", *files, "--seed", "7", "--device", "cpu", *flags)


def start_command(folder: Path, output: Path, *flags: str) -> subprocess.Popen:
    return start("-m", "obcn.cli", *command_words(folder, output, *flags))


def frequent(folder: Path, output: Path, *flags: str) -> Forked:
    """As :func:`start_frequent`, sooner."""
    return Forked("-c", FREQUENT, str(folder / "config.yaml"), str(folder / "data.yaml"), str(output), *flags)


def command(folder: Path, output: Path, *flags: str) -> Forked:
    """As :func:`start_command`, sooner."""
    return Forked("-m", "obcn.cli", *command_words(folder, output, *flags))


def finish(process: Forked) -> None:
    errors = process.finish(timeout=1200)
    assert process.returncode == 0, errors


def saved_step(output: Path) -> int:
    """Steps done in the state on disk; 0 where there is none."""
    try:
        with safe_open(output / "state.safetensors", framework="pt") as file:
            return json.loads(file.metadata()["progress"])["step"]
    except FileNotFoundError:
        return 0


def kill_after(process: Forked, output: Path, step: int, delay: float) -> int:
    """``kill -9`` the run and its data loader a little after it has saved ``step``; returns the step on disk."""
    while not output.is_dir() or saved_step(output) < step:
        assert process.poll() is None, process.errors()
        time.sleep(0.005)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.finish(timeout=60)
    assert process.returncode == -signal.SIGKILL
    return saved_step(output)


def figures(output: Path) -> list[dict]:
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "minutes"} for line in lines]


@pytest.mark.slow
def test_killed_and_resumed_run_ends_with_the_same_weights(folder, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    uninterrupted = command(folder, whole)

    # Before its first state, in the middle of the first epoch, and in the middle of the second or at its end.
    assert kill_after(frequent(folder, broken), broken, 0, delay=0.02) < 2
    assert 2 <= kill_after(frequent(folder, broken, "--resume"), broken, 2, delay=0.13) < LAST_STEP
    early = load_file(broken / "state.safetensors")
    assert 8 <= kill_after(frequent(folder, broken, "--resume"), broken, 8, delay=0.07) < LAST_STEP
    finish(command(folder, broken, "--resume"))
    finish(uninterrupted)

    assert saved_step(whole) == saved_step(broken) == LAST_STEP
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, actual = load_file(whole / name), load_file(broken / name)
        assert expected.keys() == actual.keys()
        assert all(torch.equal(value, actual[key]) for key, value in expected.items()), name
    moved = "model.roi_heads.box_head.shared.fc6.weight"
    assert not torch.equal(early[moved], actual[moved])
    assert figures(whole) == figures(broken)
    assert [line["epoch"] for line in figures(broken)] == [1, 2, 3]
