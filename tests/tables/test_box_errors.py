import numpy as np
import pandas as pd
import pytest

from obcn.errors import UserError
from obcn.records.schema import COORDINATES, each
from obcn.tables.box_errors import error_histograms, error_summary, smooth_density
from obcn.tables.matched import load_matched, model_names
from tests.synthetic_records import write_matched, write_scene


def errors(values, prefix: str = "error") -> dict:
    return {name: np.asarray(values, dtype=float) for name in each(prefix)}


def one(table: pd.DataFrame, **where) -> pd.Series:
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_summary_of_five_errors_by_hand(tmp_path):
    path = write_matched(
        tmp_path / "r.parquet", 5, **errors([-3, -1, 0, 1, 2]), **errors([-30, -5, 0, 5, 11], "error_px")
    )
    summary = error_summary(load_matched([path]))
    row = one(summary, unit="normalised", by="all", coordinate="w")
    assert row["count"] == 5
    assert row["mean"] == pytest.approx(-0.2)
    assert row["rms"] == pytest.approx(np.sqrt(15 / 5))
    assert row["std"] == pytest.approx(np.sqrt(3 - 0.04))
    assert row["mean_abs"] == pytest.approx(7 / 5)
    assert (row["q25"], row["q50"], row["q75"]) == (-1, 0, 1)
    assert row["q05"] == pytest.approx(-3 + 0.2 * 2)
    # Exactly 1 is not beyond 1.
    assert (row["tail_left"], row["tail_right"]) == (0.2, 0.2)
    pixels = one(summary, unit="px", by="all", coordinate="w")
    assert (pixels["tail_from"], pixels["tail_left"], pixels["tail_right"]) == (10, 0.2, 0.2)


def test_summary_groups_by_size_and_class(tmp_path):
    rng = np.random.default_rng(1)
    area = np.array([10.0, 1023, 1024, 9215, 9216, 50_000] * 5)
    category = np.array(["cat", "dog", "cat"] * 10)
    values = rng.normal(size=30)
    path = write_matched(
        tmp_path / "r.parquet", 30, truth_area=area, category=category, **errors(values), **errors(values, "error_px")
    )
    summary = error_summary(load_matched([path]))
    expected = pd.Series(np.float32(values)).groupby(
        np.select([area < 32**2, area < 96**2], ["small", "medium"], "large")
    )
    for size, part in expected:
        row = one(summary, unit="px", by="size", group=size, coordinate="x")
        assert row["count"] == len(part) == 10
        assert row["mean"] == pytest.approx(part.mean(), abs=1e-6)
        assert row["q95"] == pytest.approx(part.quantile(0.95), abs=1e-6)
    assert one(summary, unit="px", by="class", group="dog", coordinate="h")["count"] == 10


def test_only_matched_rows_count(tmp_path):
    path = write_matched(
        tmp_path / "r.parquet",
        4,
        outcome=np.array(["matched", "unmatched", "ignored", "matched"]),
        **errors([1, np.nan, 5, 3]),
        **errors([1, np.nan, 5, 3], "error_px"),
    )
    row = one(error_summary(load_matched([path])), unit="normalised", by="all", coordinate="x")
    assert (row["count"], row["mean"]) == (2, 2)


def test_histogram_counts_every_row_once(tmp_path):
    rng = np.random.default_rng(2)
    values = rng.normal(size=5000)
    path = write_matched(tmp_path / "r.parquet", 5000, **errors(values), **errors(10 * values, "error_px"))
    table = error_histograms(load_matched([path]), bins=21)
    for coordinate in COORDINATES:
        part = table[(table.unit == "normalised") & (table.coordinate == coordinate)]
        assert part["count"].sum() == 5000
        inner = part.iloc[1:-1]
        counts, _ = np.histogram(np.float32(values), [*inner.left, inner.right.iloc[-1]])
        np.testing.assert_array_equal(inner["count"], counts)
        share = (inner.density * (inner.right - inner.left)).sum()
        assert share == pytest.approx(inner["count"].sum() / 5000)
        assert inner["count"].sum() == pytest.approx(0.99 * 5000, abs=2)


def test_models_share_their_bins(tmp_path):
    narrow, wide = np.linspace(-1, 1, 100), np.linspace(-5, 5, 100)
    paths = [
        write_matched(tmp_path / f"{name}.parquet", 100, model=name, **errors(values), **errors(values, "error_px"))
        for name, values in (("narrow", narrow), ("wide", wide))
    ]
    table = error_histograms(load_matched(paths))
    edges = [table[(table.model == name) & (table.unit == "px")].left.to_numpy() for name in ("narrow", "wide")]
    np.testing.assert_array_equal(*edges)


def test_smooth_density_is_the_kernel_estimate():
    rng = np.random.default_rng(3)
    values = np.concatenate((rng.normal(-1, 0.3, 400), rng.normal(1, 0.6, 600)))
    at = np.linspace(-3, 3, 61)
    quarter, three_quarters = np.quantile(values, (0.25, 0.75))
    width = 0.9 * min(values.std(), (three_quarters - quarter) / 1.349) * len(values) ** -0.2
    direct = np.exp(-0.5 * ((at[:, None] - values) / width) ** 2).sum(1) / (len(values) * width * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(smooth_density(values, at), direct, atol=0.01 * direct.max())


def test_smooth_density_of_equal_values_is_finite():
    density = smooth_density(np.zeros(10), np.linspace(-1, 1, 21))
    assert np.isfinite(density).all()
    assert density.argmax() == 10


def test_models_of_one_name_are_told_apart(tmp_path):
    for name in ("a", "b"):
        write_matched(tmp_path / f"{name}.parquet", 1, **errors([0]), **errors([0], "error_px"))
    assert model_names([tmp_path / "a.parquet", tmp_path / "b.parquet"]) == ["regression [a]", "regression [b]"]
    assert model_names([tmp_path / "a.parquet"]) == ["regression"]


def test_nothing_matched_is_one_line(tmp_path):
    path = write_scene(tmp_path / "r.parquet", [{"photo": 1, "truth": (0, 0, 9, 9), "id": 1}], photos=1)
    with pytest.raises(UserError, match="no detection matched"):
        load_matched([path])
    with pytest.raises(UserError, match="at least one"):
        load_matched([])


def test_files_of_one_model_are_told_apart_by_their_names_or_else_by_their_paths(tmp_path):
    files = [tmp_path / "a" / "one.parquet", tmp_path / "a" / "two.parquet", tmp_path / "b" / "two.parquet"]
    for path in files:
        path.parent.mkdir(exist_ok=True)
        write_matched(path, 1)
    one, two, other = model_names(files)
    assert one == "regression [one]"
    assert two == f"regression [{files[1]}]"
    assert other == f"regression [{files[2]}]"


def test_an_error_without_a_value_is_named(tmp_path):
    path = write_matched(tmp_path / "r.parquet", 3, **errors([1, 2, 3]), **errors([1, np.nan, np.nan], "error_px"))
    with pytest.raises(UserError, match=r"column error_px_x has no value in 2 matched row\(s\)"):
        error_histograms(load_matched([path]))
