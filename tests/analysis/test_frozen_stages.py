"""Second stages that only the studies have: layers of their own, a hierarchical softmax, looks of mixed kinds."""

import math

import pytest
import torch
from pydantic import ValidationError

from analysis.frozen.heads import HeadSettings, build_head
from analysis.frozen.stages import ConditionalCodec
from analysis.frozen.training import train_side_by_side
from obcn.models.box_head import POOL_SIZE
from obcn.offsets import BinCodec, RegressionCodec, RepooledCodec
from tests.analysis.heads import BINS, COMMON, new_run

TWO_STAGES = {"codec": "bins", "num_stages": 2, "residual_from": "true_bin"}
SMALL = ConditionalCodec(
    num_bins=2, half_range=1.0
)  # n = 4; representatives -1, -0.5, 0.5, 1 and -0.5, -0.25, 0.25, 0.5


def small_outputs() -> torch.Tensor:
    """x: first bins at 0.2, 0.3, 0.5, 0; given the second bin, its third; given the others, evenly."""
    first = torch.tensor([0.2, 0.3, 0.5, 1e-12]).log()
    second = torch.zeros(4, 4)
    second[1] = torch.tensor([1e-12, 1e-12, 1.0, 1e-12]).log()
    coordinate = torch.cat((first, second.flatten()))
    return coordinate.repeat(4)[None]


def test_a_conditional_head_adds_each_first_bins_own_second_stage_by_hand() -> None:
    """Mutants: the second stage of one first bin for all, or its probabilities not weighted by the first's."""
    mean = 0.2 * -1 + 0.3 * (-0.5 + 0.25) + 0.5 * 0.5
    torch.testing.assert_close(SMALL.decode(small_outputs()), torch.full((1, 4), mean))
    torch.testing.assert_close(SMALL.decoding("argmax").decode(small_outputs()), torch.full((1, 4), 0.5 - 0.5))


def test_a_conditional_head_is_trained_on_the_true_bins_second_stage_by_hand() -> None:
    """Mutants: the second loss on the predicted bin, or its target not measured from the true bin's middle."""
    # -0.3 lies in the second bin, 0.2 to the right of its middle: the third of the second stage.
    loss = SMALL.loss(small_outputs(), torch.full((1, 4), -0.3)).item()
    assert loss == pytest.approx(-4 * (math.log(0.3) + math.log(1.0)), abs=1e-4)
    # 0.6 lies in the third bin, whose second stage says nothing.
    assert SMALL.loss(small_outputs(), torch.full((1, 4), 0.6)).item() == pytest.approx(
        -4 * (math.log(0.5) + math.log(0.25)), abs=1e-4
    )


def test_a_conditional_head_has_as_many_outputs_as_it_says_and_learns(tmp_path, detector, features) -> None:
    assert SMALL.num_outputs == 4 * (4 + 16)
    run = new_run({"offsets": {"codec": "conditional_bins"}}, tmp_path, detector, epochs=1)
    before = run.head.box_head.offset_outputs.weight.clone()
    train_side_by_side([run], features, seed=0)
    assert not torch.equal(before, run.head.box_head.offset_outputs.weight)


def test_own_layers_write_the_later_stages_and_leave_the_first_as_it_is_alone(tmp_path, detector, features) -> None:
    """Mutants: stages in the wrong order, one linear layer for both, or the first stage disturbed by the second."""
    one = new_run(BINS, tmp_path / "one", detector)
    two = new_run({"offsets": TWO_STAGES, "later_stages": "own"}, tmp_path / "two", detector)
    train_side_by_side([one, two], features, seed=0)
    first = two.head.box_head.first.state_dict()
    assert all(torch.equal(value, first[name]) for name, value in one.head.box_head.state_dict().items())
    pooled = torch.rand(3, detector.backbone.out_channels, POOL_SIZE, POOL_SIZE)
    with torch.inference_mode():
        scores, outputs = two.head.box_head(pooled)
        alone_scores, alone = one.head.box_head(pooled)
    torch.testing.assert_close(scores, alone_scores)
    assert outputs.shape == (3, 1, two.head.codec.num_outputs)
    torch.testing.assert_close(
        two.head.codec.decoding(num_stages=1).decode(outputs[:, 0]), one.head.codec.decode(alone[:, 0])
    )


def test_looks_may_be_of_several_kinds(detector) -> None:
    offsets = {"codec": "looks", "looks": [{"codec": "bins"}, {"codec": "regression", "beta": 1.5}]}
    head = build_head(HeadSettings.model_validate({**COMMON, "offsets": offsets}), detector, seed=0)
    assert head.codec == RepooledCodec((BinCodec(), RegressionCodec("smooth_l1", 1.5)))
    assert [look.offset_outputs.out_features for look in head.later_looks] == [4]


@pytest.mark.parametrize(
    "settings",
    [BINS, {"offsets": {"codec": "regression", "num_stages": 2}}, {"offsets": TWO_STAGES, "branches": "separate"}],
)
def test_own_layers_of_nothing_are_refused(settings) -> None:
    with pytest.raises(ValidationError, match="later_stages"):
        HeadSettings.model_validate({**COMMON, **settings, "later_stages": "own"})
