"""Which pages there are, and that each opens by its own address."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from app.compare import links, scoring
from app.explore.controls import OTHER_KEYS
from app.records.choice import EXPLORE_KEYS
from obcn.errors import UserError
from tests.app.test_errors_page import write

MAIN = Path(__file__).parents[2] / "app" / "main.py"
VIEWS = sorted(path.stem for path in MAIN.parent.glob("*/*.py") if path.stem == path.parent.name)


def test_every_view_is_in_the_menu() -> None:
    listed = re.findall(r'st\.Page\("(\w+)/\1\.py"', MAIN.read_text(encoding="utf-8"))
    assert sorted(listed) == VIEWS


@pytest.mark.slow
def test_no_key_in_the_address_belongs_to_two_pages(monkeypatch, tmp_path) -> None:
    """Streamlit lets no page write to the address what a control of another is bound to, nor share its value."""
    monkeypatch.chdir(tmp_path)
    records = [write("a.parquet", "regression"), write("b.parquet", "bins", 1)]
    monkeypatch.setattr(scoring, "scores", _fail)
    bound: dict[str, set[str]] = {}
    register = QueryParams.bind_widget
    for view in VIEWS:
        keys = bound.setdefault(view, set())
        monkeypatch.setattr(
            QueryParams,
            "bind_widget",
            lambda self, param_key, *rest, keys=keys, **options: (
                keys.add(param_key),
                register(self, param_key, *rest, **options),
            ),
        )
        app = AppTest.from_file(str(MAIN), default_timeout=300)
        if view in ("explore", "errors"):
            app.query_params["records" if view == "explore" else "files"] = records
        assert not app.switch_page(f"{view}/{view}.py").run().exception
    # Kinds are of mistakes alone, which this visit does not show.
    assert bound["explore"] >= {*EXPLORE_KEYS.values(), *OTHER_KEYS} - {"kinds"}
    assert bound["compare"] >= {"models", "rule"}
    bound["compare"] |= {*links._PHOTO, "object"}
    shared = [keys for pair in combinations(bound.values(), 2) if (keys := set.intersection(*pair))]
    assert shared == []


def _fail(*_: object) -> None:
    raise UserError("no network runs here")


def test_streamlit_sees_no_pages_of_its_own(monkeypatch) -> None:
    """It would run them without main.py where a page's address is the first that is visited after a start."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    PagesManager(str(MAIN), ScriptCache())
    assert PagesManager.uses_pages_directory is False
