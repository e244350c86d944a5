"""Commands in processes of their own, forked from one that has imported PyTorch: importing takes longer than the tests.

How a command ends in an interpreter of its own is for :mod:`tests.engine.test_stop`, which starts them as users do.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["obcn.engine.train", "obcn.engine.evaluate", "obcn.records.files"])


class Forked:
    """As much of :class:`subprocess.Popen` as the tests use; what it says on stderr goes to a file.

    Args:
        command: ``-m``, a module and its words, or ``-c``, a script and its words.
        environment: what is added to this process's.
    """

    def __init__(self, *command: str, **environment: str) -> None:
        descriptor, self._errors = tempfile.mkstemp(prefix="obcn-stderr-")
        os.close(descriptor)
        self._process = _FORKS.Process(target=_run, args=(command, dict(os.environ) | environment, self._errors))
        main = sys.modules["__main__"]
        # A page under test may stand there, which multiprocessing would run again in the new process.
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            self._process.start()
        finally:
            sys.modules["__main__"] = main
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def errors(self) -> str:
        """What it has said so far."""
        return Path(self._errors).read_text()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def finish(self, timeout: float) -> str:
        """What it said, once it has ended.

        Raises:
            TimeoutError: it is still at work.
        """
        self._process.join(timeout)
        if self.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            raise TimeoutError(f"still at work after {timeout} s: {self.errors()}")
        return self.errors()


def _run(command: tuple[str, ...], environment: dict[str, str], errors: str) -> None:
    import torch

    # It would start its own processes as the fork server's, which outlive a command that is killed.
    multiprocessing.set_start_method(None, force=True)
    os.setsid()
    os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    # Layers this small spend more time on waking threads than on sums.
    torch.set_num_threads(1)
    kind, what, *words = command
    sys.argv = [what, *words]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
