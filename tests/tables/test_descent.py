import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from obcn.offsets import BinCodec, DistanceBinCodec, RegressionCodec, SupportPointCodec
from obcn.tables.descent import Descent, descend, loss_curve, start_outputs

HEADS = [BinCodec(), SupportPointCodec.dfl(), SupportPointCodec.dfine(), DistanceBinCodec()]
ERRORS = (-4.0, -1.3, -0.2, 0.0, 0.2, 1.3, 4.0)


def test_regression_losses_and_gradients_by_hand() -> None:
    squared = loss_curve(RegressionCodec("l2"), ERRORS, 0.6)
    assert squared.losses.tolist() == pytest.approx([error**2 / 2 for error in ERRORS])
    assert squared.gradients.tolist() == pytest.approx([abs(error) for error in ERRORS])
    smooth = loss_curve(RegressionCodec("smooth_l1", 0.5), ERRORS, 0.6)
    assert smooth.losses.tolist() == pytest.approx([3.75, 1.05, 0.04, 0, 0.04, 1.05, 3.75])
    assert smooth.gradients.tolist() == pytest.approx([1, 1, 0.4, 0, 0.4, 1, 1])


def test_giou_of_a_shifted_box_by_hand() -> None:
    """An offset of 5 shifts by half the width: IoU 1/3 and no empty room between, so the loss is 2/3."""
    assert float(loss_curve(RegressionCodec("giou"), (5.0,), 0.6).losses[0]) == pytest.approx(2 / 3)


def test_bins_lose_the_logarithm_of_the_true_bins_probability_and_pull_by_the_rest() -> None:
    """One bin over (-1, 1) and two tails; a bell of spread 1 has weights e^-1/2, 1, e^-1/2."""
    curve = loss_curve(BinCodec(1, (1.0,)), (0.0, 3.0), 1.0)
    weights = [math.exp(-0.5), 1, math.exp(-0.5)]
    true = [weights[1] / sum(weights), weights[2] / sum(weights)]
    assert curve.losses.tolist() == pytest.approx([-math.log(p) for p in true])
    assert curve.gradients.tolist() == pytest.approx([1 - p for p in true])


@pytest.mark.parametrize("codec", HEADS, ids=lambda codec: type(codec).__name__)
def test_a_belief_starts_around_zero_with_the_spread_asked_for(codec) -> None:
    for spread in (0.6, 1.0):
        stage = codec.explain(start_outputs(codec, spread).repeat(4)[None]).stages[0]
        assert float(stage.expectation[0, 0]) == pytest.approx(0, abs=1e-6)
        # Uneven points bend the bell: D-FINE's stand close together around 0.
        assert float(stage.spread[0, 0]) == pytest.approx(spread, rel=0.4)
    assert descend(codec, 1.0, 0.1, 1, 0.6).losses[0] > 0


@settings(deadline=None, max_examples=30)
@given(target=st.floats(-5, 5), spread=st.floats(0.2, 3))
def test_gradients_of_cross_entropies_stay_within_one(target, spread) -> None:
    for codec in HEADS[:3]:
        assert float(loss_curve(codec, (target,), spread).gradients[0]) <= 1 + 1e-9


def test_a_label_shared_by_two_points_is_one_push() -> None:
    """A belief far off a target between two points: both are pushed up by half, all others down by one together."""
    curve = loss_curve(SupportPointCodec((-1.0, 0.0, 1.0, 2.0)), (1.5,), 0.1)
    assert curve.gradients.tolist() == pytest.approx([1.0], abs=1e-6)


def test_l2_shrinks_the_error_by_the_rate_each_step() -> None:
    run = descend(RegressionCodec("l2"), -2.0, 0.25, 8, 0.6)
    assert run.predictions.tolist() == pytest.approx([-2 * (1 - 0.75**k) for k in range(9)])
    assert run.steps_until(2 * 0.75**3 + 1e-9) == 3
    assert run.steps_until(1e-6) is None
    assert run.beliefs.shape == (9, 0)


def test_close_means_close_for_good() -> None:
    nothing = torch.zeros(0)
    run = Descent(0.0, torch.tensor([1.0, 0.1, -0.5, 0.05, 0.0]), nothing, nothing, nothing, nothing)
    assert [run.steps_until(error) for error in (2.0, 0.6, 0.2, 0.01)] == [0, 1, 3, 4]
    assert run.steps_until(-1.0) is None


@pytest.mark.parametrize("codec", HEADS, ids=lambda codec: type(codec).__name__)
def test_every_distribution_learns_the_target(codec) -> None:
    run = descend(codec, 1.95, 1.0, 200, 0.6)
    assert float(run.predictions[0]) == pytest.approx(0, abs=1e-6)
    assert float(run.predictions[-1]) == pytest.approx(1.95, abs=0.15)
    assert run.losses[-1] < run.losses[0]
    torch.testing.assert_close(run.beliefs.sum(1), torch.ones(201, dtype=torch.float64))
    assert run.edges.shape == (run.beliefs.shape[1] + 1,)


def test_bins_cannot_reach_beyond_their_range() -> None:
    run = descend(BinCodec(20, (3.0,)), 5.0, 2.0, 300, 0.6)
    assert float(run.predictions[-1]) == pytest.approx(3.0, abs=0.05)
    assert run.steps_until(0.15) is None
