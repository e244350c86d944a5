"""The page of results: figures filled into findings, verdicts in words, and the committed page against its files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.frozen.runner import trunk_name
from analysis.results_page import ORDER, fill_in, results_page, signed, verdict
from obcn.checkpoints import load_checkpoint
from obcn.errors import UserError
from obcn.studies.shared_gradients import at_equal_norm
from obcn.studies.study import load_protocol, load_study
from obcn.studies.study_results import read_results
from tests.analysis.test_studies import results

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "results" / "frozen-trunk"


def test_a_finding_gets_its_figures_from_the_results() -> None:
    text = fill_in(
        "Bins reach [[bins | AP50]], [[bins minus numbers | AP]] over numbers; x [[x minus numbers | AP90]].", results()
    )
    # AP50 of bins: 34 and 35. Seed by seed +3 and +2; -1 and +1.
    assert text == "Bins reach 34.5, +2.5 ± 0.7 over numbers; x +0.0 ± 1.4."


@pytest.mark.parametrize("quoted", ["[[bones | AP]]", "[[bins | AP51]]", "[[bins minus bones | AP]]"])
def test_a_finding_about_nothing_is_an_error(quoted) -> None:
    with pytest.raises(UserError, match="finding"):
        fill_in(quoted, results())


@pytest.mark.parametrize(
    ("gain", "deviation", "paper_gain", "said"),
    [
        # Of three seeds, Student's t: 4.30 * 0.3 / sqrt(3) = 0.74.
        (2.4, 0.3, 2.5, "reproduced: +2.4 ± 0.3 (95% interval +1.7 to +3.1)."),
        (1.0, 0.3, 2.5, "**not reproduced** at that size, ours is smaller: +1.0 ± 0.3"),
        (3.5, 0.3, 2.5, "**not reproduced** at that size, ours is larger: +3.5 ± 0.3"),
        (0.4, 0.1, 2.5, "**not reproduced**, less than a quarter of it: +0.4 ± 0.1"),
        (0.7, 0.3, 2.5, "**not reproduced**: +0.7 ± 0.3"),
        (0.5, 0.1, 0.55, "reproduced: +0.5 ± 0.1"),
        (0.7, 0.9, 2.5, "3 seeds cannot tell: +0.7 ± 0.9"),
        (-1.0, 0.3, 2.5, "**not reproduced**, we see the opposite: \N{MINUS SIGN}1.0 ± 0.3"),
        (-0.5, 0.1, -0.7, "reproduced: \N{MINUS SIGN}0.5 ± 0.1"),
    ],
)
def test_what_the_paper_saw_and_we_do_or_do_not(gain, deviation, paper_gain, said) -> None:
    sentence = verdict("bins", gain, deviation, 3, paper_gain)
    assert said in sentence
    assert f"{'loses' if paper_gain < 0 else 'gains'} {abs(paper_gain):.1f}" in sentence


def test_the_committed_page_is_what_the_committed_files_give(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == results_page(Path("results")) + "\n"


@pytest.mark.parametrize("name", [name for name in ORDER if (COMMITTED / f"{name}.json").is_file()])
def test_committed_results_are_of_the_study_as_it_stands(name) -> None:
    study, found = load_study(name), read_results(COMMITTED / f"{name}.json")
    assert [row["row"] for row in found.table] == [row.name for row in study.rows]
    assert found.baseline == study.baseline
    assert len(found.protocol.seeds) >= 3
    assert not any("dirty" in commit for commit in found.commits), "made by commits that anyone can check out"
    # Before, class scores started differently in heads of different width.
    assert found.dates[0] > "2026-11-24T14:12", "from equal starts"


def test_all_results_rest_on_the_trunk_that_the_protocol_names() -> None:
    """Mutant: the protocol names a shipped checkpoint, which is then trained anew."""
    names = [name for name in ORDER if (COMMITTED / f"{name}.json").is_file() and load_study(name).trunk is None]
    path = ROOT / load_protocol().trunk
    assert {read_results(COMMITTED / f"{name}.json").trunk for name in names} == {trunk_name(str(path))}
    assert load_checkpoint(path)[1].name == "compact_regression"


FINDINGS_QUOTES = {
    "table1": (
        "gains [[bins, expectation minus regression, Smooth L1 beta = 1 | AP]] points of AP",
        "Read by argmax it falls below ([[bins, argmax minus regression, Smooth L1 beta = 1 | AP]])",
    ),
    "table2": ("bins keep [[bins, expectation minus Smooth L1 beta = 1.5 | AP]] to the best of those tried",),
    "table3": ("does not pay: [[K = 2 minus K = 1 | AP]] as we", "three [[K = 3, a_3 = 0.015 minus K = 1 | AP]] (p"),
    "second_look": (
        "does pay: [[repooled, a_2 = 0.6 minus bins, K = 1 | AP]] over one stage",
        "looks twice gains [[regression, second look a regression minus regression | AP]]",
        "bins keep [[repooled, a_2 = 0.6 minus regression, second look a regression | AP]].",
    ),
    "second_look_readings": (
        "it gains a third of that ([[repooled, a_2 = 0.15 minus bins, K = 1 | AP]])",
        "a third look adds nothing ([[repooled, K = 3, a = 3, 0.6, 0.15 minus repooled, a_2 = 0.6 | AP]])",
        "loses [[shared minus bins, K = 1 | AP]] loses as much",
        "is read ([[shared, read by its first stage alone minus bins, K = 1 | AP]])",
        "layers of its own ([[own layers minus bins, K = 1 | AP]])",
    ),
    "residuals": ("[[K = 2, from the true bin minus K = 1 | AP]] by the best of the three readings",),
    "cascade": (
        "[[cascade, regression minus one head, regression | AP]] with Smooth L1",
        "clear in AP ([[cascade, bins K = 1 minus cascade, regression | AP]]",
        "in AP80 ([[cascade, bins K = 1 minus cascade, regression | AP80]])",
        "in AP90 ([[cascade, bins K = 1 minus cascade, regression | AP90]]) three seeds cannot tell",
    ),
    "gain_weights": (
        "bins keep [[bins, K = 1, weight 1 minus Smooth L1, weight 0.5 | AP]] over Smooth L1",
        "[[bins, K = 1, weight 1 minus GIoU, weight 5 | AP]] over GIoU",
    ),
    "gain_branches": (
        "bins gain [[bins, K = 1, shared minus Smooth L1, shared | AP]] there,",
        "[[bins, K = 1, of its own minus Smooth L1, of its own | AP]] in a box branch",
        "(AP90 [[bins, K = 1, of its own minus Smooth L1, of its own | AP90]])",
        "Smooth L1 wins [[Smooth L1, of its own minus Smooth L1, shared | AP]]",
    ),
    "gain_capacity": (
        "wins [[Smooth L1, 160 + 160 minus Smooth L1, 320 shared | AP]] by parting 320",
        "[[Smooth L1, 320 + 320 minus Smooth L1, 640 shared | AP]] by parting 640",
        "([[bins, K = 1, 160 + 160 minus bins, K = 1, 320 shared | AP]] and",
        "and [[bins, K = 1, 320 + 320 minus bins, K = 1, 640 shared | AP]])",
        "keep [[bins, K = 1, 640 shared minus Smooth L1, 640 shared | AP]] over Smooth L1",
    ),
    "shared_gradient": (
        "by [[bins, K = 1, g = 0.1 minus Smooth L1, g = 0.1 | AP]] at g = 0.1",
        "and [[bins, K = 1, g = 1 minus Smooth L1, g = 1 | AP]] at g = 1",
        "nothing at g = 0 ([[bins, K = 1, g = 0 minus Smooth L1, g = 0 | AP]])",
        "it loses [[Smooth L1, g = 0.1 minus Smooth L1, g = 1 | AP]]",
        "the gradient gives it [[GIoU, g = 3 minus GIoU, g = 1 | AP]]",
    ),
    "later_heads": (
        "leads by [[distribution focal loss minus bins, K = 1 | AP]] in AP",
        "[[distribution focal loss minus bins, K = 1 | AP90]] in AP90, neither clear",
        "a quieter loss ([[distance-aware bins, weight 0.2 minus distance-aware bins | AP]] at a fifth",
    ),
}


@pytest.mark.parametrize("name", FINDINGS_QUOTES)
def test_the_findings_quote_the_committed_studies(name) -> None:
    findings = " ".join((ROOT / "docs" / "findings.md").read_text(encoding="utf-8").split())
    found = read_results(COMMITTED / f"{name}.json")
    for quote in FINDINGS_QUOTES[name]:
        assert fill_in(quote, found) in findings


# What the findings call clear, and what they call not clear: whether the 95% interval over seeds leaves out zero.
FINDINGS_CLEAR = [
    ("second_look", "repooled, a_2 = 0.6 minus bins, K = 1", "AP", True),
    ("second_look", "repooled, a_2 = 0.6 minus bins, K = 1", "AP90", True),
    ("second_look", "repooled, a_2 = 0.6 minus bins, K = 1", "AP50", False),
    ("second_look", "regression, second look a regression minus regression", "AP", True),
    ("second_look", "repooled, a_2 = 0.6 minus regression, second look a regression", "AP", True),
    ("second_look", "bins, K = 1 minus regression", "AP", False),
    ("second_look_readings", "repooled, a_2 = 0.15 minus bins, K = 1", "AP", True),
    ("second_look_readings", "repooled, a_2 = 1.5 minus bins, K = 1", "AP", True),
    ("second_look_readings", "repooled, K = 3, a = 3, 0.6, 0.15 minus repooled, a_2 = 0.6", "AP", False),
    ("second_look_readings", "repooled, stage 2 a regression minus repooled, a_2 = 0.6", "AP", False),
    ("second_look_readings", "shared minus bins, K = 1", "AP", True),
    ("second_look_readings", "shared, read by its first stage alone minus bins, K = 1", "AP", True),
    ("second_look_readings", "shared, from the true bin minus shared", "AP", True),
    ("second_look_readings", "shared, weight 0.5 minus bins, K = 1", "AP", False),
    ("second_look_readings", "own layers minus bins, K = 1", "AP", False),
    ("second_look_readings", "conditional on the first bin minus bins, K = 1", "AP", False),
    ("cascade", "cascade, bins K = 1 minus cascade, regression", "AP", True),
    ("cascade", "cascade, bins K = 1 minus cascade, regression", "AP80", True),
    ("cascade", "cascade, bins K = 1 minus cascade, regression", "AP90", False),
    ("gain_young", "bins, K = 1 minus Smooth L1", "AP", False),
    ("gain_young", "bins, K = 1 minus Smooth L1", "AP80", True),
    ("gain_young", "Smooth L1, a box per class minus Smooth L1", "AP", False),
    ("gain_young", "Smooth L1, branch of its own minus Smooth L1", "AP", True),
    ("gain_young", "bins, K = 1, branch of its own minus Smooth L1, branch of its own", "AP", True),
    ("figure5", "a = 1, n = 20 minus a = 3, n = 20", "AP", True),
    ("figure5", "a = 1, n = 50 minus a = 3, n = 20", "AP", True),
    ("figure5", "a = 5, n = 20 minus a = 3, n = 20", "AP", False),
    ("figure5", "a = 3, n = 10 minus a = 3, n = 20", "AP", False),
    ("figure5", "a = 5, n = 10 minus a = 5, n = 20", "AP", False),
    ("figure5", "a = 5, n = 10 minus a = 5, n = 20", "AP80", True),
    ("gain_weights", "bins, K = 1, weight 1 minus Smooth L1, weight 0.5", "AP", True),
    ("gain_weights", "bins, K = 1, weight 1 minus Smooth L1, a box per class, weight 0.5", "AP", True),
    ("gain_weights", "bins, K = 1, weight 1 minus GIoU, weight 5", "AP", True),
    ("gain_branches", "bins, K = 1, of its own minus Smooth L1, of its own", "AP", True),
    ("gain_branches", "bins, K = 1, of its own minus Smooth L1, of its own", "AP90", True),
    ("gain_capacity", "Smooth L1, 160 + 160 minus Smooth L1, 320 shared", "AP", True),
    ("gain_capacity", "Smooth L1, 320 + 320 minus Smooth L1, 640 shared", "AP", True),
    ("gain_capacity", "Smooth L1, 640 shared minus Smooth L1, 320 shared", "AP", True),
    ("gain_capacity", "bins, K = 1, 640 shared minus bins, K = 1, 320 shared", "AP", True),
    ("gain_capacity", "bins, K = 1, 160 + 160 minus bins, K = 1, 320 shared", "AP", False),
    ("gain_capacity", "bins, K = 1, 320 + 320 minus bins, K = 1, 640 shared", "AP", False),
    ("gain_capacity", "bins, K = 1, 320 shared minus Smooth L1, 320 shared", "AP", True),
    ("gain_capacity", "bins, K = 1, 640 shared minus Smooth L1, 640 shared", "AP", True),
    ("gain_capacity", "bins, K = 1, 160 + 160 minus Smooth L1, 160 + 160", "AP", True),
    ("gain_capacity", "bins, K = 1, 320 + 320 minus Smooth L1, 320 + 320", "AP", True),
    ("shared_gradient", "bins, K = 1, g = 0.1 minus Smooth L1, g = 0.1", "AP", True),
    ("shared_gradient", "bins, K = 1, g = 0 minus Smooth L1, g = 0", "AP", False),
    ("shared_gradient", "Smooth L1, g = 0.1 minus Smooth L1, g = 1", "AP", True),
    ("shared_gradient", "GIoU, g = 1 minus Smooth L1, g = 1", "AP", True),
    ("shared_gradient", "GIoU, g = 3 minus GIoU, g = 1", "AP", True),
    ("shared_gradient", "GIoU, g = 1 minus Smooth L1, g = 0.1", "AP", True),
    ("shared_gradient", "distribution focal loss, g = 0.1 minus Smooth L1, g = 0.1", "AP", True),
    ("shared_gradient", "distribution focal loss, g = 1 minus bins, K = 1, g = 1", "AP", False),
    ("table1", "bins, expectation minus regression, Smooth L1 beta = 1", "AP", True),
    ("table1", "bins, expectation minus regression, Smooth L1 beta = 1", "AP90", True),
    ("table1", "bins, argmax minus regression, Smooth L1 beta = 1", "AP", True),
    ("table1", "bins, K = 2, expectation minus bins, expectation", "AP", True),
    ("table2", "bins, expectation minus Smooth L1 beta = 1.5", "AP", True),
    ("table2", "L2 minus regression, Smooth L1 beta = 1", "AP", True),
    ("table2", "Smooth L1 beta = 1/9 (torchvision's) minus regression, Smooth L1 beta = 1", "AP", True),
    ("table3", "K = 2 minus K = 1", "AP", True),
    ("table3", "K = 3, a_3 = 0.015 minus K = 1", "AP", True),
    ("table3", "K = 3 minus K = 1", "AP", False),
    ("table3", "K = 3 minus K = 1", "AP50", True),
    ("table3", "K = 3 minus K = 1", "AP90", True),
    ("residuals", "K = 2, from the true bin minus K = 1", "AP", False),
    ("residuals", "K = 2, from the true bin minus K = 2, from the prediction", "AP", True),
    ("residuals", "K = 2, from the true bin minus K = 2, from the predicted bin", "AP", False),
    ("later_heads", "distribution focal loss minus bins, K = 1", "AP90", False),
    ("later_heads", "distribution focal loss minus bins, K = 1", "AP", False),
    ("later_heads", "distribution focal loss minus regression, Smooth L1 beta = 1", "AP", True),
    ("later_heads", "D-FINE's points minus regression, Smooth L1 beta = 1", "AP", True),
    ("later_heads", "distance-aware bins minus regression, Smooth L1 beta = 1", "AP80", True),
    ("later_heads", "distance-aware bins, weight 0.2 minus distance-aware bins", "AP", True),
    ("later_heads", "distance-aware bins minus bins, K = 1", "AP", True),
]


@pytest.mark.parametrize(("name", "rows", "figure", "clear"), FINDINGS_CLEAR)
def test_what_the_findings_call_clear_is_clear(name, rows, figure, clear) -> None:
    outcomes = read_results(COMMITTED / f"{name}.json").outcomes
    own, other = rows.split(" minus ")
    gains = [outcomes[own][seed][figure] - outcomes[other][seed][figure] for seed in outcomes[own]]
    # Student's t of as many degrees of freedom as there are seeds, less one.
    quantile = {3: 4.303, 5: 2.776, 6: 2.571, 8: 2.365}[len(gains)]
    half = quantile * np.std(gains, ddof=1) / len(gains) ** 0.5
    assert (abs(np.mean(gains)) > half) == clear


@pytest.mark.parametrize("page", ["README.md", "docs/findings.md"])
def test_the_pages_say_of_the_shipped_pair_what_its_files_say(page: str) -> None:
    """AP gain with its interval from ``ap_summary.csv``, the others from the two evaluations."""
    folder = ROOT / "results" / "voc2012-animals-val"
    last = pd.read_csv(folder / "ap_summary.csv").iloc[-1]
    own, base = (json.loads((folder / f"{name}.json").read_text())["metrics"] for name in ("obcn", "regression"))
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert f"{last.difference:.1f} points of AP over Smooth L1" in text
    assert f"({last.difference_low:.1f} to {last.difference_high:.1f} in 95% of data sets" in text
    assert own["AP"] - base["AP"] == pytest.approx(last.difference, abs=0.05), "of the same evaluations"
    gains = {figure: own[figure] - base[figure] for figure in ("AP80", "AP90", "AP50")}
    for figure, gain in gains.items():
        assert f"{figure} {gain:+.1f}" in text


@pytest.mark.parametrize(("page", "words"), [("README.md", "(95%:"), ("docs/findings.md", "(95% interval")])
def test_the_pages_say_what_bins_keep_at_equal_gradient_norm(page: str, words: str) -> None:
    found = read_results(COMMITTED / "shared_gradient.json")
    kept = at_equal_norm(found, "bins, K = 1", "Smooth L1")
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    interval = f"{words} {kept.gain - kept.half:+.1f} to {kept.gain + kept.half:+.1f}"
    assert f"bins keep {kept.gain:+.1f} points" in text
    assert interval in text
    if page == "README.md":
        assert f"{interval}, {len(found.protocol.seeds)} seeds)" in text
        return
    for curve, words in (("distribution focal loss", "classifies too, keeps"), ("GIoU", "GIoU, a regression,")):
        other = at_equal_norm(found, curve, "Smooth L1")
        assert f"{words} {signed(other.gain, other.deviation)}" in text


def evaluated(name: str, figure: str = "AP") -> float:
    path = ROOT / "results" / "voc2012-animals-val" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["metrics"][figure]


def gain(name: str, other: str, figure: str = "AP") -> str:
    return f"{evaluated(name, figure) - evaluated(other, figure):+.1f}"


def test_the_findings_take_the_gain_apart_as_the_evaluations_do() -> None:
    findings = " ".join((ROOT / "docs" / "findings.md").read_text(encoding="utf-8").split())
    assert f"one stage of bins alone ({gain('obcn_one_stage_plain', 'regression')})" in findings
    assert f"where the first stage places the box ({gain('obcn_plain', 'obcn_one_stage_plain')})" in findings
    assert f"vote ({gain('obcn', 'obcn_plain')}; regression" in findings
    assert f"class score, gains {gain('regression_voting', 'regression')} by it" in findings
    assert f"keeps {gain('obcn', 'regression_voting')})" in findings


@pytest.mark.parametrize("page", ["README.md", "docs/findings.md"])
def test_the_pages_say_what_a_second_seed_of_the_pair_gains(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    own, base = "obcn_seed_1", "regression_seed_1"
    at_strict = ", ".join(f"{figure} {gain(own, base, figure)}" for figure in ("AP80", "AP90", "AP50"))
    assert f"gains {gain(own, base)} ({at_strict})" in text
    if page == "docs/findings.md":
        assert f"keeps {gain(own, 'regression_voting_seed_1')} where regression votes too" in text
        assert f"voting it gains {gain('obcn_plain_seed_1', base)}." in text


@pytest.mark.parametrize(("seed", "by"), [("", "by it"), ("_seed_1", "by its second look")])
@pytest.mark.parametrize("page", ["README.md", "docs/findings.md"])
def test_the_pages_say_what_is_kept_over_a_regression_that_looks_twice(page: str, seed: str, by: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    own, plain, once, twice = (f"{name}{seed}" for name in ("obcn", "obcn_plain", "regression", "regression_two_looks"))
    best = max((f"regression_voting{seed}", twice, f"regression_two_looks_voting{seed}"), key=evaluated)
    assert best == f"regression_two_looks_voting{seed}"
    at_strict = ", ".join(f"{figure} {gain(own, best, figure)}" for figure in ("AP80", "AP90", "AP50"))
    assert f"keeps {gain(own, best)} " in text
    assert f"({at_strict})" in text
    if page == "docs/findings.md":
        assert f"gains {gain(twice, once)} {by} ({gain(best, once)} with voting)" in text
        assert f"bins keep {gain(plain, twice)}" in text


def test_the_readme_opens_with_the_evaluations_figures() -> None:
    folder = ROOT / "results" / "voc2012-animals-val"
    own, base = (json.loads((folder / f"{name}.json").read_text())["metrics"] for name in ("obcn", "regression"))
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"**AP {own['AP']:.1f} against {base['AP']:.1f} for regression**" in readme
    assert f"AP90 {own['AP90']:.1f} against {base['AP90']:.1f}" in readme


def test_the_findings_say_how_far_other_settings_of_ranking_and_voting_lie_above() -> None:
    folder = ROOT / "results" / "voc2012-animals-val"
    table = pd.read_csv(folder / "selection.csv").query("model == 'obcn'")
    shipped = table[(table.certainty_weight == 1) & (table.voting_sigma == 0.025)].AP.item()
    evaluated = json.loads((folder / "obcn.json").read_text())["metrics"]["AP"]
    assert shipped == pytest.approx(evaluated, abs=0.02)
    page = " ".join((ROOT / "docs" / "findings.md").read_text(encoding="utf-8").split())
    assert f"the best of them on these photos stands {table.AP.max() - shipped:+.1f} above" in page


def test_the_findings_say_what_a_learned_ranking_gives() -> None:
    table = pd.read_csv(ROOT / "results" / "voc2012-animals-val" / "learned_ranking.csv")
    table = table[table.merge_by == "voting"].set_index("rank_by")
    figures = ["AP", "AP90", "AP50"]
    ap, ap90, ap50 = table.loc["learned", figures] - table.loc["certainty", figures]
    page = " ".join((ROOT / "docs" / "findings.md").read_text(encoding="utf-8").split())
    assert ap < 0.3
    assert f"as GFLv2 does: {ap:+.1f} of AP (AP90 {ap90:+.1f}, AP50 {ap50:+.1f})" in page
