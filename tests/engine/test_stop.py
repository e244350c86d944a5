"""A run that is told to stop, that runs out of disk, or that finds another at work: one line, and nothing lost."""

import dataclasses
import errno
import json
import os
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import obcn.engine.train as engine
from obcn.engine.folder import RunFolder
from obcn.engine.train import TrainingOptions, train
from obcn.errors import RunStoppedError, UserError
from obcn.files import replacing, write_whole
from tests.engine.test_resume import figures, frequent, saved_step, start_command, start_frequent


@pytest.fixture(scope="module")
def run(folder, config):
    """Trains the tiny detector into a folder."""
    from obcn.data.coco import read_coco

    def run_in(output: Path, **changes: object) -> None:
        options = dataclasses.replace(TrainingOptions(output, "tiny", seed=7), **changes)
        train(config, read_coco(folder, folder / "train.json"), read_coco(folder, folder / "val.json"), options)

    return run_in


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory) -> Path:
    """A run that nobody stopped."""
    output = tmp_path_factory.mktemp("stop") / "whole"
    run(output)
    return output


def assert_same(output: Path, whole: Path) -> None:
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, actual = load_file(whole / name), load_file(output / name)
        assert all(torch.equal(value, actual[key]) for key, value in expected.items()), name
    assert figures(output) == figures(whole)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_every_step_and_says_how_to_go_on(run, whole, tmp_path, monkeypatch, number, status):
    output = tmp_path / "run"
    step = engine._Run._step

    def interrupted_in_the_fourth(self, *batch):
        if self.progress.step == 3:
            os.kill(os.getpid(), number)
        return step(self, *batch)

    monkeypatch.setattr(engine._Run, "_step", interrupted_in_the_fourth)
    monkeypatch.setattr("sys.argv", ["obcn", "train", "tiny", "--output", "my runs/1"])
    before = signal.getsignal(number)
    with pytest.raises(RunStoppedError) as stopped:
        run(output)
    assert str(stopped.value) == (
        "stopped after step 4 of 18; all is kept, to go on: obcn train tiny --output 'my runs/1' --resume"
    )
    assert stopped.value.exit_status == status
    assert signal.getsignal(number) is before
    assert saved_step(output) == 4
    monkeypatch.undo()
    run(output, resume=True)
    assert_same(output, whole)


@pytest.mark.slow
def test_a_run_stopped_in_its_validation_goes_on_with_it(run, whole, tmp_path, monkeypatch):
    output = tmp_path / "run"
    evaluate = engine.evaluate

    def stopped(detector, annotations, on_photo, ranks):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(detector, annotations, on_photo, ranks)

    monkeypatch.setattr(engine, "evaluate", stopped)
    with pytest.raises(RunStoppedError, match="stopped after step 6 of 18"):
        run(output)
    assert not (output / "last.safetensors").exists()
    monkeypatch.undo()
    run(output, resume=True)
    assert_same(output, whole)


@pytest.mark.slow
def test_sigterm_to_every_process_ends_the_command_with_its_status(folder, tmp_path):
    """Some clusters signal the whole group: the loader must not take the step that is under way with it."""
    output = tmp_path / "run"
    process = start_command(folder, output)
    while not list(output.glob("events*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith(f"obcn: stopped after step {saved_step(output)} of 18; all is")


@pytest.mark.slow
def test_a_script_that_is_interrupted_ends_with_its_loader(folder, tmp_path):
    """Its traceback keeps what the training held."""
    output = tmp_path / "run"
    process = start_frequent(folder, output)
    while not output.is_dir() or saved_step(output) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=100)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert "RunStoppedError: stopped after step" in errors


@pytest.mark.slow
def test_a_second_run_in_the_same_folder_is_refused_until_the_first_is_gone(run, folder, tmp_path):
    output = tmp_path / "run"
    first = frequent(folder, output)
    while not output.is_dir() or saved_step(output) < 2:
        assert first.poll() is None, first.errors()
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    try:
        for resume in (False, True):
            with pytest.raises(UserError, match=rf"another run \(process {first.pid} on .* is at work in .*/run; wait"):
                run(output, resume=resume)
    finally:
        # Killed alone: its loader lives a little longer, and must not keep the folder.
        first.send_signal(signal.SIGKILL)
        first.finish(timeout=60)
    with RunFolder(output).opened(resume=True):
        pass


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(run, whole, tmp_path):
    """A limit on the size of files stands for the disk: it lets checkpoints through (half precision), and no state."""
    output = tmp_path / "run"
    run(output, epochs=1)
    before = (output / "state.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) * 3 // 4, limits[1]))
    try:
        with pytest.raises(UserError) as full:
            run(output, epochs=3, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(full.value) == (
        f"cannot write {output / 'state.safetensors'}: File too large; the last good checkpoint is "
        f"{output / 'last.safetensors'}; make room, then go on with --resume"
    )
    assert (output / "state.safetensors").read_bytes() == before
    assert not list(output.glob("*.tmp"))
    run(output, epochs=3, resume=True)
    assert [line["epoch"] for line in figures(output)] == [1, 2, 3]


def fill_the_disk(path: Path) -> None:
    with replacing(path) as new:
        new.write_text("half of the ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_files_appear_whole_with_the_umasks_rights_or_not_at_all(tmp_path):
    path = tmp_path / "figures.json"
    before = os.umask(0o027)
    try:
        write_whole(path, "old")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(UserError, match=r"cannot write \S*figures\.json: No space left on device"):
        fill_the_disk(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["figures.json"]


@pytest.mark.slow
def test_checkpoints_are_readable_by_whom_the_umask_lets(whole):
    mask = os.umask(0)
    os.umask(mask)
    files = [whole / name for name in ("last.safetensors", "last.json", "best.safetensors", "state.safetensors")]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o666 & ~mask}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"cannot write into .*: Permission denied"), RunFolder(tmp_path).opened(False):
        pass


def test_a_folder_whose_lock_cannot_be_made(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UserError, match=r"cannot write into .*: Is a directory"), RunFolder(tmp_path).opened(False):
        pass


class TestMetrics:
    def test_a_line_cut_short_is_put_aside_and_the_others_stay(self, tmp_path):
        run = RunFolder(tmp_path)
        run.metrics.write_text('{"epoch": 1, "AP": 3.0}\n{"epoch": 2, "AP": 4')
        assert "1 damaged line(s) moved to metrics.damaged.jsonl" in (run.add_metrics(2, {"AP": 5.0}) or "")
        assert [json.loads(line) for line in run.metrics.read_text().splitlines()] == [
            {"epoch": 1, "AP": 3.0},
            {"epoch": 2, "AP": 5.0},
        ]
        assert (tmp_path / "metrics.damaged.jsonl").read_text() == '{"epoch": 2, "AP": 4\n'
        assert run.add_metrics(3, {"AP": 6.0}) is None

    @pytest.mark.parametrize(
        "content", [b"\xff\xfe\n", b"[1]\n", b'{"epoch": null}\n', b'{"AP": 1}\n', b'{"epoch": 1e999}']
    )
    def test_anything_else_is_put_aside_too(self, tmp_path, content):
        run = RunFolder(tmp_path)
        run.metrics.write_bytes(content)
        assert run.add_metrics(1, {"AP": 5.0}) is not None
        assert json.loads(run.metrics.read_text()) == {"epoch": 1, "AP": 5.0}
