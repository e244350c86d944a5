"""Small detectors and a made-up scene to run them on."""

import torch
from torch import Tensor

from obcn.config import DetectorConfig, SelectionConfig, load_config
from obcn.models import build_detector
from obcn.models.detector import Detector

CLASSES = ("bird", "cat", "cow", "dog")


def at_size(config: DetectorConfig, size: int) -> DetectorConfig:
    """The config with photos resized to ``size`` pixels; nothing else changes."""
    return config.model_copy(
        update={
            "input": config.input.model_copy(update={"min_size": size, "max_size": size, "train_min_sizes": (size,)})
        }
    )


def compact_config(size: int = 128, **box_head) -> DetectorConfig:
    """compact_obcn with a small image, few channels, plain suppression and the given changes of its box head."""
    config = at_size(load_config("compact_obcn"), size)
    return config.model_copy(
        update={
            "trunk": config.trunk.model_copy(update={"fpn_channels": 16}),
            "box_head": config.box_head.model_copy(update={"hidden": 32, "selection": SelectionConfig(), **box_head}),
        }
    )


def build(config: DetectorConfig, seed: int = 0) -> Detector:
    """A detector without ImageNet weights whose class scores differ between candidates."""
    torch.manual_seed(seed)
    detector = build_detector(config, CLASSES)
    heads = getattr(detector.roi_heads, "stages", [detector.roi_heads])
    for head in heads:
        torch.nn.init.normal_(head.box_head.class_scores.weight, std=0.5)
        torch.nn.init.normal_(head.box_head.offset_outputs.weight, std=0.3)
    return detector


def scene(width: int = 160, height: int = 120, seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    """A (3, H, W) photo of noise in [0, 1] with two objects."""
    photo = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    boxes = torch.tensor([[10.0, 10.0, 90.0, 100.0], [70.0, 30.0, 150.0, 110.0]])
    return photo, {"boxes": boxes, "labels": torch.tensor([1, 4])}
