"""The form that is made for inference finds what the trained form finds."""

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

from obcn.config import load_config
from obcn.models import build_detector
from obcn.models.inference import prepare_for_inference
from tests.models.helpers import CLASSES, at_size


def _detector(name: str):
    torch.manual_seed(0)
    detector = build_detector(at_size(load_config(name), 96), CLASSES).eval()
    with torch.no_grad():
        # Wide enough apart that a class or a box that differs would show.
        for head in (detector.roi_heads.box_head, *detector.roi_heads.later_looks):
            head.offset_outputs.weight.normal_(std=0.3)
        detector.roi_heads.box_head.class_scores.weight.normal_(std=0.3)
    return detector


@pytest.mark.parametrize("name", ["compact_obcn", "compact_regression"])
def test_the_same_candidates_scores_and_offsets(name):
    plain, fast = _detector(name), _detector(name)
    prepare_for_inference(fast)
    photos = [torch.rand(3, 96, 128)]
    with torch.inference_mode():
        images, _ = plain.transform(photos)
        outputs = []
        for detector in (plain, fast):
            features = detector.backbone(images.tensors)
            proposals, _ = detector.rpn(images, features)
            outputs.append(
                (features, proposals[0], *detector.roi_heads.box_head(_pooled(detector, features, proposals)))
            )
    (features, proposals, scores, offsets), (fast_features, fast_proposals, fast_scores, fast_offsets) = outputs
    for level in features:
        torch.testing.assert_close(
            fast_features[level], features[level], rtol=1e-3, atol=1e-3 * features[level].abs().max().item()
        )
    torch.testing.assert_close(fast_proposals, proposals, rtol=1e-4, atol=1e-2)
    assert scores.std() > 0.01
    assert offsets.std() > 0.01
    torch.testing.assert_close(fast_scores, scores, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(fast_offsets, offsets, rtol=1e-3, atol=1e-3)


def _pooled(detector, features, proposals):
    return detector.roi_heads.box_roi_pool(features, proposals, [(96, 128)])


def test_no_photo_is_copied_to_be_padded():
    detector = _detector("compact_obcn")
    prepare_for_inference(detector)
    assert not any(isinstance(module, Conv2dSame) for module in detector.modules())


def test_no_pooled_features_are_reordered():
    detector = _detector("compact_obcn")
    prepare_for_inference(detector)
    assert not any(isinstance(module, TwoMLPHead) for module in detector.roi_heads.modules())


def test_weights_lie_as_the_features_do():
    detector = _detector("compact_obcn")
    convolutions = [module for module in detector.rpn.modules() if isinstance(module, nn.Conv2d)]
    assert convolutions
    assert all(conv.weight.is_contiguous(memory_format=torch.channels_last) for conv in convolutions)
