"""Ctrl-C and SIGTERM, taken as a wish that a run grants at the next point where nothing is lost."""

import signal
import threading
from types import FrameType


class StopSignals:
    """Notes the first SIGINT or SIGTERM while this context is open; a second one acts as it would have without.

    Outside the main thread, where Python lets nobody set handlers, it notes nothing.

    Attributes:
        received: the signal's number; None until one came.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
