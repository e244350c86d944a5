"""Two processes do what one does: the same losses, the same figures, and a run that outlives one of them."""

import json
import signal
import socket
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

from obcn.engine.distributed import ALONE, Ranks
from obcn.records.files import read_info, read_records
from tests.engine.processes import Forked
from tests.engine.test_resume import figures, saved_step

# Chance is taken out where it differs: several processes draw other samples of candidates than one does. All are drawn
# in the order that they come in, the learning rate is small, and the losses of each step go to a file.
LOSSES = """
import json, os, sys
import torch
import torchvision.models.detection._utils as sampling
import obcn.engine.train as engine
from obcn.cli import main

class Ordered:
    def __getattr__(self, name):
        return getattr(torch, name)
    def randperm(self, n, device=None):
        return torch.arange(n, device=device)

sampling.torch = Ordered()
step = engine._Run._step
def written(self, *batch):
    losses = step(self, *batch)
    if self.ranks.first:
        with open(os.environ["LOSSES"], "a") as file:
            print(json.dumps(losses), file=file)
    return losses
engine._Run._step = written
main()
"""


def launch(processes: int, *command: str, **environment: str) -> list[Forked]:
    """What torchrun sets, without its agent: each process on its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in range(processes):
        job = {"WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        started.append(Forked(*command, MASTER_ADDR="127.0.0.1", MASTER_PORT=port, **job, **environment))
    return started


def finish(processes: list[Forked]) -> None:
    for process in processes:
        errors = process.finish(timeout=900)
        assert process.returncode == 0, errors


def training(folder: Path, output: Path, *flags: str) -> tuple[str, ...]:
    files = (str(folder / "own.yaml"), "--data", str(folder / "data.yaml"), "--output", str(output))
    return ("train", *files, "--device", "cpu", "--seed", "3", *flags)


@pytest.fixture(scope="module")
def own_folder(folder) -> Path:
    """The tiny data set with a config of one photo size, four photos a batch and an uneven last batch."""
    text = (folder / "config.yaml").read_text()
    text = text.replace("[64, 96]", "[96]")
    text = text.replace("epochs: 3, batch_size: 2, lr: 0.02", "epochs: 4, batch_size: 5, lr: 0.002")
    (folder / "own.yaml").write_text(text)
    return folder


@pytest.mark.slow
def test_losses_of_two_processes_are_those_of_one(own_folder, tmp_path):
    found = []
    for processes in (1, 2):
        log = tmp_path / f"{processes}.jsonl"
        command = ("-c", LOSSES, *training(own_folder, tmp_path / str(processes), "--validate-every", "4"))
        finish(launch(processes, *command, LOSSES=str(log)))
        found.append([json.loads(line) for line in log.read_text().splitlines()])
    assert len(found[0]) == len(found[1]) == 12
    for one, two in zip(*found, strict=True):
        assert two == pytest.approx(one, rel=0.02, abs=1e-3)
    assert figures(tmp_path / "1")[-1]["AP"] == pytest.approx(figures(tmp_path / "2")[-1]["AP"], abs=2.0)


@pytest.mark.slow
def test_a_run_outlives_the_death_of_one_process(own_folder, tmp_path):
    output = tmp_path / "run"
    command = ("-m", "obcn.cli", *training(own_folder, output, "--save-every", "1"))
    first, second = launch(2, *command)
    while not output.is_dir() or saved_step(output) < 2:
        assert first.poll() is None, first.errors()
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    # Far below the ten minutes that it waits for one that is only slow.
    errors = first.finish(timeout=180)
    assert first.returncode == 2
    assert "Traceback" not in errors
    assert "obcn: another process of this run is gone" in errors
    second.finish(timeout=60)
    step = saved_step(output)
    assert 2 <= step < 12

    # With as many processes as before it goes on as if nothing had happened; alone it goes on too, and says so.
    finish(launch(2, *command, "--resume"))
    finish(launch(2, "-m", "obcn.cli", *training(own_folder, tmp_path / "whole")))
    assert figures(output) == figures(tmp_path / "whole")
    (alone,) = launch(1, *command, "--resume", "--epochs", "5")
    errors = alone.finish(timeout=900)
    assert alone.returncode == 0, errors
    assert "in 1 process(es), was in 2: what is sampled by chance differs" in errors
    assert saved_step(output) == 15


@pytest.mark.slow
def test_evaluation_in_two_processes_is_that_of_one(own_folder, tmp_path):
    samples = Path(__file__).resolve().parents[2] / "app" / "samples"
    command = ("-m", "obcn.cli", "eval", "--model", "obcn", "--device", "cpu", "--images", str(samples))
    truth = json.loads((samples / "truth.json").read_text())
    truth["images"] = truth["images"][:3]
    kept = {image["id"] for image in truth["images"]}
    truth["annotations"] = [box for box in truth["annotations"] if box["image_id"] in kept]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    for processes in (1, 2):
        out = tmp_path / str(processes)
        files = ("--json", f"{out}.json", "--records", f"{out}.parquet", "--detections", f"{out}.rows")
        finish(launch(processes, *command, "--annotations", str(tmp_path / "truth.json"), *files))
    one, two = (json.loads((tmp_path / f"{n}.json").read_text())["metrics"] for n in (1, 2))
    assert one == two
    assert (tmp_path / "1.rows").read_text() == (tmp_path / "2.rows").read_text()
    assert sorted(path.name for path in (tmp_path / "2.parquet").iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    whole, parts = read_info(tmp_path / "1.parquet"), read_info(tmp_path / "2.parquet")
    assert whole.model_copy(update={"command": ""}) == parts.model_copy(update={"command": ""})
    rows = [read_records(tmp_path / f"{n}.parquet").to_pandas() for n in (1, 2)]
    order = list(rows[0].columns)
    first, second = (frame.astype(str).sort_values(order, ignore_index=True) for frame in rows)
    assert first.equals(second)


@pytest.mark.slow
def test_a_page_that_a_test_left_as_main_is_not_run_again(tmp_path, monkeypatch):
    page = tmp_path / "page.py"
    page.write_text("raise SystemExit('the page was run')")
    main = ModuleType("__main__")
    main.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "__main__", main)
    process = Forked("-c", "pass")
    errors = process.finish(timeout=600)
    assert process.returncode == 0, errors
    assert sys.modules["__main__"] is main


class TestShares:
    def test_every_photo_is_seen_by_one_process_and_weighs_as_in_one(self):
        batch = list(range(5))
        shares = [Ranks(rank, 2, torch.device("cpu")).share(batch) for rank in range(2)]
        assert [part for part, _ in shares] == [[0, 2, 4], [1, 3]]
        # The mean over both of the weighted means is the mean of all.
        means = [sum(part) / len(part) * weight for part, weight in shares]
        assert sum(means) / 2 == pytest.approx(2.0)

    def test_a_process_without_photos_takes_part_without_weight(self):
        assert Ranks(2, 3, torch.device("cpu")).share([7, 8]) == ([7], 0.0)

    def test_one_process_has_all(self):
        assert ALONE.share([7, 8]) == ([7, 8], 1.0)
