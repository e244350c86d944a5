"""Scoring a photo and then selecting agrees with calling the detector, and a detection explains its box."""

import pytest
import torch
from PIL import Image
from torchvision.ops import clip_boxes_to_image

from obcn.config import BinOffsets, DfineOffsets, DflOffsets, DistanceBinOffsets, RegressionOffsets
from obcn.errors import UserError
from obcn.explain import select
from obcn.models import scoring
from obcn.models.scoring import photo_tensor
from obcn.models.selection import DetectionThresholds
from obcn.offsets import decode_boxes
from tests.models.helpers import CLASSES, build, compact_config

HEADS = {
    "bins": {"offsets": BinOffsets(codec="bins", num_stages=2)},
    "argmax": {"offsets": BinOffsets(codec="bins", num_stages=2, decode="argmax")},
    "regression": {"offsets": RegressionOffsets(codec="regression")},
    "one box per class": {"offsets": RegressionOffsets(codec="regression", class_agnostic=False)},
    "dfl": {"offsets": DflOffsets(codec="dfl")},
    "dfine": {"offsets": DfineOffsets(codec="dfine", decode="argmax")},
    "distance bins": {"offsets": DistanceBinOffsets(codec="distance_bins")},
    "cascade": {"offsets": BinOffsets(codec="bins", num_stages=1), "foreground_iou": (0.5, 0.7)},
}


def _photo(width=200, height=150):
    pixels = torch.randint(256, (height, width, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


@pytest.fixture(scope="module", params=HEADS)
def detector(request):
    return build(compact_config(**HEADS[request.param])).eval()


def test_agrees_with_the_detector(detector):
    photo = _photo()
    with torch.inference_mode():
        (expected,) = detector([photo_tensor(photo)])
    found = select(detector.score(photo), detector.codec, detector.thresholds)
    assert len(found) == len(expected["boxes"]) > 5
    torch.testing.assert_close(found.scores, expected["scores"])
    assert found.names == tuple(CLASSES[label - 1] for label in expected["labels"].tolist())
    torch.testing.assert_close(found.boxes, expected["boxes"], rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(found.candidates, expected["candidates"], rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(found.outputs, expected["offset_outputs"])
    assert (found.width, found.height) == photo.size


def test_boxes_follow_from_candidates_and_explanation(detector):
    found = select(detector.score(_photo()), detector.codec, detector.thresholds)
    size = (found.height, found.width)
    boxes = clip_boxes_to_image(decode_boxes(found.explanation.offsets, found.candidates), size)
    torch.testing.assert_close(boxes, found.boxes)
    stages = found.boxes_after_stages()
    assert len(stages) == len(found.explanation.stages)
    if stages:
        torch.testing.assert_close(stages[-1], found.boxes)
        torch.testing.assert_close(found.boxes_by(detector.codec.rule), found.boxes)


def test_another_rule_and_fewer_stages_need_no_second_pass():
    detector = build(compact_config(**HEADS["bins"])).eval()
    photo = _photo()
    scored = detector.score(photo)
    for codec in (detector.codec.decoding("argmax"), detector.codec.decoding(num_stages=1)):
        detector.codec = codec
        with torch.inference_mode():
            (expected,) = detector([photo_tensor(photo)])
        found = select(scored, codec, detector.thresholds)
        torch.testing.assert_close(found.boxes, expected["boxes"], rtol=1e-4, atol=1e-2)


def test_a_huge_photo_is_reduced_and_its_boxes_stay_in_its_own_pixels(monkeypatch):
    detector = build(compact_config()).eval()
    small = _photo()
    large = small.resize((600, 450), Image.Resampling.NEAREST)  # reducing by 3 gives the small one back
    monkeypatch.setattr(scoring, "LONGEST_SIDE", 200)
    at_once, reduced = detector.score(small), detector.score(large)
    assert (reduced.width, reduced.height) == (600, 450)
    torch.testing.assert_close(reduced.candidates.boxes, 3 * at_once.candidates.boxes)
    torch.testing.assert_close(reduced.candidates.probabilities, at_once.candidates.probabilities)


@pytest.mark.parametrize("size", [(10_000, 10), (2, 3000)])
def test_a_photo_too_thin_for_the_network_is_refused(size):
    with pytest.raises(UserError, match="too thin"):
        build(compact_config()).eval().score(Image.new("RGB", size))


@pytest.mark.parametrize("size", [(1, 1), (3000, 300)])
def test_odd_photos_are_looked_at(size):
    assert build(compact_config()).eval().score(Image.new("RGB", size)).width == size[0]


def test_a_threshold_that_nothing_passes():
    detector = build(compact_config()).eval()
    found = select(detector.score(_photo()), detector.codec, DetectionThresholds(score=0.9999))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert [boxes.shape for boxes in found.boxes_after_stages()] == [(0, 4), (0, 4)]


def test_photo_tensor_is_channels_first_in_0_to_1():
    pixels = photo_tensor(Image.new("RGB", (4, 2), (255, 0, 51)))
    assert type(pixels) is torch.Tensor
    assert pixels.shape == (3, 2, 4)
    torch.testing.assert_close(pixels[:, 0, 0], torch.tensor([1.0, 0.0, 0.2]))
