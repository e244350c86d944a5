"""Bars and points of the Errors page stand for the objects that they were drawn from."""

import numpy as np
import pandas as pd
import pytest

from app.errors.picks import (
    calibration_key,
    calibration_picks,
    group_picks,
    histogram_key,
    histogram_picks,
    precision_key,
    precision_picks,
)
from app.explore.controls import NOTHING
from app.explore.table import keep, measured
from obcn.records.files import read_info, read_records
from obcn.records.schema import CORNERS, each
from obcn.tables.box_errors import error_histograms, error_summary
from obcn.tables.calibration import reliability_of_bins, reliability_of_spread
from obcn.tables.matched import load_matched
from obcn.tables.pairs import head_objects, pair_heads
from tests.synthetic_records import make_info, write_matched
from tests.tables.test_calibration import stage_columns

ROWS = 60


@pytest.fixture
def path(tmp_path):
    """Detections of a one-stage head, each of another object, with random errors and beliefs."""
    rng = np.random.default_rng(0)
    errors = {name: rng.normal(size=ROWS) for prefix in ("error", "error_px") for name in each(prefix)}
    believed = stage_columns(rng.random(ROWS), rng.random(ROWS) < 0.5, rng.random(ROWS), errors["error_x"])
    objects = {"truth_id": np.arange(ROWS), "iou": rng.uniform(0.5, 1, ROWS)}
    objects |= dict.fromkeys([*each("box", CORNERS[:2]), *each("truth", CORNERS[:2])], np.zeros(ROWS))
    objects |= dict.fromkeys([*each("box", CORNERS[2:]), *each("truth", CORNERS[2:])], np.full(ROWS, 50.0))
    objects |= {"file_name": np.full(ROWS, "1.png")}
    objects |= dict.fromkeys(["image_width", "image_height"], np.full(ROWS, 60))
    objects |= {"category_id": np.ones(ROWS, dtype=int)}
    objects |= dict.fromkeys(["truth_crowd", "truth_difficult"], np.zeros(ROWS, dtype=bool))
    return write_matched(tmp_path / "r.parquet", ROWS, num_stages=1, **{**errors, **believed, **objects})


@pytest.fixture
def models(path):
    return load_matched([path])


def objects_behind(pick, path) -> int:
    """How many objects Explore shows of a pick."""
    objects = pair_heads(head_objects(path, read_info(path)), None)
    measure = None
    if pick.column is not None:
        measure = measured(objects, read_records(path, [pick.column]).column(0).to_numpy(), pick.column)
    return int(keep(objects, pick.filters, measure).sum())


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["px", "normalised"])
def test_every_bar_leads_to_as_many_objects_as_it_counts(models, path, unit):
    table = error_histograms(models)
    picks = histogram_picks(table, unit)
    bars = table[table.unit == unit]
    assert len(picks) == len(bars)
    for bar in bars.itertuples():
        # NumPy's last bin holds its right edge too, but no random number lies there.
        assert objects_behind(picks[histogram_key(bar.coordinate, bar.left)], path) == bar.count


@pytest.mark.slow
def test_every_point_of_reliability_leads_to_its_group(models, path):
    tables = {"bins": reliability_of_bins(models), "spreads": reliability_of_spread(models)}
    picks = calibration_picks(tables, 1)
    for name, by in (("bins", "confidence"), ("spreads", "spread")):
        for point in tables[name].itertuples():
            pick = picks[calibration_key(point.model, point.coordinate, by, point.low)]
            assert objects_behind(pick, path) == point.count
            assert pick.model == point.model


def test_a_group_leads_to_all_its_objects(models, path):
    summary = error_summary(models)
    assert objects_behind(group_picks(summary, "size")["medium"], path) == ROWS
    assert group_picks(summary, "class")["cat"].link(make_info(), "obcn", None) == {
        "head": "obcn",
        "against": NOTHING,
        "classes": ["cat"],
        "sort": "lowest IoU",
    }


def test_a_point_of_ap_leads_to_the_objects_that_fail_there(path):
    table = pd.DataFrame({"model": "obcn", "iou": [0.5, 0.75]})
    picks = precision_picks(table)
    ious = read_records(path, ["iou"]).column(0).to_numpy()
    assert objects_behind(picks[precision_key("obcn", 0.5)], path) == 0
    assert objects_behind(picks[precision_key("obcn", 0.75)], path) == (ious < 0.75).sum()


def test_links_carry_the_interval_without_loss(models):
    table = error_histograms(models)
    row = table[(table.unit == "px") & (table.coordinate == "y")].iloc[3]
    link = histogram_picks(table, "px")[histogram_key("y", row.left)].link(make_info(1), "obcn", "regression")
    assert link["measure"] == "error in y, pixels"
    assert (float(link["above"]), float(link["below"])) == (row.left, row.right)
    assert link["against"] == "regression"
