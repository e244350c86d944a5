"""Pooling the pyramid's rows at once gives what torchvision's operator gives, forwards and backwards."""

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from obcn.exporting.network import Pool
from obcn.models.roi_align import PyramidRoIAlign

NAMES = ["0", "1", "2"]
SHAPES = [(96, 160), (90, 128)]


def _pyramid(seed: int = 0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(2, 5, 96 // stride, 160 // stride, generator=generator, dtype=dtype).requires_grad_()
        for name, stride in zip(NAMES, (8, 16, 32), strict=True)
    }


def _boxes(count: int, seed: int, dtype=torch.float64):
    """Boxes of every size and so of every level; some reach out of the photo, some are thinner than a pixel."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator, dtype=dtype) * torch.tensor([170.0, 110.0])
    size = torch.rand(count, 2, generator=generator, dtype=dtype) ** 4 * 700
    return torch.cat((centre - size / 2, centre + size / 2), dim=1)


@pytest.mark.parametrize("size", [7, (3, 5)])
def test_pooled_features_and_their_gradients_are_torchvisions(size):
    pyramid, boxes = _pyramid(), [_boxes(40, 1), _boxes(25, 2)]
    ours = PyramidRoIAlign(NAMES, size, sampling_ratio=2)(pyramid, boxes, SHAPES)
    theirs = MultiScaleRoIAlign(NAMES, size, sampling_ratio=2)(pyramid, boxes, SHAPES)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    weight = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(3), dtype=theirs.dtype)
    levels = list(pyramid.values())
    gradients = zip(
        torch.autograd.grad((ours * weight).sum(), levels),
        torch.autograd.grad((theirs * weight).sum(), levels),
        strict=True,
    )
    for our_gradient, their_gradient in gradients:
        assert their_gradient.abs().max() > 0
        torch.testing.assert_close(our_gradient, their_gradient, atol=1e-5, rtol=1e-5)


def test_what_is_exported_pools_the_same_for_boxes_of_all_levels():
    pyramid = {name: level[:1] for name, level in _pyramid().items()}
    boxes = _boxes(40, 1)
    ours = PyramidRoIAlign(NAMES, 7, sampling_ratio=2)
    expected = ours(pyramid, [boxes], [(96, 160)])
    assert len(ours.map_levels([boxes]).unique()) == 3
    whole = [torch.zeros(1, 5, 256 // stride, 256 // stride) for stride in (8, 16, 32)]
    torch.testing.assert_close(Pool(NAMES, whole, ours)(pyramid, boxes), expected, atol=1e-5, rtol=1e-5)


def test_a_batch_of_another_size_is_pooled_at_its_own_scale():
    pool = PyramidRoIAlign(NAMES, 7, sampling_ratio=2)
    pool(_pyramid(), [_boxes(3, 1), _boxes(3, 2)], SHAPES)
    small = {name: level[..., : level.shape[-1] // 2 + 1] for name, level in _pyramid(1).items()}
    shapes = [(96, 80), (90, 64)]
    boxes = [_boxes(9, 4), _boxes(9, 5)]
    fresh = MultiScaleRoIAlign(NAMES, 7, sampling_ratio=2)(small, boxes, shapes)
    torch.testing.assert_close(pool(small, boxes, shapes), fresh, atol=1e-5, rtol=1e-5)


def test_a_low_strip_is_pooled_at_the_levels_scales_however_much_of_its_height_is_padding():
    pool, boxes = PyramidRoIAlign(NAMES, 7, sampling_ratio=2), [_boxes(9, 4), _boxes(9, 5)]
    lying = {name: level[..., : level.shape[2] // 3, :] for name, level in _pyramid().items()}
    padded = MultiScaleRoIAlign(NAMES, 7, sampling_ratio=2)(lying, boxes, [(32, 160), (32, 160)])
    torch.testing.assert_close(pool(lying, boxes, [(20, 160), (17, 90)]), padded, atol=1e-5, rtol=1e-5)


def test_where_torchvision_pools_it_is_at_this_batchs_scales_too():
    pool, none = PyramidRoIAlign(NAMES, 7, sampling_ratio=2), [torch.zeros(0, 4, dtype=torch.float64)] * 2
    for stride in (8, 4):
        pool(_pyramid(), none, [(96 * stride // 8, 160 * stride // 8)] * 2)
        assert pool.scales[0] == 1 / stride


def test_no_boxes_pool_to_nothing_and_one_photo_may_have_none():
    pool = PyramidRoIAlign(NAMES, 7, sampling_ratio=2)
    empty = torch.zeros(0, 4, dtype=torch.float64)
    assert pool(_pyramid(), [empty, empty], SHAPES).shape == (0, 5, 7, 7)
    boxes = [empty, _boxes(4, 6)]
    theirs = MultiScaleRoIAlign(NAMES, 7, sampling_ratio=2)(_pyramid(), boxes, SHAPES)
    torch.testing.assert_close(pool(_pyramid(), boxes, SHAPES), theirs, atol=1e-5, rtol=1e-5)


def test_gradients_repeat_to_the_bit():
    pool, boxes = PyramidRoIAlign(NAMES, 7, sampling_ratio=2), [_boxes(50, 7, torch.float32)] * 2
    gradients = []
    for _ in range(2):
        pyramid = _pyramid(dtype=torch.float32)
        pool(pyramid, boxes, SHAPES).square().sum().backward()
        gradients.append(pyramid["0"].grad)
    assert torch.equal(*gradients)
