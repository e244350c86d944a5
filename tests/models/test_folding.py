"""Folding BatchNorm away changes nothing but the time that a trunk takes."""

import pytest
import torch
from torch import nn

from obcn.config import load_config
from obcn.models import build_detector
from obcn.models.folding import fold_batch_norms
from tests.models.helpers import CLASSES, at_size


@pytest.mark.parametrize("name", ["compact_obcn", "voc_obcn_r50"])
def test_a_folded_trunk_gives_the_same_features(name):
    torch.manual_seed(0)
    backbone = build_detector(at_size(load_config(name), 96), CLASSES).eval().backbone
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    photos = torch.rand(2, 3, 96, 128)
    with torch.inference_mode():
        before = backbone(photos)
    fold_batch_norms(backbone.backbone, torch.zeros(1, 3, 64, 64))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
    with torch.inference_mode():
        after = backbone(photos)
    assert before["0"].std() > 0.01
    for level, features in before.items():
        torch.testing.assert_close(after[level], features, rtol=1e-3, atol=1e-3 * features.abs().max().item())
