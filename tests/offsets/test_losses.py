"""Losses and their gradients (Eqs. 2-4, 7, 8), and the GIoU loss."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from obcn.offsets.losses import (
    bin_cross_entropy,
    bin_cross_entropy_gradient,
    giou_loss,
    l2_gradient,
    l2_loss,
    smooth_l1_gradient,
    smooth_l1_loss,
)
from tests.offsets import reference

BETAS = [1 / 9, 0.5, 1.0, 1.5, 2.0]
errors = st.lists(st.floats(-50, 50), min_size=1, max_size=8)


def _autograd(function, values):
    values = values.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(values).sum(), values)
    return gradient


@given(errors)
def test_l2(errors):
    x = torch.tensor(errors, dtype=torch.float64)
    torch.testing.assert_close(l2_loss(x), torch.tensor([reference.l2(e) for e in errors], dtype=torch.float64))
    torch.testing.assert_close(l2_gradient(x), _autograd(l2_loss, x))


@pytest.mark.parametrize("beta", BETAS)
@given(errors=errors)
def test_smooth_l1(beta, errors):
    x = torch.tensor(errors, dtype=torch.float64)
    expected = torch.tensor([reference.smooth_l1(e, beta) for e in errors], dtype=torch.float64)
    slopes = torch.tensor([reference.smooth_l1_gradient(e, beta) for e in errors], dtype=torch.float64)
    torch.testing.assert_close(smooth_l1_loss(x, beta), expected)
    torch.testing.assert_close(smooth_l1_gradient(x, beta), slopes)
    torch.testing.assert_close(smooth_l1_gradient(x, beta), _autograd(lambda e: smooth_l1_loss(e, beta), x))


@pytest.mark.parametrize("beta", BETAS)
def test_smooth_l1_turns_at_beta_without_a_jump(beta):
    x = torch.tensor([-beta, beta], dtype=torch.float64)
    torch.testing.assert_close(smooth_l1_loss(x, beta), torch.full((2,), beta / 2, dtype=torch.float64))
    torch.testing.assert_close(smooth_l1_gradient(x, beta), torch.tensor([-1.0, 1.0], dtype=torch.float64))


@given(st.integers(2, 30), st.integers(0, 2**32 - 1), st.floats(0.01, 30))
def test_cross_entropy(num_labels, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, 4, num_labels, generator=generator, dtype=torch.float64) * scale
    labels = torch.randint(num_labels, (3, 4), generator=generator)
    expected = [
        [-math.log(reference.softmax(row)[label]) for row, label in zip(rows, wanted, strict=True)]
        for rows, wanted in zip(scores.tolist(), labels.tolist(), strict=True)
    ]
    torch.testing.assert_close(
        bin_cross_entropy(scores, labels), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-9
    )
    gradient = bin_cross_entropy_gradient(scores, labels)
    torch.testing.assert_close(gradient, _autograd(lambda s: bin_cross_entropy(s, labels), scores))
    assert gradient.abs().max() <= 1
    torch.testing.assert_close(gradient.sum(-1), torch.zeros(3, 4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_gradient_pulls_the_true_bin_up_unlike_equation_8_as_printed():
    gradient = bin_cross_entropy_gradient(torch.zeros(1, 4), torch.tensor([2]))
    torch.testing.assert_close(gradient, torch.tensor([[0.25, 0.25, -0.75, 0.25]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype):
    error = torch.tensor([1000.0, -0.5], dtype=dtype)
    torch.testing.assert_close(l2_loss(error), torch.tensor([5e5, 0.125]))
    torch.testing.assert_close(smooth_l1_loss(error, 1.0), torch.tensor([999.5, 0.125]))
    scores = torch.tensor([[3e4, -3e4]], dtype=dtype)
    loss = bin_cross_entropy(scores, torch.tensor([1]))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, scores[:, 0].float() - scores[:, 1].float())


_offsets = st.tuples(*[st.floats(-8, 8)] * 4)
_candidate = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h),
    st.floats(0, 500),
    st.floats(0, 500),
    st.floats(4, 500),
    st.floats(4, 500),
)


def _giou_loss_in_pixels(offsets, targets, candidate):
    return 1 - reference.giou(reference.decode_box(offsets, candidate), reference.decode_box(targets, candidate))


@given(_offsets, _offsets, _candidate)
def test_giou_loss_is_that_of_the_boxes_in_pixels(offsets, targets, candidate):
    found = giou_loss(torch.tensor([offsets], dtype=torch.float64), torch.tensor([targets], dtype=torch.float64))
    assert found.shape == (1,)
    assert found.item() == pytest.approx(_giou_loss_in_pixels(offsets, targets, candidate), abs=2e-5)


@given(st.integers(0, 2**32 - 1), _candidate)
def test_giou_gradient_agrees_with_finite_differences_in_pixels(seed, candidate):
    generator = torch.Generator().manual_seed(seed)
    offsets, targets = (torch.randn(4, generator=generator, dtype=torch.float64) * 2 for _ in range(2))
    box, wanted = (torch.tensor(reference.decode_box(t, candidate)) for t in (offsets, targets))
    # The loss has a kink where two sides meet.
    assume(all((box[i] - wanted[j]).abs() > 1e-2 for i in range(4) for j in range(4) if i % 2 == j % 2))
    step = 1e-5
    expected = []
    for coordinate in range(4):
        ends = []
        for sign in (1, -1):
            moved = offsets.clone()
            moved[coordinate] += sign * step
            ends.append(_giou_loss_in_pixels(moved.tolist(), targets.tolist(), candidate))
        expected.append((ends[0] - ends[1]) / (2 * step))
    found = _autograd(lambda t: giou_loss(t[None], targets[None]), offsets)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-3, atol=1e-4)


def test_giou_loss_of_the_same_and_of_far_boxes():
    same = torch.tensor([[0.5, -0.5, 1.0, 0.0]])
    assert giou_loss(same, same).item() == pytest.approx(0, abs=1e-5)
    far = torch.tensor([[1e4, 0.0, 0.0, 0.0]])
    assert giou_loss(far, torch.zeros(1, 4)).item() == pytest.approx(2, abs=0.01)
