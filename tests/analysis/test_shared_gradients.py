"""Gains at equal gradient norm, on outcomes made up so that the equal pair is not the pair of equal shares."""

import numpy as np
import pytest

from analysis.results_page import equal_norms, gradient_table
from obcn.figures.studies import study_figure
from obcn.metrics import OF_THE_PAPER
from obcn.studies.shared_gradients import (
    COSINE,
    OF_BOXES,
    OF_CLASSES,
    at_equal_norm,
    has_shared_gradients,
    shared_gradient_table,
)
from obcn.studies.study import Row, Study, load_study
from obcn.studies.study_results import StudyResults
from tests.analysis.test_studies import results as made_up

SHARES = (0.0, 0.1, 1.0, 3.0)
# Bins at g = 1 ask as much as Smooth L1 at g = 3. At g = 0.1 norms lie closer, but one is three times the other.
NORMS = {"Smooth L1": (0.0, 0.002, 0.1, 0.31), "bins": (0.0, 0.006, 0.3, 0.9)}
APS = {"Smooth L1": (30.0, 31.0, 33.0, 35.0), "bins": (31.0, 32.0, 36.5, 34.0)}

STUDY = Study(
    title="Shared",
    question="Which?",
    baseline="Smooth L1, g = 1",
    axis="share g",
    figure="norms",
    rows=tuple(
        Row(name=f"{curve}, g = {share:g}", curve=curve, at=share, head={}) for curve in NORMS for share in SHARES
    ),
)


def _outcome(curve: str, place: int, seed: int) -> dict[str, float]:
    # Seeds move bins by a point and Smooth L1 by none, so gains differ by seed.
    ap = APS[curve][place] + (seed if curve == "bins" else 0)
    norm = NORMS[curve][place]
    gradients = {OF_CLASSES: 0.5, OF_BOXES: norm, COSINE: 0.25 if norm else float("nan")}
    return {figure: ap + number for number, figure in enumerate(OF_THE_PAPER)} | gradients


@pytest.fixture
def results() -> StudyResults:
    outcomes = {
        (f"{curve}, g = {share:g}", seed): _outcome(curve, place, seed)
        for curve in NORMS
        for place, share in enumerate(SHARES)
        for seed in (0, 1)
    }
    return made_up(STUDY, outcomes)


def test_the_pair_is_of_equal_norms_not_of_equal_shares(results: StudyResults) -> None:
    found = at_equal_norm(results, "bins", "Smooth L1")
    assert (found.row, found.other) == ("bins, g = 1", "Smooth L1, g = 3")
    assert (found.norm, found.other_norm) == (pytest.approx(0.3), pytest.approx(0.31))
    # 36.5 and 37.5 against 35.
    assert found.gain == pytest.approx(2.0)
    assert found.deviation == pytest.approx(0.5**0.5)
    assert found.half == pytest.approx(12.71 * 0.5), "Student's t of one degree of freedom"


def test_a_table_of_means_without_a_cosine_where_nothing_is_shared(results: StudyResults) -> None:
    table = shared_gradient_table(results).set_index("row")
    assert table.loc["bins, g = 3", "AP"] == pytest.approx(34.5)
    assert table.loc["bins, g = 3", OF_BOXES] == pytest.approx(0.9)
    assert np.isnan(table.loc["bins, g = 0", COSINE])


def test_the_page_says_norms_and_gains(results: StudyResults) -> None:
    table = gradient_table(results)
    assert "| bins, g = 1 | 0.50 | 0.300 | +0.25 |" in table
    assert "| bins, g = 0 | 0.50 | 0.000 |  |" in table
    assert "- bins, g = 1 (norm 0.300) over Smooth L1, g = 3 (0.310): +2.0 ± 0.7 points of AP" in equal_norms(results)


def test_the_figure_has_every_share_and_no_gradient_at_the_edge(results: StudyResults) -> None:
    figure = study_figure(results)
    bins = next(trace for trace in figure.data if trace.name == "bins")
    assert list(bins.text) == ["0", "0.1", "1", "3"]
    assert bins.x[0] == pytest.approx(0.002 / 3)
    assert list(bins.x[1:]) == pytest.approx([0.006, 0.3, 0.9])
    assert figure.layout.xaxis.ticktext[0] == "none"
    # Bins rise to 36.5 and fall to 34: a share stands above the line that rises to it, and below one that falls.
    assert list(bins.textposition) == ["top left", "top left", "top left", "bottom left"]


def test_only_studies_with_a_gate_have_shared_gradients(results: StudyResults) -> None:
    assert has_shared_gradients(results)
    plain = {name: {seed: {"AP": found["AP"]} for seed, found in by.items()} for name, by in results.outcomes.items()}
    assert not has_shared_gradients(results.model_copy(update={"outcomes": plain}))


def test_the_study_draws_norms() -> None:
    assert load_study("shared_gradient").figure == "norms"
