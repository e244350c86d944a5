"""The codecs: loss, decoding and explanation of network outputs."""

import itertools
import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from obcn.offsets import BinCodec, DistanceBinCodec, RegressionCodec, SupportPointCodec, hierarchical_ranges
from obcn.offsets.losses import bin_cross_entropy_gradient
from tests.offsets import reference

RULES = ["argmax", "expectation"]
ORIGINS = ["true_bin", "predicted_bin", "prediction"]
STAGES = [1, 2, 3]
CODECS = [
    RegressionCodec("l2"),
    RegressionCodec("smooth_l1", 1.0),
    RegressionCodec("giou"),
    BinCodec.hierarchical(num_stages=1),
    BinCodec.hierarchical(num_stages=3, rule="argmax", residual_from="true_bin"),
]
ONE_STAGE = [SupportPointCodec.dfl(), SupportPointCodec.dfine(rule="argmax"), DistanceBinCodec(num_bins=7)]
CODECS += ONE_STAGE
every_bin_codec = pytest.mark.parametrize(
    ("rule", "residual_from", "num_stages"), list(itertools.product(RULES, ORIGINS, STAGES))
)
every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: type(codec).__name__)
every_one_stage_codec = pytest.mark.parametrize("codec", ONE_STAGE, ids=["dfl", "dfine", "distance_bins"])
seeds = st.integers(0, 2**32 - 1)


def _random_case(codec, seed, rows=2, scale=3.0):
    """Outputs and targets in float64, some targets beyond the range."""
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, codec.num_outputs, generator=generator, dtype=torch.float64) * scale
    targets = torch.randn(rows, 4, generator=generator, dtype=torch.float64) * 2
    return outputs, targets


def _coordinates(codec, outputs, targets):
    """Per candidate and coordinate, the K lists of n scores and the target, as plain numbers."""
    scores = outputs.reshape(-1, codec.num_stages, 4, codec.num_labels).transpose(1, 2).tolist()
    for row, wanted in zip(scores, targets.tolist(), strict=True):
        yield from zip(row, wanted, strict=True)


def _settings(codec):
    return codec.ranges, codec.num_bins, codec.rule, codec.residual_from


def _assume_clear_of_edges(codec, outputs, targets, margin):
    """Where a residual lies on an edge, rounding chooses its label, here and in the reference."""
    for scores, target in _coordinates(codec, outputs, targets):
        wanted = reference.residuals(scores, target, *_settings(codec))
        for residual, half_range in zip(wanted, codec.ranges, strict=True):
            assume(reference.distance_to_edge(residual, half_range, codec.num_bins) > margin)


@every_bin_codec
@given(seed=seeds, num_bins=st.sampled_from([1, 5, 8, 20]))
def test_bin_loss_and_gradient_agree_with_the_reference(rule, residual_from, num_stages, seed, num_bins):
    codec = BinCodec.hierarchical(num_bins, 3.0, num_stages, rule, residual_from)
    outputs, targets = _random_case(codec, seed)
    _assume_clear_of_edges(codec, outputs, targets, margin=1e-10)
    outputs.requires_grad_(True)
    loss = codec.loss(outputs, targets)
    cases = list(_coordinates(codec, outputs.detach(), targets))
    expected = math.fsum(reference.bin_loss(scores, target, *_settings(codec)) for scores, target in cases)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, rel=1e-9)

    (gradient,) = torch.autograd.grad(loss, outputs)
    slopes = [reference.bin_gradient(scores, target, *_settings(codec)) for scores, target in cases]
    slopes = torch.tensor(slopes, dtype=torch.float64).reshape(-1, 4, num_stages, codec.num_labels).transpose(1, 2)
    torch.testing.assert_close(gradient, slopes.reshape(gradient.shape), rtol=1e-9, atol=1e-9)


@given(seed=seeds)
def test_bin_loss_in_float32(seed):
    codec = BinCodec.hierarchical(num_stages=2)
    outputs, targets = (values.float() for values in _random_case(codec, seed))
    _assume_clear_of_edges(codec, outputs, targets, margin=1e-5)
    loss = codec.loss(outputs, targets)
    expected = math.fsum(
        reference.bin_loss(scores, target, *_settings(codec))
        for scores, target in _coordinates(codec, outputs, targets)
    )
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("rule", "num_stages"), list(itertools.product(RULES, STAGES)))
@given(seed=seeds)
def test_decode_is_the_sum_of_the_used_stages(rule, num_stages, seed):
    codec = BinCodec.hierarchical(num_stages=3, rule=rule).decoding(num_stages=num_stages)
    outputs, targets = _random_case(codec, seed)
    expected = [
        math.fsum(
            reference.predict(stage, half_range, codec.num_bins, rule)
            for stage, half_range in zip(scores[:num_stages], codec.ranges[:num_stages], strict=True)
        )
        for scores, _ in _coordinates(codec, outputs, targets)
    ]
    decoded = codec.decode(outputs)
    assert decoded.shape == targets.shape
    torch.testing.assert_close(decoded.flatten(), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9)


