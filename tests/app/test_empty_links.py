"""Links that name a choice and give none."""

import pytest
from streamlit.testing.v1 import AppTest

from app.compare import scoring
from tests.app.test_errors_page import write
from tests.app.test_hosting import _fail
from tests.app.test_navigation import MAIN

NAMES = {
    "compare": ("photo", "models", "rule", "stages", "temperature", "score", "nms", "belief", "object", "image"),
    "explore": ("show", "picture", "sort", "page", "head", "against", "classes", "sizes", "measure", "iou", "truth"),
    "errors": ("unit", "stage"),
    "loss_lab": ("error", "rate", "head"),
    "results": ("study",),
    "models": ("checkpoints",),
}


@pytest.mark.parametrize("view", NAMES)
def test_an_empty_value_is_as_good_as_none(tmp_path, monkeypatch, view) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring, "scores", _fail)
    page = AppTest.from_file(str(MAIN), default_timeout=300)
    page.switch_page(f"{view}/{view}.py")
    if view in ("explore", "errors"):
        records = [write("a.parquet", "regression"), write("b.parquet", "bins", 1)]
        page.query_params["records" if view == "explore" else "files"] = records
    for name in NAMES[view]:
        page.query_params[name] = ""
    page.run()
    assert not page.exception
