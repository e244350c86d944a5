"""A run's folder: what lies in it, and that one run at a time writes there."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obcn.engine.state import DamagedStateError
from obcn.errors import UserError
from obcn.files import NotWrittenError, write_whole

if sys.platform != "win32":
    import fcntl

_LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes."""

    path: Path

    @property
    def state(self) -> Path:
        """What ``--resume`` starts from."""
        return self.path / "state.safetensors"

    @property
    def last(self) -> Path:
        """The checkpoint of the last whole epoch."""
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation AP."""
        return self.path / "best.safetensors"

    @property
    def metrics(self) -> Path:
        """One JSON line per validation."""
        return self.path / "metrics.jsonl"

    def kept(self) -> str:
        """In words, what a run that breaks off has left that can be used."""
        return f"the last good checkpoint is {self.last}" if self.last.is_file() else "no epoch was whole yet"

    @contextmanager
    def opened(self, resume: bool) -> Iterator[None]:
        """Make the folder and keep other runs out of it, until the block or the process ends, however it does.

        Folders that were made for a run that is then refused are gone again.

        Args:
            resume: go on with the run that is there.

        Raises:
            UserError: nothing to resume, a run that must be resumed, one that is at work, or no place to write.
        """
        # A folder without a state is a run that was stopped before its first one: it starts again.
        if resume and not self.path.is_dir():
            raise UserError(f"{self.path}: no such run to resume")
        made = [place for place in (self.path, *self.path.parents) if not os.path.exists(place)]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {self.path}: {error.strerror}") from error
        with _locked(self.path / _LOCK, self.path):
            if self.state.exists() and not resume:
                raise UserError(f"{self.path} holds a run; give --resume to go on, or another --output")
            try:
                yield
            except UserError:
                self._remove_empty(made)
                raise

    def _remove_empty(self, made: list[Path]) -> None:
        """Remove folders that were made, deepest first, where nothing but the lock lies in this one."""
        if made and [file.name for file in self.path.iterdir()] == [_LOCK]:
            with suppress(OSError):
                (self.path / _LOCK).unlink()
                for place in made:
                    place.rmdir()

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Have errors of the disk say what the run still has, and how to go on."""
        try:
            yield
        except DamagedStateError as error:
            start = f"start from it with --init {self.last}" if self.last.is_file() else "start anew"
            raise UserError(f"{error}; {self.kept()}: {start} and another --output") from error
        except NotWrittenError as error:
            raise UserError(f"{error}; {self.kept()}; make room, then go on with --resume") from error
        except OSError as error:
            raise UserError(
                f"the run broke off: {error.strerror or error}; {self.kept()}; mend that, then go on with --resume"
            ) from error

    def add_metrics(self, epoch: int, figures: dict[str, Any]) -> str | None:
        """Add a validation to ``metrics.jsonl``, in place of later ones that a killed run had written.

        Lines that are no JSON, as a crash of the machine may leave, are kept in ``metrics.damaged.jsonl``.

        Returns:
            What was put aside, in words; None if nothing was.

        Raises:
            UserError: the file cannot be read or written.
        """
        try:
            text = self.metrics.read_text(encoding="utf-8", errors="replace") if self.metrics.exists() else ""
        except OSError as error:
            raise UserError(f"cannot read {self.metrics}: {error.strerror}") from error
        lines = [line for line in text.splitlines() if line.strip()]
        epochs = {line: _epoch_of(line) for line in lines}
        damaged = [line for line in lines if epochs[line] is None]
        aside = self.path / "metrics.damaged.jsonl"
        if damaged:
            write_whole(aside, "".join(f"{line}\n" for line in damaged))
        kept = [line for line in lines if (of_line := epochs[line]) is not None and of_line < epoch]
        kept.append(json.dumps({"epoch": epoch, **figures}))
        write_whole(self.metrics, "\n".join(kept) + "\n")
        return f"{self.metrics}: {len(damaged)} damaged line(s) moved to {aside.name}" if damaged else None


def _epoch_of(line: str) -> int | None:
    try:
        return int(json.loads(line)["epoch"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


@contextmanager
def _locked(path: Path, folder: Path) -> Iterator[None]:
    """Hold a lock that ends with this process.

    A POSIX record lock, not flock: children do not inherit it, so a killed run's data loader does not hold it longer.
    Windows has none; there two runs in one folder are not told apart.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from error
    try:
        if sys.platform != "win32":
            _lock(file, folder)
        yield
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        owner = os.read(file, 100).decode(errors="replace").strip() or "of an unknown process"
        raise UserError(
            f"another run ({owner}) is at work in {folder}; wait until it is done, or choose another --output"
        ) from error
    except OSError:
        return  # a file system without locks, as some networks have: nothing to tell runs apart by
    with suppress(OSError):  # a full disk: the lock holds, only its owner has no name
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {os.uname().nodename}".encode())
