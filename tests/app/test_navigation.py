"""Which pages there are, and that each opens by its own address."""

import re
from pathlib import Path

from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner.script_cache import ScriptCache

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def test_every_view_is_in_the_menu() -> None:
    listed = re.findall(r'st\.Page\("views/(\w+)\.py"', MAIN.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.stem for path in (MAIN.parent / "views").glob("*.py"))


def test_streamlit_sees_no_pages_of_its_own(monkeypatch) -> None:
    """It would run them without main.py where a page's address is the first that is visited after a start."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    PagesManager(str(MAIN), ScriptCache())
    assert PagesManager.uses_pages_directory is False
