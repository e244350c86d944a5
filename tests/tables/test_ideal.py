"""An ideal head of every kind, simulated: it says what its labels make of the truth, and it is called honest."""

import json

import numpy as np
import pytest
import torch

from obcn.config import BinOffsets, BoxHeadConfig
from obcn.exported.described import ExportedCard
from obcn.models.selection import DetectionThresholds
from obcn.tables.calibration import calibration_summary, reliability_of_bins, reliability_of_spread
from obcn.tables.ideal import card_stages, label_moments
from obcn.tables.matched import load_matched
from tests.synthetic_records import write_matched
from tests.tables.test_calibration import stage_columns

CODECS = ("bins", "dfl", "dfine", "distance_bins")
ROWS = 4000


def card(codec: str, **settings) -> dict:
    head = BoxHeadConfig.model_validate({"offsets": {"codec": codec, **settings}})
    return {"config": {"box_head": head.model_dump(mode="json")}}


def ideal_records(path, codec: str):
    """Offsets from normal distributions that the head knows; it says the mean label under each."""
    random = np.random.default_rng(0)
    centre, deviation = random.uniform(-1.2, 1.2, ROWS), random.uniform(0.1, 0.4, ROWS)
    true = random.normal(centre, deviation)
    (stage,) = card_stages(card(codec))
    # The mean label, by quadrature over a normal distribution.
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(201)
    node_weights = node_weights / node_weights.sum()
    grid = centre[:, None] + deviation[:, None] * nodes
    share = label_moments(stage, grid.ravel()).share.reshape(ROWS, len(nodes), -1)
    said = np.einsum("rqn,q->rn", share, node_weights)
    support = stage if hasattr(stage, "representatives") else stage.support
    points = support.representatives(torch.zeros(1, dtype=torch.float64)).numpy()
    offset = said @ points
    spread = np.sqrt(np.maximum(said @ points**2 - offset**2, 0))
    edges = support.edges(torch.zeros(1, dtype=torch.float64)).numpy()
    true_bin = np.searchsorted(edges[1:-1], true, side="right")
    top = said.argmax(1)
    columns = stage_columns(said.max(1), top == true_bin, spread, offset, true_bin=true_bin)
    for coordinate in "xywh":
        columns[f"stage1_top_bin_{coordinate}"] = top
        columns[f"stage1_offset_{coordinate}"] = offset
        columns[f"stage1_offset_true_{coordinate}"] = true
    return write_matched(path, ROWS, num_stages=1, model=codec, card=card(codec), labels=said.shape[1], **columns)


@pytest.mark.parametrize("codec", CODECS)
def test_an_ideal_head_is_called_honest(tmp_path, codec) -> None:
    """Mutant: heads with soft labels are measured by hits of the nearest point, and by the bare spread."""
    models = load_matched([ideal_records(tmp_path / "r.parquet", codec)])
    bins, spreads = reliability_of_bins(models), reliability_of_spread(models)
    row = calibration_summary(models, bins, spreads).iloc[0]
    assert row.ece < row.ece_if_honest
    assert row.spread_error < 0.06
    one = spreads[spreads.coordinate == "x"]
    np.testing.assert_allclose(one.rms_error, one.rms_if_honest, rtol=0.15)


def test_what_soft_labels_add_is_not_small(tmp_path) -> None:
    """Or the test above could not tell: measured by hits and the bare spread, ideal heads look far from honest."""
    for codec, least_ece in (("dfl", 0.02), ("distance_bins", 0.1)):
        (model,) = load_matched([ideal_records(tmp_path / f"{codec}.parquet", codec)])
        p_top, top, true = model.values(["stage1_p_top_x", "stage1_top_bin_x", "stage1_true_bin_x"])
        assert abs((top == true).mean() - p_top.mean()) > least_ece


def test_moments_of_labels_by_hand() -> None:
    """Two-hot: t = 0.25 between 0 and 1 has variance 0.25 x 0.75. A bin's label has its middle and none."""
    (dfl,) = card_stages(card("dfl", num_points=3, half_range=1.0))
    found = label_moments(dfl, np.array([0.25, 5.0]))
    np.testing.assert_allclose(found.share, [[0, 0.75, 0.25], [0, 0, 1]])
    np.testing.assert_allclose(found.mean, [0.25, 1.0])
    np.testing.assert_allclose(found.variance, [0.1875, 0], atol=1e-12)
    (bins,) = card_stages(card("bins", num_bins=2, half_range=1.0))
    found = label_moments(bins, np.array([0.25, 5.0]))
    np.testing.assert_allclose(found.mean, [0.5, 1.0])
    assert not found.variance.any()


def test_stages_follow_the_card() -> None:
    shared, repooled = (
        card("bins", num_stages=2, stage_features=kind, ranges=[3.0, 0.6]) for kind in ("shared", "repooled")
    )
    assert [stage.half_range for stage in card_stages(shared)] == [3.0, 0.6]
    assert card_stages(shared) == card_stages(repooled)
    assert card_stages(card("regression")) == ()
    assert card_stages({}) == ()
    assert card_stages({"points": [0.0, 1.0], "family": "raw"}) == ()


def test_stages_of_an_exported_file_are_those_of_the_head_that_wrote_it() -> None:
    offsets = BinOffsets(codec="bins", num_stages=2, stage_features="repooled", ranges=(3.0, 0.6))
    exported = ExportedCard(
        name="ours",
        classes=("cat",),
        family="from candidates",
        points=(-3.0, 3.0),
        layers=2,
        steps_per_size=None,
        strides=(),
        width=64,
        height=64,
        preprocessing="none",
        checked="",
        assumed=(),
        suppress=True,
        offsets=offsets,
        asked=DetectionThresholds(),
    )
    in_file = json.loads(json.dumps(exported.model_dump()))
    assert [stage.half_range for stage in card_stages(in_file)] == [3.0, 0.6]
    assert card_stages({"config": {"box_head": {"offsets": {"codec": "of another time"}}}}) == ()
