"""What numbers mean for a box: encode and decode undo each other, and pixels and slopes are those of the boxes."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from obcn.offsets import OffsetCode, SideCode, SupportPointCodec
from obcn.offsets.box_code import from_pixels, pixels, slope

CODES = {
    "offsets": OffsetCode(),
    "from the anchor": SideCode(),
    "from the reference box": SideCode("side", 4.0),
}


def _boxes(count: int = 50) -> torch.Tensor:
    low, size = (torch.rand(count, 2, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (1, 2))
    return torch.cat((low * 300, low * 300 + 5 + size * 100), 1)


def _numbers(count: int = 50) -> torch.Tensor:
    return 0.3 + torch.rand(count, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_encode_and_measure_are_undone(code):
    candidates, numbers = _boxes(), _numbers()
    boxes = code.decode(numbers, candidates)
    torch.testing.assert_close(code.encode(boxes, candidates), numbers)
    torch.testing.assert_close(code.of_measures(code.measure(boxes)), boxes)
    torch.testing.assert_close(from_pixels(code, pixels(code, numbers, candidates), candidates), numbers)


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_each_measure_rises_with_its_own_number_alone_at_the_slope(code):
    candidates, numbers = _boxes(), _numbers()
    slopes = slope(code, numbers, candidates)
    step = 1e-5
    for k in range(4):
        moved = numbers.clone()
        moved[:, k] += step
        change = (pixels(code, moved, candidates) - pixels(code, numbers, candidates)) / step
        others = [n for n in range(4) if n != k]
        torch.testing.assert_close(change[:, others], torch.zeros(50, 3, dtype=torch.float64), atol=1e-6, rtol=0)
        torch.testing.assert_close(change[:, k], slopes[:, k], rtol=1e-4, atol=1e-6)
        assert (change[:, k] > 0).all()


def test_offsets_in_pixels_by_hand():
    candidates = torch.tensor([[0.0, 0.0, 20.0, 40.0]], dtype=torch.float64)
    offsets = torch.tensor([[1.0, -2.0, 5 * math.log(2), 0.0]], dtype=torch.float64)
    torch.testing.assert_close(pixels(OffsetCode(), offsets, candidates), torch.tensor([[2.0, -8, 20, 0]]).double())
    torch.testing.assert_close(slope(OffsetCode(), offsets, candidates), torch.tensor([[2.0, 4, 8, 8]]).double())


def test_yolos_distances_by_hand():
    """Anchor point (20, 12) of stride 8: x1 = (2.5 - l) 8, as YOLOv8's dist2bbox has it."""
    cell = torch.tensor([[16.0, 8.0, 24.0, 16.0]])
    distances = torch.tensor([[1.0, 0.5, 3.0, 2.0]])
    torch.testing.assert_close(SideCode().decode(distances, cell), torch.tensor([[12.0, 8.0, 44.0, 28.0]]))
    torch.testing.assert_close(pixels(SideCode(), distances, cell), torch.tensor([[8.0, 4.0, 24.0, 16.0]]))
    assert [each.key for each in SideCode().coordinates] == ["left", "top", "right", "bottom"]


def test_dfines_distances_by_hand():
    """x1 = cx - (s / 2 + d) w / s, with s = 4, cx = 50 and w = 20."""
    reference = torch.tensor([[40.0, 30.0, 60.0, 70.0]])
    distances = torch.tensor([[0.5, 0.0, -0.5, 1.0]])
    expected = torch.tensor([[50 - 2.5 * 5, 30.0, 50 + 1.5 * 5, 80.0]])
    torch.testing.assert_close(SideCode("side", 4.0).decode(distances, reference), expected)


def test_a_codec_carries_its_code_through_another_decoding():
    codec = SupportPointCodec((0.0, 1.0, 2.0), box=SideCode())
    assert codec.decoding("argmax").box == SideCode()
    assert SupportPointCodec.dfl().box == OffsetCode()


def test_threads_take_slopes_at_once() -> None:
    """Mutant: no lock, and PyTorch's forward differentiation fails in visitors who come together."""
    numbers, candidates = torch.zeros(200, 4), torch.tensor([[0.0, 0.0, 30.0, 20.0]]).repeat(200, 1)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: slope(OffsetCode(), numbers, candidates), range(200)))
    assert all(torch.equal(each, found[0]) for each in found)
