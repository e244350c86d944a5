import numpy as np
import pandas as pd
import pytest

from obcn.records.schema import each
from obcn.tables.calibration import (
    calibration_summary,
    rank_correlation,
    reliability_of_bins,
    reliability_of_spread,
)
from obcn.tables.matched import load_matched
from tests.synthetic_records import write_matched


def stage_columns(p_top, hit, spread, error, p_true=None, entropy=None, true_bin=None, stage: int = 1) -> dict:
    """The same values for all four coordinates."""
    rows = len(p_top)
    hit = np.asarray(hit, dtype=bool)
    true_bin = np.full(rows, 5) if true_bin is None else np.asarray(true_bin)
    values = {
        "p_top": p_top,
        "top_bin": np.where(hit, true_bin, true_bin + 1),
        "true_bin": true_bin,
        "p_true": np.full(rows, 0.1) if p_true is None else p_true,
        "entropy": np.ones(rows) if entropy is None else entropy,
        "spread": spread,
        "spread_px": 10 * np.asarray(spread),
        "offset": error,
        "offset_true": np.zeros(rows),
    }
    columns = {name: np.asarray(v) for key, v in values.items() for name in each(f"stage{stage}_{key}")}
    return columns | {name: 10 * np.asarray(error) for name in each("error_px")}


def summary_of(models) -> pd.DataFrame:
    return calibration_summary(models, reliability_of_bins(models), reliability_of_spread(models))


@pytest.fixture
def ten(tmp_path):
    """Ten rows: each is a group of its own."""
    p_top = np.arange(1, 11) / 20
    hit = [0, 0, 0, 0, 1, 0, 1, 0, 1, 1]
    spread = np.arange(1, 11) / 10
    error = np.array([0.2, -0.2, 0.3, -0.8, 0.5, 0.6, -0.35, 0.4, 1.8, -2])
    p_true = np.array([0.5, 0.25] * 5)
    path = write_matched(
        tmp_path / "r.parquet",
        10,
        num_stages=1,
        **stage_columns(p_top, hit, spread, error, p_true, entropy=np.full(10, 0.7), true_bin=[0, 21, *[4] * 8]),
    )
    return load_matched([path]), p_top, np.array(hit), spread, error


def test_figures_of_ten_rows_by_hand(ten):
    models, p_top, hit, spread, error = ten
    summary = summary_of(models)
    assert list(summary.coordinate) == ["x", "y", "w", "h"]
    row = summary.iloc[0]
    assert row.ece == pytest.approx(np.abs(hit - p_top).mean(), abs=1e-6)
    # One row to a group: an honest head errs by 1 - p where it is right and by p where it is wrong.
    draws = np.abs((np.random.default_rng(1).random((4000, len(p_top))) < p_top) - p_top).mean(axis=1)
    assert row.ece_if_honest == pytest.approx(np.quantile(draws, 0.975), abs=0.02)
    assert row.spread_error == pytest.approx((np.abs(np.abs(error) - spread) / spread).mean(), abs=1e-6)
    assert row.nll == pytest.approx(1.5 * np.log(2), abs=1e-6)
    assert row.entropy == pytest.approx(0.7, abs=1e-6)
    assert row.in_tail == pytest.approx(0.2)


def test_correlations_are_those_of_pandas(ten):
    models, _, _, spread, error = ten
    row = summary_of(models).iloc[2]
    table = pd.DataFrame({"spread": spread, "error": np.abs(error)})
    assert row.correlation == pytest.approx(table.corr().loc["spread", "error"], abs=1e-6)
    assert row.rank_correlation == pytest.approx(table.corr(method="spearman").loc["spread", "error"], abs=1e-6)
    assert row.rank_correlation_px == pytest.approx(row.rank_correlation)


