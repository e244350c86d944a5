"""The Loss lab without a browser."""

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

REGRESSIONS = ("L2", "Smooth L1", "GIoU")
DISTRIBUTIONS = ("offset bins", "DFL", "D-FINE", "distance bins")
VIEW = Path(__file__).parents[2] / "app" / "loss_lab" / "loss_lab.py"


@pytest.fixture
def page() -> AppTest:
    app = AppTest.from_file(str(VIEW), default_timeout=300).run()
    assert not app.exception
    return app


def figures_of(app: AppTest) -> list[dict]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def table_of(app: AppTest) -> dict[str, dict[str, str]]:
    """Loss name to its figures by heading."""
    (html,) = [element.proto.body for element in app.get("html") if "<table" in element.proto.body]
    _, *heads = re.findall(r'<th scope="col">(.*?)</th>', html)
    rows = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', html)
    return {name: dict(zip(heads, re.findall("<td>(.*?)</td>", cells), strict=True)) for name, cells in rows}


def marks_of(figure: dict) -> dict[str, tuple[float, float]]:
    """Loss name to the point that is marked on its curve."""
    return {
        trace["name"].removesuffix(" here"): (trace["x"][0], trace["y"][0])
        for trace in figure["data"]
        if trace.get("mode") == "markers"
    }


def test_the_error_moves_the_marks_and_where_the_descent_goes(page) -> None:
    page.slider(key="error").set_value(-3.0).run()
    assert not page.exception
    loss, gradient, prediction, _, belief = figures_of(page)
    assert marks_of(loss)["L2"] == (-3, 4.5)
    assert marks_of(gradient)["Smooth L1"] == (-3, 1)
    curve = next(trace for trace in prediction["data"] if trace["name"] == "L2")
    assert curve["y"][-1] == pytest.approx(-3, abs=1e-3)
    assert any(trace["name"] == "target -3.00" for trace in belief["data"])


@pytest.mark.slow
def test_beta_a_m_and_spread_reach_the_losses(page) -> None:
    before = figures_of(page)
    page.slider(key="beta").set_value(0.25).run()
    assert marks_of(figures_of(page)[0])["Smooth L1"][1] == pytest.approx(2 - 0.125)
    page.slider(key="m").set_value(4).run()
    bars = figures_of(page)[4]["data"][0]
    assert len(bars["y"]) == 6
    page.slider(key="a").set_value(1.0).run()
    assert bars["x"] != figures_of(page)[4]["data"][0]["x"]
    page.slider(key="spread").set_value(2.0).run()
    assert marks_of(figures_of(page)[0])["offset bins"] != marks_of(before[0])["offset bins"]


def test_the_step_is_marked_and_told(page) -> None:
    page.slider(key="step").set_value(1).run()
    assert not page.exception
    assert marks_of(figures_of(page)[2])["L2"] == (1, 1.0), "half the error of 2 at a rate of 0.5"
    row = table_of(page)["L2"]
    assert row["after step 1"] == "1.000"
    assert row["steps until close"] == "4"


def test_a_loss_that_never_comes_close_says_so(page) -> None:
    page.slider(key="error").set_value(5.0).run()
    assert table_of(page)["offset bins"]["steps until close"] == "more than 60"


def test_every_loss_at_once_and_none(page) -> None:
    page.get("button_group")[0].set_value([*REGRESSIONS, *DISTRIBUTIONS])
    page.run()
    assert not page.exception
    assert len(table_of(page)) == 7
    assert len(figures_of(page)) == 8, "two rows of two, and four beliefs"
    page.get("button_group")[0].set_value([]).run()
    assert not page.exception
    assert "Choose a loss" in page.info[0].value
    assert figures_of(page) == []


@pytest.mark.parametrize("error", [-5.0, 0.0])
@pytest.mark.parametrize("m", [2, 60])
def test_extremes(page, error, m) -> None:
    page.slider(key="error").set_value(error)
    page.slider(key="m").set_value(m)
    page.slider(key="step").set_value(0).run()
    assert not page.exception


def test_a_link_opens_with_what_it_says() -> None:
    app = AppTest.from_file(str(VIEW), default_timeout=300)
    app.query_params.update({"error": "-1.5", "m": "40", "losses": "DFL"})
    app.run()
    assert not app.exception
    assert app.slider(key="error").value == -1.5
    assert app.slider(key="m").value == 40
    assert list(table_of(app)) == ["DFL"]