@given(seed=seeds, scale=st.floats(0, 1e4))
def test_expectation_lies_between_the_outermost_representatives(seed, scale):
    codec = BinCodec.hierarchical(num_stages=1)
    outputs, _ = _random_case(codec, seed, scale=scale)
    for dtype in (torch.float32, torch.float64):
        decoded = codec.decode(outputs.to(dtype))
        assert decoded.abs().max() <= codec.ranges[0] * (1 + 1e-6)


@every_bin_codec
@given(seed=seeds)
def test_a_head_that_is_sure_and_right_lands_within_half_a_last_bin(rule, residual_from, num_stages, seed):
    codec = BinCodec.hierarchical(num_stages=num_stages, rule=rule, residual_from=residual_from)
    targets = torch.empty(3, 4, dtype=torch.float64).uniform_(-3, 3, generator=torch.Generator().manual_seed(seed))
    scores = torch.zeros(3, num_stages, 4, codec.num_labels, dtype=torch.float64)
    residual = targets
    for stage, half_range in enumerate(codec.ranges):
        labels = [[reference.label(value, half_range, 20) for value in row] for row in residual.tolist()]
        scores[:, stage].scatter_(-1, torch.tensor(labels)[..., None], 100.0)
        values = torch.tensor(reference.representatives(half_range, 20), dtype=torch.float64)
        residual = residual - values[torch.tensor(labels)]
    outputs = scores.flatten(1)
    assert (codec.decode(outputs) - targets).abs().max() <= codec.ranges[-1] / 20 * (1 + 1e-6)
    assert codec.loss(outputs, targets).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("rule", "used"), list(itertools.product(RULES, [None, 1, 2, 3])))
@given(seed=seeds)
def test_explanation_agrees_with_decoding_and_the_reference(rule, used, seed):
    codec = BinCodec.hierarchical(num_stages=3, rule=rule).decoding(num_stages=used)
    outputs, targets = _random_case(codec, seed)
    explanation = codec.explain(outputs)
    torch.testing.assert_close(explanation.offsets, codec.decode(outputs), rtol=0, atol=0)
    torch.testing.assert_close(explanation.partial[(used or 3) - 1], codec.decode(outputs))
    assert len(explanation.stages) == len(explanation.partial) == codec.num_stages == 3
    assert explanation.used_stages == (used or 3)

    origin = torch.zeros(2, 4, dtype=torch.float64)
    for k, (stage, half_range) in enumerate(zip(explanation.stages, codec.ranges, strict=True)):
        rows = [scores[k] for scores, _ in _coordinates(codec, outputs, targets)]

        def column(values):
            return torch.tensor(values, dtype=torch.float64).reshape(2, 4)

        probabilities = torch.tensor([reference.softmax(row) for row in rows], dtype=torch.float64)
        torch.testing.assert_close(stage.probabilities, probabilities.reshape(2, 4, 22))
        torch.testing.assert_close(stage.origin, origin)
        torch.testing.assert_close(stage.spread, column([reference.spread(row, half_range, 20) for row in rows]))
        by_rule = {each: column([reference.predict(row, half_range, 20, each) for row in rows]) for each in RULES}
        torch.testing.assert_close(stage.argmax, by_rule["argmax"])
        torch.testing.assert_close(stage.expectation, by_rule["expectation"])
        assert stage.edges.shape == (23,)
        assert stage.edges[0] == -math.inf
        assert stage.edges[-1] == math.inf
        assert ((stage.representatives >= stage.edges[:-1]) & (stage.representatives <= stage.edges[1:])).all()
        origin = origin + by_rule[rule]
        torch.testing.assert_close(explanation.partial[k], origin)


