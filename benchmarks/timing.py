"""What the benchmarks of pages share: a page's script run by Streamlit's test runner, against the clock."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

# The aim for an interaction once what it needs has been read, in seconds on two CPU cores.
LIMIT = 0.3
LEGEND = "median seconds (of processor time), slowest"

Change = Callable[[], object]

# A server looks through all installed packages for components once, as it starts; the test runner does in every run.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def machine() -> str:
    """What a reader must know of the machine to judge the figures."""
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"


def timed(app: AppTest, change: Change = lambda: None) -> tuple[float, float]:
    """Make a change and run the page.

    Returns:
        Seconds by the clock, and of processor time: on a machine that does other work too, that is the page's own.

    Raises:
        SystemExit: the page showed an error.
    """
    change()
    started, worked = time.perf_counter(), time.process_time()
    app.run()
    seconds = time.perf_counter() - started, time.process_time() - worked
    if app.exception or app.error:
        raise SystemExit("the page did not draw: " + "; ".join(item.value for item in (*app.exception, *app.error)))
    return seconds


def report(what: str, app: AppTest, changes: Sequence[Change]) -> float:
    """Time some changes of one kind and print a line.

    Returns:
        Their median, in seconds by the clock.
    """
    walls, busy = zip(*(timed(app, change) for change in changes), strict=True)
    median = statistics.median(walls)
    print(f"{what:<44}{median:.2f} ({statistics.median(busy):.2f}), {max(walls):.2f}", flush=True)
    return median