def test_groups_hold_equal_counts_and_agree_with_pandas(tmp_path):
    rng = np.random.default_rng(4)
    p_top = np.float32(rng.uniform(0.05, 0.95, 1000))
    hit = rng.random(1000) < 0.5
    spread = np.float32(rng.uniform(0.1, 2, 1000))
    error = rng.normal(size=1000) * spread
    path = write_matched(tmp_path / "r.parquet", 1000, num_stages=1, **stage_columns(p_top, hit, spread, error))
    models = load_matched([path])
    bins = reliability_of_bins(models).query("coordinate == 'y'")
    expected = pd.DataFrame({"p": p_top, "hit": hit}).groupby(pd.qcut(p_top, 10)).mean()
    np.testing.assert_array_equal(bins["count"], 100)
    np.testing.assert_allclose(bins.confidence, expected.p, atol=1e-5)
    np.testing.assert_allclose(bins.accuracy, expected.hit, atol=1e-9)
    row = summary_of(models).query("coordinate == 'y'").iloc[0]
    assert row.ece == pytest.approx((expected.p - expected.hit).abs().mean(), abs=1e-5)


def test_an_honest_spread_has_little_error_and_a_bold_one_much(tmp_path):
    rng = np.random.default_rng(5)
    spread = rng.uniform(0.2, 2, 20_000)
    error = rng.normal(size=20_000) * spread
    figures = {}
    for name, factor in (("honest", 1.0), ("bold", 0.5)):
        columns = stage_columns(np.full(20_000, 0.5), error > 0, factor * spread, error)
        path = write_matched(tmp_path / f"{name}.parquet", 20_000, num_stages=1, model=name, **columns)
        models = load_matched([path])
        figures[name] = summary_of(models).spread_error.iloc[0]
        curve = reliability_of_spread(models).query("coordinate == 'x'")
        np.testing.assert_allclose(curve.rms_error, curve.spread / factor, rtol=0.1)
    assert figures["honest"] < 0.05
    assert figures["bold"] == pytest.approx(1, abs=0.05)


def test_regression_has_no_uncertainty(tmp_path):
    zero = {name: np.zeros(3) for prefix in ("error", "error_px") for name in each(prefix)}
    models = load_matched([write_matched(tmp_path / "r.parquet", 3, **zero)])
    assert summary_of(models).empty
    assert reliability_of_bins(models).empty
    assert reliability_of_spread(models).empty


def test_rank_correlation_shares_ranks_and_knows_constants():
    assert rank_correlation(np.array([1, 2, 3, 4]), np.array([1, 8, 27, 1000])) == pytest.approx(1)
    assert rank_correlation(np.array([1, 1, 2]), np.array([3, 2, 1])) == pytest.approx(-np.sqrt(3) / 2)
    assert np.isnan(rank_correlation(np.array([1, 1, 1]), np.array([1, 2, 3])))


def test_each_stage_is_judged_by_its_own_columns(tmp_path):
    """Mutant: calibration always reads stage 1."""
    random = np.random.default_rng(2)
    stages = []
    for scale in (1.0, 0.1):
        spread = scale * random.uniform(0.2, 2, 60)
        p_top, hit = random.uniform(0.1, 0.9, 60), random.random(60) < 0.5
        entropy, true_bin = scale * random.random(60), random.integers(0, 22, 60)
        stages.append((p_top, hit, spread, random.normal(size=60) * spread, random.random(60), entropy, true_bin))
    both = stage_columns(*stages[0], stage=1) | stage_columns(*stages[1], stage=2)
    models = load_matched([write_matched(tmp_path / "both.parquet", 60, num_stages=2, **both)])
    for stage, columns in enumerate(stages, start=1):
        # A file of that stage alone, but for the final error, which is the last stage's.
        alone = stage_columns(*columns) | {name: both[name] for name in each("error_px")}
        (only,) = load_matched([write_matched(tmp_path / f"{stage}.parquet", 60, num_stages=1, **alone)])
        for table in (reliability_of_bins, reliability_of_spread, lambda given: summary_of(given)):
            found, expected = table(models), table([only])
            found = found[found.stage == stage].reset_index(drop=True)
            pd.testing.assert_frame_equal(found.drop(columns="stage"), expected.drop(columns="stage"))
    assert not np.allclose(*(reliability_of_spread(models).query(f"stage == {stage}").spread for stage in (1, 2)))
