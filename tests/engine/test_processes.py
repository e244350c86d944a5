"""Forked commands start whatever stands as this process's main module."""

import sys
from types import ModuleType

import pytest

from tests.engine.processes import Forked


@pytest.mark.slow
def test_a_page_that_a_test_left_as_main_is_not_run_again(tmp_path, monkeypatch) -> None:
    page = tmp_path / "page.py"
    page.write_text("raise SystemExit('the page was run')")
    main = ModuleType("__main__")
    main.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "__main__", main)
    process = Forked("-c", "pass")
    errors = process.finish(timeout=600)
    assert process.returncode == 0, errors
    assert sys.modules["__main__"] is main
