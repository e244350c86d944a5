"""Boxes to offsets and back (Eq. 1)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from obcn.offsets import decode_boxes, encode_boxes
from tests.offsets import reference

_corner = st.floats(-200, 1200)
_size = st.floats(1, 800)
boxes = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], _corner, _corner, _size, _size)
pairs = st.lists(st.tuples(boxes, boxes), min_size=1, max_size=4)


@given(pairs)
def test_offsets_are_equation_1_over_the_standard_deviations(pairs):
    targets, candidates = (torch.tensor(side, dtype=torch.float64) for side in zip(*pairs, strict=True))
    expected = [reference.encode_box(target, candidate) for target, candidate in pairs]
    torch.testing.assert_close(
        encode_boxes(targets, candidates), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


@given(st.lists(st.tuples(st.tuples(*[st.floats(-20, 20)] * 4), boxes), min_size=1, max_size=4))
def test_boxes_are_equation_1_solved(pairs):
    offsets, candidates = (torch.tensor(side, dtype=torch.float64) for side in zip(*pairs, strict=True))
    expected = [reference.decode_box(row, candidate) for row, candidate in pairs]
    torch.testing.assert_close(
        decode_boxes(offsets, candidates), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-7
    )


@given(pairs)
def test_encode_then_decode_gives_the_box_back(pairs):
    targets, candidates = (torch.tensor(side, dtype=torch.float64) for side in zip(*pairs, strict=True))
    # A candidate grows by at most 1000/16 per side.
    growth = (targets[:, 2:] - targets[:, :2]) / (candidates[:, 2:] - candidates[:, :2])
    reachable = (growth < 62).all(1)
    found = decode_boxes(encode_boxes(targets, candidates), candidates)
    torch.testing.assert_close(found[reachable], targets[reachable], rtol=1e-9, atol=1e-7)


def test_a_shift_by_a_tenth_of_the_width_is_one():
    candidate = torch.tensor([[100.0, 50.0, 300.0, 150.0]])
    shifted = candidate + torch.tensor([20.0, 10.0, 20.0, 10.0])
    torch.testing.assert_close(encode_boxes(shifted, candidate), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))


@pytest.mark.parametrize("value", [1e4, 1e30])
def test_no_offset_overflows(value):
    candidate = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    (box,) = decode_boxes(torch.tensor([[0.0, 0.0, value, value]]), candidate)
    torch.testing.assert_close(box[2:] - box[:2], torch.tensor([1000.0, 1000.0]))


def test_no_boxes():
    none = torch.zeros(0, 4)
    assert encode_boxes(none, none).shape == (0, 4)
    assert decode_boxes(none, none).shape == (0, 4)
