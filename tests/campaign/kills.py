"""What takes long is killed at random moments, called again, killed again, and must end as if nobody had."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, set_start_method
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from tests.campaign.cases import HANDLED, SLOWEST_WHOLE, Case

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Kills that one run goes through before it may end.
IN_A_ROW = 5
# Seconds that may pass before one that was told to stop is gone, and that a whole run may take.
PATIENCE, LONGEST = 120, SLOWEST_WHOLE / 2
# Imports would take most of the time, and kills hit little else: a server does them once, and forks what is killed.
FORKED = get_context("forkserver")


@dataclass
class Work:
    """Something that takes long, and that is called again until it is done.

    Attributes:
        call: does it in a folder of its own, or goes on there.
        check: raises AssertionError if what lies in the folder is not whole, or went back; called after every kill.
        same: raises AssertionError unless two folders hold the same results.
        whole: the folder of a run that nobody stopped.
        seconds: that it took.
        folder: that of the run which is being killed.
        runs: how many of those there were.
    """

    call: Callable[[Path], None]
    check: Callable[[Path], object]
    same: Callable[[Path, Path], None]
    whole: Path
    seconds: float = 0.0
    runs: int = 0
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        FORKED.set_forkserver_preload([self.call.__module__])
        self._anew()

    def run_whole(self) -> None:
        """Work out what all others are held against, and how long it takes."""
        ready = FORKED.Process(target=int)  # once the server has its imports
        ready.start()
        ready.join()
        begun = time.monotonic()
        process = self._begin(self.whole)
        process.join(LONGEST)
        assert process.exitcode == 0, f"ended with {process.exitcode}"
        self.seconds = time.monotonic() - begun

    def kill(self, number: int, moment: float) -> None:
        """Send a signal to every process of it; one that ended before is judged, and another one killed earlier."""
        process = self._begin(self.folder)
        process.join(moment * self.seconds)
        while process.exitcode is not None:
            self._judge(process)
            moment /= 2
            process = self._begin(self.folder)
            process.join(moment * self.seconds)
        os.killpg(process.pid, number)
        process.join(PATIENCE)
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            raise AssertionError("still there two minutes after the signal")
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


def kills_of(work: Work, rng: random.Random) -> Iterator[Case]:
    """Kills in a row, then the end beside that of a run that nobody stopped; and again."""
    yield Case("a run that nobody kills", work.run_whole, (HANDLED,), SLOWEST_WHOLE)
    while True:
        for _ in range(IN_A_ROW):
            number, moment = rng.choice(SIGNALS), rng.random()
            name = f"{signal.Signals(number).name} after {moment:.0%} of its time"
            yield Case(name, partial(work.kill, number, moment), (HANDLED,), SLOWEST_WHOLE)
        yield Case("killed and called again, it ends bit for bit as the whole one", work.end, (HANDLED,), SLOWEST_WHOLE)


def _in_a_group(call: Callable[[Path], None], folder: Path) -> None:
    os.setpgid(0, 0)
    # As in a command of its own; else the loader's processes would be forked from another server.
    set_start_method("fork", force=True)
    torch.set_num_threads(1)
    call(folder)
