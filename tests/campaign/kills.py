"""Training that is killed at random moments, goes on, and must end as if nobody had."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.campaign.cases import HANDLED, Case
from tests.engine.conftest import CONFIG, write_split
from tests.engine.test_resume import LAST_STEP, figures, finish, saved_step, start_command, start_frequent

DATA = "format: coco\ntrain: {images: ., annotations: train.json}\nval: {images: ., annotations: val.json}\n"
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Kills that one run goes through before it may end.
IN_A_ROW = 10


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Kills in a row, then the run's end beside that of one that nobody stopped; and again."""
    write_split(folder, "train", 12)
    write_split(folder, "val", 3)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "data.yaml").write_text(DATA)
    whole = folder / "whole"
    start = time.monotonic()
    finish(start_command(folder, whole))
    longest = time.monotonic() - start
    for run in range(1000):
        output = folder / f"run{run}"
        for _ in range(IN_A_ROW):
            number, delay = rng.choice(SIGNALS), rng.uniform(0, longest)
            name = f"{signal.Signals(number).name} after {delay / longest:.0%} of a run's time"
            yield Case(name, partial(_kill, folder, output, number, delay), (HANDLED,))
        yield Case(
            "the killed run goes on, and ends bit for bit as the whole one",
            partial(_end, folder, output, whole),
            (HANDLED,),
        )


def _kill(folder: Path, output: Path, number: int, delay: float) -> None:
    before = saved_step(output) if output.is_dir() else 0
    if before == LAST_STEP:
        return
    resume = ["--resume"] if (output / "state.safetensors").exists() else []
    process = start_frequent(folder, output, *resume)
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, number)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AssertionError("still there a minute after the signal") from error
    after = saved_step(output) if output.is_dir() else 0
    assert after >= before, f"step {after} on disk, where {before} was"


def _end(folder: Path, output: Path, whole: Path) -> None:
    finish(start_command(folder, output, *(["--resume"] if (output / "state.safetensors").exists() else [])))
    assert saved_step(output) == LAST_STEP
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, found = load_file(whole / name), load_file(output / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[key]) for key, value in expected.items()), name
    assert figures(whole) == figures(output)
