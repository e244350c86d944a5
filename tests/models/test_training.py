"""A detector prepared for training learns the same, without a pass over features for each BatchNorm."""

import copy

import pytest
import torch
from torch import Tensor, nn

from obcn.config import load_config
from obcn.models import build_detector
from obcn.models.detector import Detector
from obcn.models.training import prepare_for_training
from tests.models.helpers import CLASSES, at_size


def detector_with_norms(name: str) -> Detector:
    """As its maker leaves it, but with statistics and factors of BatchNorm that matter."""
    torch.manual_seed(0)
    detector = build_detector(at_size(load_config(name), 96), CLASSES)
    for module in detector.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return detector


def gradients(detector: Detector, photos: Tensor) -> dict[str, Tensor]:
    detector.zero_grad()
    features = detector.backbone(photos)
    sum(level.square().mean() / level.detach().square().mean() for level in features.values()).backward()
    return {name: one.grad for name, one in detector.backbone.named_parameters() if one.grad is not None}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compact_obcn", "voc_obcn_r50"])
def test_features_and_gradients_are_the_same(name, monkeypatch) -> None:
    plain = detector_with_norms(name).train()
    prepared = copy.deepcopy(plain)
    prepare_for_training(prepared)
    photos = torch.rand(2, 3, 96, 128)
    wanted = gradients(plain, photos)
    features = plain.backbone(photos)
    monkeypatch.setattr("torch.nn.functional.batch_norm", None)
    found = gradients(prepared, photos)
    for level, ours in prepared.backbone(photos).items():
        scale = features[level].abs().max().item()
        torch.testing.assert_close(ours, features[level], rtol=1e-3, atol=1e-3 * scale)
    assert found.keys() == wanted.keys()
    assert sum(name.startswith("backbone.") for name in found) > 20
    for parameter, gradient in wanted.items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(found[parameter], gradient, rtol=1e-2, atol=1e-2 * scale)


def test_a_prepared_detector_is_saved_as_any() -> None:
    plain = detector_with_norms("compact_obcn")
    prepared = copy.deepcopy(plain)
    prepare_for_training(prepared)
    assert prepared.backbone.training
    before, after = plain.state_dict(), prepared.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
