"""Training, studies and `eval --records`, killed at random moments: each goes on, and ends as if nobody had."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, set_start_method
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyarrow as pa
import torch
from safetensors.torch import load_file

from analysis.frozen.runner import Workplace, run_study
from app.photos import SAMPLES
from obcn.config import load_config
from obcn.data import load_data_config, read_annotations
from obcn.data.coco import read_coco
from obcn.engine.train import TrainingOptions, train
from obcn.records.files import read_records
from obcn.studies.study import Row, Study
from tests.analysis.heads import BINS, REGRESSION, protocol
from tests.campaign.cases import HANDLED, SLOWEST_WHOLE, Case
from tests.engine.conftest import CONFIG, DATA, write_split
from tests.engine.test_resume import LAST_STEP, figures, saved_step
from tests.test_cli import obcn

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Kills that one run goes through before it may end.
IN_A_ROW = 5
# Of a study: two heads, two seeds.
OUTCOMES = 4
# Seconds that may pass before one that was told to stop is gone, and that a whole run may take.
PATIENCE, LONGEST = 60, SLOWEST_WHOLE / 2
# Imports would take most of the time, and kills hit little else: a server does them once, and forks what is killed.
FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(
    ["obcn.cli", "obcn.engine.train", "obcn.engine.report", "analysis.frozen.runner", __name__]
)


@dataclass
class _Work:
    """Something that takes long, and that is called again until it is done.

    Attributes:
        name: what it is.
        call: does it in a folder of its own, or goes on there.
        check: raises AssertionError if what lies in the folder is not whole, or went back; called after every kill.
        same: raises AssertionError unless two folders hold the same results.
        whole: the folder of a run that nobody stopped.
        seconds: that it took.
        folder: that of the run which is being killed.
        runs: how many of those there were.
    """

    name: str
    call: Callable[[Path], None]
    check: Callable[[Path], object]
    same: Callable[[Path, Path], None]
    whole: Path
    seconds: float = 0.0
    runs: int = 0
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self._anew()

    def run_whole(self) -> None:
        """Work out what all others are held against, and how long it takes."""
        self._begin(self.whole).join()  # for what is loaded only once
        shutil.rmtree(self.whole)
        begun = time.monotonic()
        process = self._begin(self.whole)
        process.join(LONGEST)
        assert process.exitcode == 0, f"ended with {process.exitcode}"
        self.seconds = time.monotonic() - begun

    def kill(self, number: int, moment: float) -> None:
        """Send a signal to every process of it; a run that ended before is judged, and another one killed."""
        while True:
            process = self._begin(self.folder)
            process.join(moment * self.seconds)
            if process.exitcode is None:
                break
            self._judge(process)
        os.killpg(process.pid, number)
        process.join(PATIENCE)
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            raise AssertionError("still there a minute after the signal")
        self.check(self.folder)

    def end(self) -> None:
        """Let it end, and judge it."""
        process = self._begin(self.folder)
        process.join(LONGEST)
        self._judge(process)

    def _begin(self, folder: Path) -> BaseProcess:
        process = FORKED.Process(target=_in_a_group, args=(self.call, folder))
        process.start()
        # Signals go to its group, once it is there.
        while process.exitcode is None and os.getpgid(process.pid) != process.pid:
            time.sleep(0.001)
        return process

    def _judge(self, process: BaseProcess) -> None:
        assert process.exitcode == 0, f"ended with {process.exitcode}"
        self.same(self.whole, self.folder)
        self._anew()

    def _anew(self) -> None:
        self.runs += 1
        self.folder = self.whole.with_name(f"{self.whole.name}-{self.runs}")


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Kills in a row of each kind of work, then its end beside that of one that nobody stopped; and again."""
    write_split(folder, "train", 12)
    write_split(folder, "val", 3)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "data.yaml").write_text(DATA)
    works = (_training(folder), _study(folder), _records(folder))
    while True:
        for work in works:
            if not work.seconds:
                yield Case(f"{work.name} that nobody kills", work.run_whole, (HANDLED,), SLOWEST_WHOLE)
            for _ in range(IN_A_ROW):
                number, moment = rng.choice(SIGNALS), rng.random()
                name = f"{work.name}: {signal.Signals(number).name} after {moment:.0%} of its time"
                yield Case(name, partial(work.kill, number, moment), (HANDLED,), SLOWEST_WHOLE)
            yield Case(
                f"{work.name}, killed and called again, ends bit for bit as the whole one",
                work.end,
                (HANDLED,),
                SLOWEST_WHOLE,
            )


def _in_a_group(call: Callable[[Path], None], folder: Path) -> None:
    os.setpgid(0, 0)
    # As in a command of its own; else the loader's processes would be forked from another server.
    set_start_method("fork", force=True)
    torch.set_num_threads(1)
    call(folder)


def _training(folder: Path) -> _Work:
    steps: dict[Path, int] = {}

    def check(output: Path) -> None:
        before, after = steps.get(output, 0), saved_step(output)
        assert after >= before, f"step {after} on disk, where {before} was"
        steps[output] = after

    return _Work("training", _train, check, _same_training, folder / "training")


def _train(output: Path) -> None:
    """As `obcn train`, but with a state on disk every second step."""
    data = read_annotations(load_data_config(output.with_name("data.yaml")))
    resume = (output / "state.safetensors").exists()
    train(
        load_config(str(output.with_name("config.yaml"))),
        *data,
        TrainingOptions(output, "data", seed=7, resume=resume, save_every=2),
    )


def _same_training(whole: Path, output: Path) -> None:
    assert saved_step(output) == LAST_STEP
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, found = load_file(whole / name), load_file(output / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[key]) for key, value in expected.items()), name
    assert figures(whole) == figures(output)


def _study(folder: Path) -> _Work:
    return _Work("a study", _run_study, _outcomes, _same_study, folder / "study")


def _run_study(work: Path) -> None:
    """Two heads with two seeds, on the samples' features."""
    rows = (Row(name="regression", head=REGRESSION), Row(name="bins", head=BINS))
    samples = read_coco(SAMPLES, SAMPLES / "truth.json")
    study = Study(title="t", question="q", baseline="regression", rows=rows)
    run_study(study, protocol(2), Workplace(samples, samples, work))


def _outcomes(work: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text())["metrics"] for path in (work / "outcomes").glob("*.json")}


def _same_study(whole: Path, work: Path) -> None:
    assert len(_outcomes(whole)) == OUTCOMES
    assert _outcomes(whole) == _outcomes(work)


def _records(folder: Path) -> _Work:
    return _Work("eval --records", _evaluate, _rows, _same_rows, folder / "records")


def _evaluate(work: Path) -> None:
    photos = ("--images", str(SAMPLES), "--annotations", str(SAMPLES / "truth.json"))
    obcn("eval", "--model", "regression", *photos, "--records", work / "a.parquet", "--device", "cpu")


def _rows(work: Path) -> pa.Table | None:
    """The file is there, whole, or not at all."""
    return read_records(work / "a.parquet") if (work / "a.parquet").exists() else None


def _same_rows(whole: Path, work: Path) -> None:
    expected, found = _rows(whole), _rows(work)
    assert expected.num_rows
    assert found is not None
    # Metadata has the command, which names the file.
    assert expected.replace_schema_metadata(None).equals(found.replace_schema_metadata(None))
