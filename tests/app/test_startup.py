"""What a server loads once, whoever comes first and however many come at once."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import startup
from obcn.errors import UserError
from tests.app.browsing import ROOT

BEFORE = """
import sys
sys.path.insert(0, ".")
import app.startup, app.style, obcn.errors
print(*sys.modules)
"""

AFTER = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from app import startup
startup.wait_until_ready()
before = set(sys.modules)
from streamlit.testing.v1 import AppTest
page = AppTest.from_file("app/main.py", default_timeout=300)
for view in ("compare", "explore", "errors", "loss_lab", "results", "models"):
    assert not page.switch_page(f"{view}/{view}.py").run().exception, view
print(*(set(sys.modules) - before))
"""


@pytest.fixture
def fresh(monkeypatch) -> None:
    """As before the first visit."""
    monkeypatch.setattr(startup, "_loading", None)


def test_many_at_once_load_once_and_all_wait(fresh, monkeypatch) -> None:
    let_go, loads = threading.Event(), []
    monkeypatch.setattr(startup, "_load", lambda: (loads.append(1), let_go.wait(30)))
    with ThreadPoolExecutor(7) as visitors:
        waiting = [visitors.submit(startup.wait_until_ready) for _ in range(7)]
        assert not startup.is_ready()
        assert not any(visit.done() for visit in waiting)
        let_go.set()
        assert [visit.result(30) for visit in waiting] == [None] * 7
    assert startup.is_ready()
    startup.wait_until_ready()
    assert loads == [1]


def test_a_failure_is_told_to_all_and_the_next_visit_tries_again(fresh, monkeypatch) -> None:
    let_go = threading.Event()

    def fail() -> None:
        let_go.wait(30)
        raise ImportError("libtorch.so is cut short")

    monkeypatch.setattr(startup, "_load", fail)
    with ThreadPoolExecutor(2) as visitors:
        waiting = [visitors.submit(startup.wait_until_ready) for _ in range(2)]
        let_go.set()
        for visit in waiting:
            with pytest.raises(UserError, match=r"libtorch\.so is cut short.*reload"):
                visit.result(30)
    assert not startup.is_ready()
    monkeypatch.setattr(startup, "_load", lambda: None)
    startup.wait_until_ready()
    assert startup.is_ready()


def test_the_words_appear_before_anything_heavy_is_imported() -> None:
    assert not {"torch", "torchvision", "pyarrow", "plotly"}.intersection(modules_of(BEFORE))


@pytest.mark.slow
def test_no_page_imports_in_a_visitors_thread() -> None:
    ours = ("app", "obcn", "analysis", "torch", "torchvision", "timm")
    assert [name for name in modules_of(AFTER) if name.split(".")[0] in ours] == []


def modules_of(script: str) -> list[str]:
    """The names that a script of its own process prints."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
