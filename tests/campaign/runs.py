"""Runs on a disk that is full, in a folder where another is at work, and from states and figures that are damaged."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.photos import SAMPLES
from obcn.checkpoints import load_checkpoint
from obcn.data.images import read_photo
from obcn.errors import UserError
from obcn.records.files import read_records
from tests.campaign.cases import HANDLED, REFUSED, Case, damage
from tests.engine.conftest import CONFIG, DATA, write_split
from tests.test_cli import obcn

# What the loader's processes hand over lies in memory as files, which the limit holds too: no photo here is as large.
SMALLEST = 400_000
HOLD = """
import sys
from pathlib import Path
from obcn.engine.folder import RunFolder
with RunFolder(Path(sys.argv[1])).opened(resume=False):
    print("here", flush=True)
    sys.stdin.read()
"""


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """A whole run, one that is locked, then full disks and damage in turn without end."""
    os.chdir(folder)
    write_split(folder, "train", 12)
    write_split(folder, "val", 3)
    Path("config.yaml").write_text(CONFIG)
    Path("data.yaml").write_text(DATA)
    yield Case("a whole run", partial(_train, "whole", "--epochs", "1"), (HANDLED,))
    yield Case("a run in a folder where another is at work", partial(_train_beside, "locked"), (REFUSED,))
    for number in range(100_000):
        run = f"run{number}"
        share = rng.uniform(0, 1.2)
        yield Case(f"a disk with room for {share:.0%} of a state: train", partial(_train_full, run, share))
        for name, tell in (("state.safetensors", _state), ("metrics.jsonl", _figures)):
            shutil.copytree("whole", f"{run}-{name}")
            content = damage(rng, Path("whole", name).read_bytes())
            yield Case(f"{name} damaged: train --resume", partial(tell, Path(f"{run}-{name}"), name, content))
            shutil.rmtree(f"{run}-{name}")
        for what, write in (("eval", _eval_full), ("predict --save", _predict_full)):
            share = rng.uniform(0, 1.2)
            yield Case(f"a disk with room for {share:.0%} of the files: {what}", partial(write, run, share))
        shutil.rmtree(run, ignore_errors=True)


def _obcn(*words: object) -> None:
    """Run a command in this process; what it says in one line is its refusal."""
    done = obcn(*words)
    said = [line for line in done.stderr.splitlines() if line.startswith("obcn: ")]
    if done.returncode:
        assert done.returncode == 2, f"ended with {done.returncode}: {done.stderr[-300:]}"
        raise UserError("\n".join(said).removeprefix("obcn: "))


def _train(output: str, *words: str) -> None:
    _obcn("train", "config.yaml", "--data", "data.yaml", "--output", output, "--seed", "7", "--device", "cpu", *words)


def _train_beside(output: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            _train(output)
        finally:
            other.kill()


def _train_full(output: str, share: float) -> None:
    """Whatever the disk had no room for, what lies there is whole, and the run goes on when there is room."""
    size = Path("whole", "state.safetensors").stat().st_size
    refused = _refusal(lambda: _train(output, "--epochs", "2"), max(SMALLEST, int(share * size)))
    _all_whole(Path(output))
    _train(output, "--epochs", "2", *(["--resume"] if Path(output, "state.safetensors").exists() else []))
    if refused:
        raise refused


def _state(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    try:
        _train(str(folder), "--resume", "--epochs", "2")
    except UserError:
        assert (folder / name).read_bytes() == content, "what could not be read was written over"
        raise


def _figures(folder: Path, name: str, content: bytes) -> None:
    _state(folder, name, content)
    assert [json.loads(line)["epoch"] for line in (folder / name).read_text().splitlines()][-1] == 2


def _eval_full(output: str, share: float) -> None:
    place = Path(f"{output}-eval")
    place.mkdir()
    names = {name: str(place / name) for name in ("figures.json", "detections.json", "records.parquet")}
    words = ("eval", "--model", "whole/best.safetensors", "--data", "data.yaml", "--device", "cpu")
    asked = ("--json", names["figures.json"], "--detections", names["detections.json"])
    command = partial(_obcn, *words, *asked, "--records", names["records.parquet"])
    refused = _refusal(command, int(share * 60_000))
    _all_whole(place)
    shutil.rmtree(place)
    if refused:
        raise refused


def _predict_full(output: str, share: float) -> None:
    place = Path(f"{output}-drawn")
    command = partial(_obcn, "predict", SAMPLES / "dog.jpg", "--model", "whole/best.safetensors", "--save", place)
    refused = _refusal(command, int(share * 100_000))
    _all_whole(place)
    shutil.rmtree(place, ignore_errors=True)
    if refused:
        raise refused


def _refusal(command: Callable[[], None], room: int) -> UserError | None:
    """What a command says on a disk where no file may be larger; None if that was enough."""
    with _no_file_above(room):
        try:
            command()
        except UserError as error:
            return error
    return None


@contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _all_whole(folder: Path) -> None:
    for path in sorted(folder.glob("*")):
        match path.suffix:
            case ".json":
                json.loads(path.read_text())
            case ".jsonl":
                [json.loads(line) for line in path.read_text().splitlines()]
            case ".parquet":
                read_records(path)
            case ".jpg" | ".png":
                read_photo(path)
            case ".safetensors" if path.stem != "state":
                load_checkpoint(str(path))
            case ".tmp":
                raise AssertionError(f"{path.name} was left behind")