@every_one_stage_codec
@pytest.mark.parametrize("rule", RULES)
@given(seed=seeds)
def test_one_stage_explanation_agrees_with_decoding_and_its_own_numbers(codec, rule, seed):
    codec = codec.decoding(rule)
    outputs, _ = _random_case(codec, seed, rows=3)
    explanation = codec.explain(outputs)
    (stage,), (partial,) = explanation.stages, explanation.partial
    assert torch.equal(explanation.offsets, codec.decode(outputs))
    assert torch.equal(explanation.offsets, stage.argmax if rule == "argmax" else stage.expectation)
    assert torch.equal(partial, explanation.offsets)
    assert explanation.used_stages == codec.num_stages == 1
    assert not stage.origin.any()

    p, values = stage.probabilities, stage.representatives
    n = codec.num_outputs // 4
    assert (p.shape, values.shape, stage.edges.shape) == ((3, 4, n), (n,), (n + 1,))
    torch.testing.assert_close(p.sum(-1), torch.ones(3, 4, dtype=torch.float64))
    torch.testing.assert_close(stage.argmax, values[p.argmax(-1)])
    torch.testing.assert_close(stage.expectation, (p * values).sum(-1))
    variance = (p * values.square()).sum(-1) - (p * values).sum(-1).square()
    torch.testing.assert_close(stage.spread, variance.sqrt(), rtol=1e-6, atol=1e-6)
    assert (stage.edges[0], stage.edges[-1]) == (-math.inf, math.inf)
    assert (stage.edges.diff() > 0).all()
    assert ((values >= stage.edges[:-1]) & (values <= stage.edges[1:])).all()


@every_one_stage_codec
def test_one_stage_has_one_stage_to_use(codec):
    assert codec.decoding() == codec.decoding(num_stages=1) == codec
    for other in (0, 2):
        with pytest.raises(ValueError, match=r"1 stage\(s\)"):
            codec.decoding(num_stages=other)


def test_spread_of_two_equally_likely_bins_is_half_their_distance():
    codec = BinCodec(num_bins=5, ranges=(5.0,))
    scores = torch.full((1, 4, 7), -1000.0)
    scores[..., 2] = scores[..., 4] = 0  # representatives -2 and 2
    (stage,) = codec.explain(scores.flatten(1)).stages
    torch.testing.assert_close(stage.spread, torch.full((1, 4), 2.0))
    torch.testing.assert_close(stage.expectation, torch.zeros(1, 4))


@pytest.mark.parametrize("kind", ["l2", "smooth_l1"])
@given(seed=seeds, beta=st.sampled_from([1 / 9, 1.0, 1.5, 2.0]))
def test_regression_loss_agrees_with_the_reference(kind, seed, beta):
    codec = RegressionCodec(kind, beta)
    outputs, targets = _random_case(codec, seed, rows=3)
    each = [a - b for a, b in zip(outputs.flatten().tolist(), targets.flatten().tolist(), strict=True)]
    expected = math.fsum(reference.l2(e) if kind == "l2" else reference.smooth_l1(e, beta) for e in each)
    assert codec.loss(outputs, targets).item() == pytest.approx(expected, rel=1e-9)


@given(seed=seeds)
def test_regression_by_giou_agrees_with_the_reference(seed):
    codec = RegressionCodec("giou")
    outputs, targets = _random_case(codec, seed, rows=3, scale=1.0)
    candidate = (30.0, 40.0, 130.0, 90.0)
    pairs = zip(outputs.tolist(), targets.tolist(), strict=True)
    boxes = [[reference.decode_box(offsets, candidate) for offsets in pair] for pair in pairs]
    expected = math.fsum(1 - reference.giou(*pair) for pair in boxes)
    assert codec.loss(outputs, targets).item() == pytest.approx(expected, abs=1e-4)


def test_regression_has_no_stages_and_one_way_to_decode():
    codec = RegressionCodec()
    outputs = torch.randn(2, 4)
    explanation = codec.explain(outputs)
    assert torch.equal(explanation.offsets, outputs)
    assert torch.equal(codec.decode(outputs), outputs)
    assert explanation.stages == explanation.partial == ()
    assert codec.num_stages == explanation.used_stages == 0
    assert codec.rule is None
    assert codec.decoding("argmax", 2) == codec


def test_decoding_another_way_leaves_the_rest():
    codec = BinCodec.hierarchical(num_stages=2, rule="expectation", residual_from="true_bin")
    other = codec.decoding("argmax", 1)
    assert (other.rule, other.used_stages) == ("argmax", 1)
    assert (other.ranges, other.residual_from, other.num_outputs) == (codec.ranges, "true_bin", 2 * 4 * 22)
    assert other.decoding() == other
    assert codec.used_stages is None


def test_training_uses_every_stage_whatever_decoding_uses():
    codec = BinCodec.hierarchical(num_stages=2)
    outputs, targets = _random_case(codec, seed=0)
    assert torch.equal(codec.loss(outputs, targets), codec.decoding(num_stages=1).loss(outputs, targets))


