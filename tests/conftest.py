"""What all tests share: which are run apart, and how several run at once."""

import gc
import os

import pytest

# Workers of pytest-xdist share the cores already.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Importing makes little garbage and a great many objects, which would be looked through again and again.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist hand out files in the order below; it would begin with those of the most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the browser; files that take long come first, so that none runs alone at the end.

    Before all come those of the running app: a worker that turns to others ends its server.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    long = {item.path for item in items if item.get_closest_marker("browser") or item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name != "served", item.path not in long))


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look through all of it time and again."""
    gc.freeze()
    gc.enable()
