"""Links that name a choice and give none."""

import pytest
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from app.compare import links, scoring
from app.explore.controls import OTHER_KEYS
from app.records.choice import ERRORS_KEYS, EXPLORE_KEYS
from tests.app.test_errors_page import write
from tests.app.test_hosting import _fail
from tests.app.test_navigation import MAIN

# Every parameter of every page, by page.
NAMES = {
    "compare": (
        *(*links._PHOTO, links._WEIGHTS, "object", "belief", "models"),
        *("rule", "stages", "temperature", "score", "nms", "rank", "merge"),
    ),
    "explore": (*EXPLORE_KEYS.values(), *OTHER_KEYS),
    "errors": (*ERRORS_KEYS.values(), "unit", "stage", "numbers"),
    "loss_lab": ("losses", "a", "m", "beta", "spread", "rate", "error", "step"),
    "results": ("study",),
    "models": ("checkpoints",),
}
# What a page must be told so that it draws all its controls.
TOLD: dict[str, list[dict[str, str]]] = {"explore": [{}, {"show": "mistakes"}, {"measure": "IoU"}]}


@pytest.mark.parametrize(("view", "told"), [(view, told) for view in NAMES for told in TOLD.get(view, [{}])])
def test_an_empty_value_is_as_good_as_none(tmp_path, monkeypatch, view, told) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring, "scores", _fail)
    bound = set()
    bind = QueryParams.bind_widget
    monkeypatch.setattr(
        QueryParams,
        "bind_widget",
        lambda self, param_key, *rest, **named: (bound.add(param_key), bind(self, param_key, *rest, **named)),
    )
    page = AppTest.from_file(str(MAIN), default_timeout=300)
    page.switch_page(f"{view}/{view}.py")
    for name in NAMES[view]:
        page.query_params[name] = ""
    page.query_params.update(told)
    if view in ("explore", "errors"):
        records = [write("a.parquet", "regression"), write("b.parquet", "bins", 1)]
        page.query_params["records" if view == "explore" else "files"] = records
    page.run()
    assert not page.exception
    assert bound <= set(NAMES[view]), "the list is whole"
