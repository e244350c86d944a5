"""Result files read, tabled beside the paper, and drawn; on figures whose sums are easy."""

import json

import pandas as pd
import pytest

from analysis.ap_by_iou import ap_figure
from app.results.folder import comparison_table, evaluation_rows, read_folder, study_rows
from app.tables import html_table
from obcn.checkpoints import Evaluation
from obcn.figures.gains import fitted, paper_gains_figure
from obcn.figures.lines import model_lines
from obcn.figures.palette import DARK
from obcn.figures.studies import study_figure
from obcn.studies.paper import load_paper
from obcn.studies.study_results import write_results
from tests.analysis.test_studies import results


def evaluation(ap: float) -> Evaluation:
    return Evaluation(command="obcn eval --model obcn", data="val.json", images=7, metrics={"AP": ap, "AP50": ap + 30})


EVALUATIONS = {"obcn_plain": evaluation(41.0), "regression": evaluation(40.0), "mine": evaluation(39.5)}
CURVES = pd.DataFrame(
    {
        "model": ["one", "one", "two", "two"],
        "iou": [0.5, 0.55, 0.5, 0.55],
        "ap": [70.0, 60, 71, 63],
        "ap_low": [69.0, 59, 70, 62],
        "ap_high": [71.0, 61, 72, 64],
        "ap_localised": [80.0, 80, 80, 80],
        "difference": [0.0, 0, 1, 3],
        "difference_low": [0.0, 0, 0, 2],
        "difference_high": [0.0, 0, 2, 4],
    }
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "some-val").mkdir()
    for name, found in EVALUATIONS.items():
        (tmp_path / "some-val" / f"{name}.json").write_text(found.model_dump_json())
    CURVES.to_csv(tmp_path / "some-val" / "ap_by_iou.csv")
    write_results(tmp_path / "frozen-trunk" / "table1.json", results())
    return tmp_path


def test_everything_that_lies_there_is_read(folder) -> None:
    found = read_folder(folder)
    assert found.evaluations["some-val"]["obcn_plain"].metrics["AP"] == 41
    assert found.curves["some-val"].difference.max() == 3
    assert found.studies["table1"].title == "Bins against numbers"
    assert found.problems == []


def test_what_is_damaged_is_told_and_the_rest_is_read(folder) -> None:
    (folder / "some-val" / "cut.json").write_text('{"command": "obcn')
    (folder / "frozen-trunk" / "cut.json").write_text(json.dumps({"title": "half"}))
    (folder / "some-val" / "ap_by_iou.csv").write_text("model,iou\none,0.5\n")
    found = read_folder(folder)
    assert [next(word for word in problem.split() if "/" in word).split("/")[-1] for problem in found.problems] == [
        "cut.json",
        "cut.json",
        "ap_by_iou.csv",
    ]
    assert len(found.evaluations["some-val"]) == 3
    assert list(found.studies) == ["table1"]


def test_an_empty_csv_is_told(folder) -> None:
    (folder / "some-val" / "ap_by_iou.csv").write_text("")
    assert "not a table" in read_folder(folder).problems[0]


def test_no_folder_no_results(tmp_path) -> None:
    found = read_folder(tmp_path / "none")
    assert not found.evaluations
    assert not found.studies
    assert not found.problems


def test_gains_are_from_regression_and_stand_beside_the_papers() -> None:
    rows = evaluation_rows(EVALUATIONS, load_paper()).set_index("row")
    assert list(rows.index) == ["regression", "mine", "obcn plain"]
    assert rows.loc["obcn plain", "gain"] == 1.0
    assert rows.loc["obcn plain", "paper_gain"] == pytest.approx(4.0), "two stages by expectation: 49.0 - 45.0"
    assert rows.loc["obcn plain", "gain_difference"] == pytest.approx(-3.0)
    assert rows.loc["mine", "gain"] == -0.5
    assert pd.isna(rows.loc["mine", "paper_AP"])
    assert pd.isna(rows.loc["regression", "gain"])


def test_gains_are_from_regression_of_the_same_seed() -> None:
    second = {"obcn_seed_1": evaluation(44.0), "regression_seed_1": evaluation(41.5), "obcn_seed_2": evaluation(44.0)}
    table = evaluation_rows(EVALUATIONS | second, load_paper()).set_index("row")
    assert list(table.index) == [
        "regression", "mine", "obcn plain", "regression seed 1", "obcn seed 1", "obcn seed 2"
    ]  # fmt: skip
    assert table.gain["obcn seed 1"] == pytest.approx(2.5)
    assert table.gain[["regression seed 1", "obcn seed 2"]].isna().all()


def test_without_a_baseline_no_gain_is_claimed() -> None:
    rows = evaluation_rows({"obcn_plain": EVALUATIONS["obcn_plain"]}, load_paper())
    assert rows.gain.isna().all()
    assert "gain in AP" not in comparison_table(rows)


def test_a_study_keeps_its_deviations() -> None:
    rows = study_rows(results()).set_index("row")
    assert rows.loc["bins", "gain"] == 2.5
    assert rows.loc["bins", "gain_difference"] == pytest.approx(0.0)
    assert pd.isna(rows.loc["numbers", "gain"])
    shown = comparison_table(study_rows(results())).set_index("head")
    assert shown.loc["numbers", "AP"] == "31.0 ± 1.4"
    assert shown.loc["bins", "gain in AP"] == "+2.5 ± 0.7"
    assert shown.loc["x", "gain in AP"] == "+0.0 ± 1.4"
    assert shown.loc["x", "paper's AP"] == ""


def test_losses_have_a_minus_sign() -> None:
    shown = comparison_table(evaluation_rows(EVALUATIONS, load_paper())).set_index("head")
    assert shown.loc["mine", "gain in AP"] == "\N{MINUS SIGN}0.5"


def test_bars_show_both_gains_of_the_rows_that_have_both() -> None:
    figure = paper_gains_figure(evaluation_rows(EVALUATIONS, load_paper()), DARK)
    bars = {bar.name: dict(zip(bar.y, bar.x, strict=True)) for bar in figure.data}
    assert bars["ours"] == {"obcn plain": 1.0}
    assert bars["the paper"]["obcn plain"] == pytest.approx(4.0)
    assert figure.data[0].marker.pattern.shape != figure.data[1].marker.pattern.shape, "told apart without colour"


def test_a_figure_of_analysis_takes_the_pages_paper_and_width() -> None:
    figure = fitted(ap_figure(CURVES, model_lines(list(CURVES.model.unique()), DARK), DARK), DARK)
    assert [note.text for note in figure.layout.annotations] == []
    figure = fitted(study_figure(results(), DARK), DARK)
    assert figure.layout.width is None
    assert figure.layout.title.text is None
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_text_from_files_cannot_become_markup() -> None:
    html = html_table(pd.DataFrame({"": ["<script>"], "AP": ["<b>1"]}), '"><script>')
    assert "<script>" not in html
    assert "<b>" not in html
