"""Bins of one stage and the ranges of successive stages (3.2.1, 3.2.4)."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from obcn.offsets import UniformBins, hierarchical_ranges
from tests.offsets import reference

LIKE = torch.zeros(1, dtype=torch.float64)
bins = st.builds(UniformBins, st.integers(1, 60), st.sampled_from([0.0075, 0.15, 1.0, 1.7, 3.0, 5.0]))


def test_figure_4():
    figure = UniformBins(num_bins=5, half_range=5.0)
    assert figure.num_labels == 7
    assert figure.width == 2
    assert figure.representatives(LIKE).tolist() == [-5, -4, -2, 0, 2, 4, 5]
    assert figure.inner_edges(LIKE).tolist() == [-5, -3, -1, 1, 3, 5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_figure_4_labels_of_midpoints_edges_and_beyond(dtype):
    offsets = [-4, -2, 0, 2, 4, -3, -1, 1, 3, -5, 5, -100, 100]
    labels = [1, 2, 3, 4, 5, 2, 3, 4, 5, 0, 6, 0, 6]
    assert UniformBins(5, 5.0).encode(torch.tensor(offsets, dtype=dtype)).tolist() == labels


@given(bins, st.data())
def test_labels_agree_with_exact_arithmetic(bins, data):
    offset = data.draw(st.floats(-1.5 * bins.half_range, 1.5 * bins.half_range))
    # Within rounding of an edge that no float hits, either neighbour is right.
    assume(reference.distance_to_edge(offset, bins.half_range, bins.num_bins) > 1e-12)
    assert bins.encode(torch.tensor([offset], dtype=torch.float64)).tolist() == [
        reference.label(offset, bins.half_range, bins.num_bins)
    ]


@given(num_bins=st.integers(1, 60), half_range=st.sampled_from([1.0, 1.5, 3.0, 5.0]))
@example(num_bins=20, half_range=3.0)
def test_the_float_nearest_to_an_inner_edge_belongs_to_the_bin_on_its_right(num_bins, half_range):
    edges = [float(edge) for edge in reference.exact_edges(half_range, num_bins)[1:-1]]
    bins = UniformBins(num_bins, half_range)
    right = list(range(2, num_bins + 1))
    for dtype in (torch.float32, torch.float64):
        assert bins.encode(torch.tensor(edges, dtype=dtype)).tolist() == right
    below = [math.nextafter(edge, -math.inf) for edge in edges]
    assert bins.encode(torch.tensor(below, dtype=torch.float64)).tolist() == [label - 1 for label in right]


@given(num_bins=st.integers(1, 100).map(lambda half: 2 * half), half_range=st.floats(1e-3, 100))
@example(num_bins=10, half_range=3.0)
def test_zero_belongs_to_the_right_of_the_two_middle_bins(num_bins, half_range):
    bins = UniformBins(num_bins, half_range)
    for dtype in (torch.float32, torch.float64):
        assert bins.encode(torch.zeros(1, dtype=dtype)).item() == num_bins // 2 + 1


@given(num_bins=st.integers(1, 60), half_range=st.floats(1e-3, 100), beyond=st.floats(0, 1e6))
def test_plus_and_minus_a_and_beyond_belong_to_the_tails(num_bins, half_range, beyond):
    bins = UniformBins(num_bins, half_range)
    for dtype in (torch.float32, torch.float64):
        ends = torch.tensor([-half_range - beyond, half_range + beyond], dtype=dtype)
        assert bins.encode(ends).tolist() == [0, num_bins + 1]


@pytest.mark.parametrize("half_range", [0.0075, 0.15, 1.0, 3.0, 1.7])
def test_the_floats_next_to_a_are_inside(half_range):
    bins = UniformBins(20, half_range)
    inside = math.nextafter(half_range, 0)
    assert bins.encode(torch.tensor([-inside, inside], dtype=torch.float64)).tolist() == [1, 20]


@given(bins, st.data())
def test_encode_then_decode_lands_within_half_a_bin(bins, data):
    offset = data.draw(st.floats(-bins.half_range, bins.half_range))
    exact = torch.tensor([offset], dtype=torch.float64)
    decoded = bins.representatives(LIKE)[bins.encode(exact)].item()
    assert abs(decoded - offset) <= bins.half_range / bins.num_bins * (1 + 1e-9)


@given(bins)
def test_representatives_and_edges_agree_with_equation_5(bins):
    expected = reference.representatives(bins.half_range, bins.num_bins)
    torch.testing.assert_close(bins.representatives(LIKE), torch.tensor(expected, dtype=torch.float64))
    edges = [float(edge) for edge in reference.exact_edges(bins.half_range, bins.num_bins)]
    torch.testing.assert_close(bins.inner_edges(LIKE), torch.tensor(edges, dtype=torch.float64))
    assert bins.encode(bins.representatives(LIKE)).tolist() == list(range(bins.num_labels))


def test_tensors_take_after_the_one_given():
    bins = UniformBins(20, 3.0)
    assert bins.representatives(torch.zeros(1)).dtype == torch.float32
    assert bins.inner_edges(LIKE).dtype == torch.float64
    assert bins.encode(torch.zeros(2, 3, 4)).shape == (2, 3, 4)
    assert bins.encode(torch.zeros(0, 4)).shape == (0, 4)
    assert bins.encode(torch.zeros(0, 4)).dtype == torch.int64


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_targets_that_no_bin_holds_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        UniformBins().encode(torch.tensor([0.0, bad]))


@pytest.mark.parametrize(
    ("num_bins", "half_range"), [(0, 3.0), (-1, 3.0), (20, 0.0), (20, -3.0), (20, math.nan), (20, math.inf)]
)
def test_impossible_bins_are_refused(num_bins, half_range):
    with pytest.raises(ValueError, match=r"num_bins|half_range"):
        UniformBins(num_bins, half_range)


def test_the_papers_ranges_and_widths():
    ranges = hierarchical_ranges(num_bins=20, half_range=3.0, num_stages=3)
    assert ranges == pytest.approx([3, 0.15, 0.0075], rel=1e-12)
    assert [UniformBins(20, a).width for a in ranges] == pytest.approx([0.3, 0.015, 0.00075], rel=1e-12)


@given(num_bins=st.integers(1, 60), half_range=st.floats(0.01, 100), num_stages=st.integers(1, 4))
def test_each_stage_covers_one_bin_of_the_stage_before(num_bins, half_range, num_stages):
    expected = reference.half_ranges(half_range, num_bins, num_stages)
    assert hierarchical_ranges(num_bins, half_range, num_stages) == pytest.approx(expected, rel=1e-12)


def test_no_stage_is_refused():
    with pytest.raises(ValueError, match="num_stages"):
        hierarchical_ranges(20, 3.0, 0)


def test_the_reference_itself_on_a_case_worked_by_hand():
    assert reference.exact_edges(3.0, 4) == (Fraction(-3), Fraction(-3, 2), 0, Fraction(3, 2), 3)
    assert [reference.label(x, 3.0, 4) for x in (-3, -2.9, -1.5, 0, 1.4, 1.5, 3)] == [0, 1, 2, 3, 3, 4, 5]
    assert reference.representatives(3.0, 4) == [-3, -2.25, -0.75, 0.75, 2.25, 3]
    assert reference.giou([0, 0, 2, 2], [1, 1, 3, 3]) == pytest.approx(1 / 7 - 2 / 9)