def test_ranges_may_be_given_as_the_papers_text_prints_them():
    codec = BinCodec(num_bins=20, ranges=(3.0, 0.15, 0.015))
    assert [bins.half_range for bins in codec.stages] == [3.0, 0.15, 0.015]
    assert BinCodec.hierarchical(20, 3.0, 3).ranges == hierarchical_ranges(20, 3.0, 3)
    scores = torch.zeros(1, 3, 4, 22)
    scores[..., 21] = 100.0  # every right tail
    torch.testing.assert_close(codec.decode(scores.flatten(1)), torch.full((1, 4), 3.165))


def test_the_residual_origins_differ_where_prediction_and_truth_do():
    """Worked by hand: m = 5, a = 5; the truth 2.3 is in the bin of 2, the head says 0 for sure."""
    ranges = (5.0, 1.0)
    first = torch.zeros(1, 4, 7)
    first[..., 3] = 50.0
    for residual_from, label in [("true_bin", 4), ("predicted_bin", 6), ("prediction", 6)]:
        codec = BinCodec(5, ranges, "expectation", residual_from)
        second = torch.randn(1, 4, 7, generator=torch.Generator().manual_seed(1))
        outputs = torch.stack((first, second), dim=1).flatten(1).requires_grad_(True)
        codec.loss(outputs, torch.full((1, 4), 2.3)).backward()
        expected = bin_cross_entropy_gradient(second, torch.full((1, 4), label))
        torch.testing.assert_close(outputs.grad.reshape(1, 2, 4, 7)[:, 1], expected)


@every_codec
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_targets_must_be_finite(codec, bad):
    targets = torch.zeros(2, 4)
    targets[1, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        codec.loss(torch.zeros(2, codec.num_outputs), targets)


@every_codec
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_no_candidates_cost_nothing_and_can_be_trained_on(codec, dtype):
    outputs = torch.zeros(0, codec.num_outputs, dtype=dtype, requires_grad=True)
    loss = codec.loss(outputs, torch.zeros(0, 4))
    assert loss.item() == 0
    loss.backward()
    assert outputs.grad.shape == outputs.shape
    assert codec.decode(outputs).shape == (0, 4)
    assert codec.explain(outputs).offsets.shape == (0, 4)


@every_codec
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_keep_full_precision_types(codec, dtype):
    outputs, targets = (values.to(dtype) for values in _random_case(codec, seed=3))
    assert codec.loss(outputs, targets).dtype == dtype
    assert codec.decode(outputs).dtype == dtype
    assert codec.explain(outputs).offsets.dtype == dtype


@every_codec
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@given(seed=seeds)
def test_half_precision_outputs_count_as_the_float32_numbers_they_are(codec, dtype, seed):
    outputs, targets = _random_case(codec, seed, scale=2.0)
    outputs, targets = outputs.to(dtype), targets.float()
    loss, decoded = codec.loss(outputs, targets), codec.decode(outputs)
    assert loss.dtype == decoded.dtype == torch.float32
    torch.testing.assert_close(loss, codec.loss(outputs.float(), targets))
    torch.testing.assert_close(decoded, codec.decode(outputs.float()))


@every_codec
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_at_large_outputs(codec, dtype):
    outputs = torch.full((2, codec.num_outputs), 6e4, dtype=dtype)
    outputs[1, ::2] *= -1
    outputs.requires_grad_(True)
    loss = codec.loss(outputs, torch.zeros(2, 4, dtype=dtype))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(outputs.grad).all()
    assert torch.isfinite(codec.decode(outputs)).all()


def test_half_precision_bins_are_close_to_float64():
    codec = BinCodec.hierarchical(num_stages=2, residual_from="true_bin")
    outputs, targets = _random_case(codec, seed=5, rows=50)
    for dtype, tolerance in ((torch.float16, 5e-3), (torch.bfloat16, 5e-2)):
        torch.testing.assert_close(
            codec.decode(outputs.to(dtype)).double(), codec.decode(outputs), rtol=0, atol=tolerance
        )
        loss = codec.loss(outputs.to(dtype), targets)
        assert loss.item() == pytest.approx(codec.loss(outputs, targets).item(), rel=tolerance)


def test_impossible_codecs_are_refused():
    with pytest.raises(ValueError, match="at least one stage"):
        BinCodec(20, ())
    with pytest.raises(ValueError, match="half_range"):
        BinCodec(20, (3.0, -0.15))
    with pytest.raises(ValueError, match="num_bins"):
        BinCodec(0, (3.0,))
    for used in (0, 3):
        with pytest.raises(ValueError, match=r"2 stage\(s\)"):
            BinCodec.hierarchical(num_stages=2).decoding(num_stages=used)
