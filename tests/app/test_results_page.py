"""The Results page without a browser."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.results import folder
from obcn.metrics import OF_THE_PAPER
from obcn.studies.study import load_study
from obcn.studies.study_results import write_results
from tests.analysis.test_studies import results as made_up

VIEW = Path(__file__).parents[2] / "app" / "results" / "results.py"


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(VIEW), default_timeout=300)
    app.query_params.update(address)
    return app.run()


def html_of(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def test_the_shipped_results_stand_beside_the_papers() -> None:
    app = opened()
    assert not app.exception
    assert not app.warning
    page = html_of(app)
    assert "obcn one stage argmax" in page
    assert "+4.0" in page, "the paper's gain of two stages by expectation"
    assert any("obcn eval --model obcn" in code.value for code in app.code)
    assert any("seed 0" in text.value for text in app.markdown), "the shipped cards tell how they were trained"
    assert len(app.get("plotly_chart")) >= 3


@pytest.mark.parametrize("there", [True, False])
def test_with_nothing_to_show_the_page_says_which_commands_measure(monkeypatch, tmp_path, there) -> None:
    monkeypatch.setattr(folder, "RESULTS", tmp_path if there else tmp_path / "none")
    app = opened()
    assert not app.exception
    assert "no results yet" in app.info[0].value
    assert "obcn eval" in app.code[0].value


def test_studies_alone_can_be_chosen_and_linked_to(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(folder, "RESULTS", tmp_path)
    write_results(tmp_path / "frozen-trunk" / "first.json", made_up())
    write_results(tmp_path / "frozen-trunk" / "second.json", made_up().model_copy(update={"title": "The other"}))
    app = opened()
    assert not app.exception
    assert app.selectbox(key="chosen-study").options == ["Bins against numbers", "The other"]
    assert any("the paper gains 2.5 points of AP" in text.value and "+2.5 ± 0.7" in text.value for text in app.markdown)
    assert any("regression-12345678" in text.value for text in app.markdown)
    app.selectbox(key="chosen-study").set_value("second").run()
    assert not app.exception
    assert app.selectbox(key="chosen-study").value == "second"
    assert app.query_params["study"] == "second"
    linked = opened(study="second")
    assert linked.selectbox(key="chosen-study").value == "second"
    assert opened(study="no such study").selectbox(key="chosen-study").value == "first"


def test_a_study_with_curves(monkeypatch, tmp_path) -> None:
    study = load_study("figure5")
    outcomes = {(row.name, seed): dict.fromkeys(OF_THE_PAPER, 40.0 + seed) for row in study.rows for seed in (0, 1)}
    monkeypatch.setattr(folder, "RESULTS", tmp_path)
    write_results(tmp_path / "frozen-trunk" / "figure5.json", made_up(study, outcomes))
    app = opened(study="figure5")
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    assert any("numbers run along the axis" in text.value for text in app.caption)


def test_damaged_files_get_a_line_each(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(folder, "RESULTS", tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a_b*c.json").write_text("{")
    app = opened()
    assert not app.exception
    (line,) = app.warning
    assert "obcn eval --json" in line.value.replace("\\", "")


def test_a_results_folder_without_a_baseline(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(folder, "RESULTS", tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "best.json").write_text(
        '{"command": "obcn eval", "data": "val.json", "images": 3, "metrics": {"AP": 12.3}}'
    )
    app = opened()
    assert not app.exception
    assert "12.3" in html_of(app)
    assert not app.get("plotly_chart")
