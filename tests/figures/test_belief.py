import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou as torchvision_iou

from obcn.figures.belief import Belief, belief_of, box_iou
from obcn.offsets import SupportPointCodec, decode_boxes
from obcn.records.schema import COORDINATES
from tests.app.helpers import BINS, REGRESSION, detections

BOX = [20.0, 30.0, 100.0, 90.0]


def belief(rivals=None, codec=BINS) -> Belief:
    return belief_of(detections([BOX], ["dog"], [0.9], codec), 0, rivals)


def test_offsets_in_pixels_are_a_shift_for_the_centre_and_a_growth_for_the_size() -> None:
    seen = belief()
    width, height = (seen.candidate[2:] - seen.candidate[:2]).tolist()
    assert seen.pixels("x", 2.0) == pytest.approx(2.0 / 10 * width)
    assert seen.pixels("y", -1.0) == pytest.approx(-1.0 / 10 * height)
    assert seen.pixels("w", 1.5) == pytest.approx(math.exp(1.5 / 5) * width - width, rel=1e-5)
    assert seen.pixels("h", -1.5) == pytest.approx(math.exp(-1.5 / 5) * height - height, rel=1e-5)


@settings(deadline=None)  # a busy machine is no failure
@given(coordinate=st.sampled_from(COORDINATES), offset=st.floats(-3, 3))
def test_pixels_and_offsets_are_inverse(coordinate, offset) -> None:
    seen = belief()
    assert seen.offset(coordinate, seen.pixels(coordinate, offset)) == pytest.approx(offset, abs=1e-6)


def test_a_rival_is_told_from_our_candidate() -> None:
    rival = torch.tensor([10.0, 35.0, 120.0, 80.0])
    seen = belief({"regression": rival})
    offsets = seen.rival_offsets("regression")
    torch.testing.assert_close(decode_boxes(offsets[None], seen.candidate[None])[0], rival)


def test_the_box_is_where_the_last_stage_in_use_ends() -> None:
    both, first = belief(), belief(codec=BINS.decoding(num_stages=1))
    torch.testing.assert_close(both.final, both.after_stages[1])
    torch.testing.assert_close(first.final, first.after_stages[0])
    assert (both.used_stages, first.used_stages) == (2, 1)
    assert len(first.stages) == 2, "the stage that is not used can still be looked at"


def test_spread_of_a_coin_toss_between_two_bins() -> None:
    found = detections([BOX], ["dog"], [0.9])
    scores = torch.full((1, 2, 4, 22), -100.0)
    # Half the mass in each of the first and last uniform bin: representatives -2.85 and 2.85.
    scores[:, 0, :, 1] = scores[:, 0, :, 20] = 0.0
    scores[:, 1, :, 10] = 0.0
    outputs = scores.reshape(1, -1)
    seen = belief_of(type(found)(**{**vars(found), "outputs": outputs, "explanation": BINS.explain(outputs)}), row=0)
    width, height = (seen.candidate[2:] - seen.candidate[:2]).tolist()
    assert seen.spread_pixels("x", 0) == pytest.approx(2.85 / 10 * width, rel=1e-4)
    # Sizes: d(w_a e^(t/5)) = w_a e^(t/5) / 5 dt, at the mean, which is 0.
    assert seen.spread_pixels("h", 0) == pytest.approx(2.85 / 5 * height, rel=1e-4)


def test_regression_has_no_belief() -> None:
    with pytest.raises(ValueError, match="no distribution"):
        belief_of(detections([BOX], ["dog"], [0.9], REGRESSION), 0)


corner = st.floats(0, 50)
boxes = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], corner, corner, st.floats(1, 50), st.floats(1, 50))


@settings(deadline=None)
@given(boxes, boxes)
def test_iou_agrees_with_torchvision(one, other) -> None:
    one, other = torch.tensor(one), torch.tensor(other)
    assert box_iou(one, other) == pytest.approx(float(torchvision_iou(one[None], other[None])), abs=1e-5)


def test_iou_of_boxes_without_area_is_zero() -> None:
    assert box_iou(torch.zeros(4), torch.zeros(4)) == 0


def test_the_floor_is_told_in_pixels_and_only_of_heads_whose_labels_have_one() -> None:
    """Mutants: the floor in the head's unit; a floor for bins, whose labels are one-hot."""
    assert belief().floor_pixels("x", 0) is None
    codec = SupportPointCodec.dfl(num_points=13, half_range=3.0)  # half an offset apart
    found = detections([BOX], ["dog"], [0.9])
    found = replace(
        found, codec=codec, outputs=torch.zeros(1, 4, 13).index_fill_(2, torch.tensor([6, 7]), 30).flatten(1)
    )
    seen = belief_of(found, 0)
    width, height = (seen.candidate[2:] - seen.candidate[:2]).tolist()
    # Midway between two points: a quarter of an offset. Eq. 1 has a tenth of the size to an offset.
    assert seen.floor_pixels("x", 0) == pytest.approx(0.25 / 10 * width, rel=1e-4)
    assert seen.floor_pixels("y", 0) == pytest.approx(0.25 / 10 * height, rel=1e-4)
    assert seen.spread_pixels("x", 0) == pytest.approx(seen.floor_pixels("x", 0), rel=1e-4)
    torch.testing.assert_close(seen.side_spread[0].double(), seen.side_spread[2].double())
