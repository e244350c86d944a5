"""What all tests share: which are run apart, and how several run at once."""

import gc
import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Workers of pytest-xdist share the cores already.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist hand out files in the order below; it would begin with those of the most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Have one worker look at the pages: a second one would start another server, and its caches are cold."""
    return _OneBrowser(config, log) if config.option.dist == "loadfile" else None


class _OneBrowser(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "browser" if _shares_the_server(Path(nodeid.split("::")[0])) else super()._split_scope(nodeid)


def _shares_the_server(path: Path) -> bool:
    return path.parent.name == "served"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the browser; files that take long come first, so that none runs alone at the end."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    long = {item.path for item in items if item.get_closest_marker("browser") or item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not _shares_the_server(item.path), item.path not in long))


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look through all of it time and again."""
    gc.freeze()
