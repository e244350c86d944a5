"""Distance-aware bins: their soft labels, their loss, and how sigmoids are read as a distribution."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from obcn.offsets import DistanceBinCodec, UniformBins
from tests.offsets import reference

codecs = st.builds(DistanceBinCodec, st.integers(1, 40), st.sampled_from([0.5, 1.0, 3.0]), st.floats(0.2, 4))
seeds = st.integers(0, 2**32 - 1)


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64)


@given(codec=codecs, share=st.floats(-1.5, 1.5))
def test_labels_are_one_at_the_true_bin_and_fall_on_both_sides(codec, share):
    target = _tensor([share * codec.half_range])
    (labels,) = codec.labels(target)
    true_bin = UniformBins(codec.num_bins, codec.half_range).encode(target).item()
    assert labels[true_bin] == 1
    assert ((labels >= 0) & (labels <= 1)).all()
    assert (labels[:true_bin].diff() >= 0).all()
    assert (labels[true_bin:].diff() <= 0).all()
    assert labels.unique().numel() > 1


@given(codec=codecs, share=st.floats(-1.5, 1.5))
def test_labels_agree_with_the_reference(codec, share):
    target = share * codec.half_range
    assume(reference.distance_to_edge(target, codec.half_range, codec.num_bins) > 1e-9)
    expected = reference.distance_labels(target, codec.half_range, codec.num_bins, codec.sigma)
    torch.testing.assert_close(codec.labels(_tensor(target)), _tensor(expected), rtol=1e-9, atol=1e-12)


def test_a_wider_sigma_gives_more_to_the_neighbours():
    narrow, wide = (DistanceBinCodec(sigma=sigma).labels(_tensor(0.4)) for sigma in (0.5, 2.0))
    assert (narrow <= wide).all()
    assert narrow.sum() < wide.sum()


@given(seed=seeds)
def test_loss_and_gradient_are_those_of_binary_cross_entropy(seed):
    codec = DistanceBinCodec(num_bins=6)
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(3, codec.num_outputs, generator=generator, dtype=torch.float64) * 3
    targets = torch.randn(3, 4, generator=generator, dtype=torch.float64) * 2
    outputs.requires_grad_(True)
    loss = codec.loss(outputs, targets)
    labels = codec.labels(targets).flatten().tolist()
    p = [1 / (1 + math.exp(-score)) for score in outputs.flatten().tolist()]
    expected = -math.fsum(y * math.log(q) + (1 - y) * math.log(1 - q) for y, q in zip(labels, p, strict=True))
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, outputs)
    slopes = _tensor([q - y for y, q in zip(labels, p, strict=True)])
    torch.testing.assert_close(gradient.flatten(), slopes, rtol=1e-9, atol=1e-9)


@given(seed=seeds)
def test_sigmoids_over_their_sum_are_the_distribution(seed):
    codec = DistanceBinCodec()
    outputs = torch.randn(2, 88, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 4
    sigmoids = outputs.reshape(2, 4, 22).sigmoid()
    (stage,) = codec.explain(outputs).stages
    torch.testing.assert_close(stage.probabilities, sigmoids / sigmoids.sum(-1, keepdim=True))
    assert torch.equal(stage.argmax, codec.support.representatives(outputs)[sigmoids.argmax(-1)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bins_that_are_all_certainly_wrong_still_decode(dtype):
    outputs = torch.full((1, 88), -1e4, dtype=dtype)
    outputs[0, 5] += 40
    decoded = DistanceBinCodec().decode(outputs)
    assert torch.isfinite(decoded).all()
    assert decoded[0, 0].item() == pytest.approx(UniformBins().representatives(outputs)[5].item())


@given(targets=st.lists(st.floats(-1.5, 1.5), min_size=4, max_size=4), sigma=st.floats(0.7, 1.1))
def test_a_head_that_says_its_labels_decodes_to_the_target_away_from_the_ends(targets, sigma):
    codec = DistanceBinCodec(sigma=sigma)
    wanted = _tensor([targets])
    # Exactly 1 is out of a sigmoid's reach.
    outputs = codec.labels(wanted).clamp(1e-15, 1 - 1e-12).logit().flatten(1)
    torch.testing.assert_close(codec.decode(outputs), wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_impossible_widths_are_refused(sigma):
    with pytest.raises(ValueError, match="sigma"):
        DistanceBinCodec(sigma=sigma)


@pytest.mark.parametrize(("num_bins", "half_range"), [(0, 3.0), (20, -3.0)])
def test_impossible_bins_are_refused(num_bins, half_range):
    with pytest.raises(ValueError, match=r"num_bins|half_range"):
        DistanceBinCodec(num_bins, half_range)


def test_outputs_come_back_from_their_log_weights():
    codec = DistanceBinCodec(3)
    outputs = _tensor([-30.0, -3.0, 0.0, 2.0, 12.0] * 4)[None]
    log_weights = codec.log_weights(outputs).flatten(1)
    torch.testing.assert_close(codec.outputs_of(log_weights), outputs, atol=1e-6, rtol=1e-6)
    certain = codec.outputs_of(torch.zeros(1, 20))
    assert certain.isfinite().all()
    assert (certain.sigmoid() == 1).all()
