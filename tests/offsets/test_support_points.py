"""DFL and D-FINE: where their points stand, their two-hot labels, and that loss and decoding agree with both."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from obcn.offsets import SupportPointCodec, SupportPoints
from tests.offsets import reference

HEADS = {
    "dfl": SupportPointCodec.dfl(),
    "dfine": SupportPointCodec.dfine(),
    "two points": SupportPointCodec.dfl(num_points=2),
}
every_head = pytest.mark.parametrize("codec", HEADS.values(), ids=HEADS)
any_points = st.lists(st.integers(-1000, 1000), min_size=2, max_size=12, unique=True).map(
    lambda values: tuple(value / 64 for value in sorted(values))
)
seeds = st.integers(0, 2**32 - 1)


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_dfl_points_are_uniform_from_minus_a_to_a():
    assert SupportPointCodec.dfl(num_points=5, half_range=2.0).points == (-2, -1, 0, 1, 2)
    points = SupportPointCodec.dfl().points
    assert len(points) == 22
    assert (points[0], points[-1]) == (-3, 3)
    assert all(right - left == pytest.approx(6 / 21) for left, right in pairwise(points))


@given(half=st.integers(2, 40), a=st.floats(0.01, 20), flatness=st.floats(0.01, 10))
@example(half=16, a=0.5, flatness=0.5)
@example(half=11, a=3.0, flatness=0.5)
def test_dfine_points_are_its_weighting_function(half, a, flatness):
    points = SupportPointCodec.dfine(2 * half + 1, a, flatness).points
    expected = reference.dfine_points(2 * half, a, flatness * a)
    assert points == pytest.approx(expected, rel=1e-9, abs=1e-12 * a)


def test_dfine_points_of_a_case_worked_by_hand():
    """N = 6, a = 3, c = 1: the powers of (3 + 1)^(2 / 4) = 2, less one."""
    codec = SupportPointCodec.dfine(num_points=7, half_range=3.0, flatness=1 / 3)
    assert codec.points == pytest.approx((-6, -3, -1, 0, 1, 3, 6))


def test_dfine_points_are_finest_around_zero():
    points = SupportPointCodec.dfine().points
    steps = [right - left for left, right in pairwise(points)]
    assert steps[11:] == sorted(steps[11:])
    assert steps[:11] == sorted(steps[:11], reverse=True)
    assert steps[11] < SupportPointCodec.dfl().points[1] + 3 < steps[-2]


@given(points=any_points, data=st.data())
def test_two_hot_labels_sum_to_one_and_expect_the_target(points, data):
    low, high = points[0], points[-1]
    targets = data.draw(st.lists(st.floats(low, high) | st.sampled_from(points), min_size=1, max_size=6))
    labels = SupportPoints(points).two_hot(_tensor(targets))
    assert labels.shape == (len(targets), len(points))
    assert labels.min() >= 0
    torch.testing.assert_close(labels.sum(-1), torch.ones(len(targets), dtype=torch.float64))
    torch.testing.assert_close(labels @ _tensor(points), _tensor(targets), rtol=1e-12, atol=1e-12)
    for row in labels.tolist():
        used = [index for index, label in enumerate(row) if label]
        assert len(used) == 1 or (len(used) == 2 and used[1] == used[0] + 1), "only neighbours share"


@given(points=any_points, beyond=st.floats(0, 1e6))
def test_targets_beyond_the_points_go_wholly_to_the_outermost(points, beyond):
    labels = SupportPoints(points).two_hot(_tensor([points[0] - beyond, points[-1] + beyond]))
    wanted = torch.zeros(2, len(points), dtype=torch.float64)
    wanted[0, 0] = wanted[1, -1] = 1
    assert torch.equal(labels, wanted)


@every_head
@given(seed=seeds)
def test_loss_and_gradient_are_those_of_cross_entropy(codec, seed):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(3, codec.num_outputs, generator=generator, dtype=torch.float64) * 3
    targets = torch.randn(3, 4, generator=generator, dtype=torch.float64) * 2
    outputs.requires_grad_(True)
    loss = codec.loss(outputs, targets)
    rows = zip(outputs.reshape(12, -1).tolist(), targets.flatten().tolist(), strict=True)
    expected, slopes = 0.0, []
    for scores, target in rows:
        label = reference.two_hot(target, codec.points)
        p = reference.softmax(scores)
        expected -= math.fsum(share * math.log(each) for share, each in zip(label, p, strict=True))
        slopes.append([each - share for share, each in zip(label, p, strict=True)])
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, outputs)
    torch.testing.assert_close(gradient, _tensor(slopes).reshape(gradient.shape), rtol=1e-9, atol=1e-9)


@every_head
@given(targets=st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_a_head_that_says_its_labels_decodes_to_the_target(codec, targets):
    wanted = _tensor([targets])
    outputs = codec.support.two_hot(wanted).log().clamp(min=-200).flatten(1)
    torch.testing.assert_close(codec.decode(outputs), wanted, rtol=0, atol=1e-12)
    rounded = codec.decode(outputs.float())
    torch.testing.assert_close(rounded, wanted.float(), rtol=0, atol=1e-5)
    points = _tensor(codec.points)
    nearest = (wanted[..., None] - points).abs().min(-1).values
    argmax = codec.decoding("argmax").decode(outputs)
    torch.testing.assert_close((argmax - wanted).abs(), nearest, rtol=0, atol=1e-9)


def test_cells_meet_halfway_between_points():
    edges = SupportPoints((-2.0, 0.0, 1.0)).edges(torch.zeros(1))
    assert edges.tolist() == [-math.inf, -1, 0.5, math.inf]


@pytest.mark.parametrize("points", [(), (0.0,), (0.0, 0.0), (1.0, 0.0), (0.0, math.inf), (math.nan, 0.0)])
def test_impossible_points_are_refused(points):
    with pytest.raises(ValueError, match="points"):
        SupportPointCodec(points)


@pytest.mark.parametrize("num_points", [-1, 3, 4, 22])
def test_dfine_needs_an_odd_number_of_points(num_points):
    with pytest.raises(ValueError, match="odd"):
        SupportPointCodec.dfine(num_points)


@pytest.mark.parametrize("flatness", [0.0, -1.0, math.nan, math.inf])
def test_dfine_needs_a_positive_flatness(flatness):
    with pytest.raises(ValueError, match="flatness"):
        SupportPointCodec.dfine(flatness=flatness)
