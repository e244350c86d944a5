"""Looks in a row: outputs side by side, offsets that add up, each look's targets what the earlier ones leave over."""

import pytest
import torch

from obcn.offsets import BinCodec, RegressionCodec, RepooledCodec

TWO = RepooledCodec((BinCodec(20, (3.0,)), BinCodec(20, (0.6,))))


def _outputs(codec, count=7, seed=0):
    return torch.randn(count, codec.num_outputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("rule", ["expectation", "argmax"])
def test_two_looks_at_bins_read_as_two_stages_of_bins_do(rule):
    looks, stages = TWO.decoding(rule), BinCodec(20, (3.0, 0.6), rule)
    outputs = _outputs(looks)
    targets = torch.linspace(-4, 4, 28, dtype=torch.float64).reshape(7, 4)
    torch.testing.assert_close(looks.decode(outputs), stages.decode(outputs))
    torch.testing.assert_close(looks.loss(outputs, targets), stages.loss(outputs, targets))
    ours, theirs = looks.explain(outputs), stages.explain(outputs)
    assert ours.used_stages == theirs.used_stages == 2
    for our_stage, their_stage in zip(ours.stages, theirs.stages, strict=True):
        for name, value in vars(their_stage).items():
            torch.testing.assert_close(getattr(our_stage, name), value)
    torch.testing.assert_close(ours.partial, theirs.partial)


def test_many_half_precision_outputs_do_not_overflow():
    outputs = torch.full((2048, TWO.num_outputs), 3.0, dtype=torch.float16)
    assert TWO.loss(outputs, torch.zeros(2048, 4)).isfinite()


def test_gradient_of_a_later_look_does_not_reach_the_earlier_one():
    outputs = _outputs(TWO).requires_grad_()
    targets = torch.full((7, 4), 0.4, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(TWO.loss(outputs, targets), outputs)
    alone = outputs.detach()[:, :88].requires_grad_()
    (expected,) = torch.autograd.grad(TWO.looks[0].loss(alone, targets), alone)
    torch.testing.assert_close(gradient[:, :88], expected)
    assert (gradient[:, 88:] != 0).any()


def test_a_regression_looks_twice_too_and_keeps_no_distribution():
    codec = RepooledCodec((RegressionCodec(), RegressionCodec()))
    outputs = _outputs(codec)
    torch.testing.assert_close(codec.decode(outputs), outputs[:, :4] + outputs[:, 4:])
    targets = torch.zeros(7, 4, dtype=torch.float64)
    expected = RegressionCodec().loss(outputs[:, :4], targets) + RegressionCodec().loss(
        outputs[:, 4:], targets - outputs[:, :4]
    )
    torch.testing.assert_close(codec.loss(outputs, targets), expected)
    assert codec.num_stages == 0
    assert codec.explain(outputs).stages == ()


def test_looks_of_two_kinds_are_explained_from_where_the_earlier_ones_leave_off():
    codec = RepooledCodec((RegressionCodec(), BinCodec(20, (0.6,))))
    outputs = _outputs(codec)
    seen = codec.explain(outputs)
    assert len(seen.stages) == codec.num_stages == seen.used_stages == 1
    torch.testing.assert_close(seen.stages[0].origin, outputs[:, :4])
    torch.testing.assert_close(seen.partial[0], seen.offsets)


def test_the_first_look_alone_places_the_box_of_the_second():
    outputs = _outputs(TWO)
    first = TWO.looks[0].decode(outputs[:, :88])
    torch.testing.assert_close(TWO.offset_after(outputs[:, :88]), first)
    torch.testing.assert_close(TWO.decoding(num_stages=1).decode(outputs), first)
    assert TWO.decoding(num_stages=1).explain(outputs).used_stages == 1
    unseen = outputs.clone()
    unseen[:, 88:] = float("nan")
    torch.testing.assert_close(TWO.decoding(num_stages=1).decode(unseen), first)


@pytest.mark.parametrize(
    ("looks", "used", "said"),
    [
        ((BinCodec(),), None, "at least twice"),
        ((BinCodec(20, (3.0, 0.6)), BinCodec()), None, "one stage"),
        ((BinCodec(), BinCodec()), 3, "3 cannot be used"),
        ((BinCodec(), BinCodec()), 0, "0 cannot be used"),
    ],
)
def test_impossible_looks_are_refused(looks, used, said):
    with pytest.raises(ValueError, match=said):
        RepooledCodec(looks, used)


def test_all_looks_write_in_the_first_candidates_coordinates():
    assert TWO.box == TWO.looks[0].box == BinCodec().box
