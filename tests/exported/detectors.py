"""Our own detectors on a trunk of a few convolutions, quick to export."""

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator

from obcn.checkpoints import Card, Training
from obcn.config import (
    BinOffsets,
    BoxHeadConfig,
    DetectorConfig,
    DfineOffsets,
    DflOffsets,
    DistanceBinOffsets,
    RegressionOffsets,
    SelectionConfig,
    load_config,
)
from obcn.models.box_head import POOL_SIZE
from obcn.models.detector import Detector
from obcn.models.roi_align import PyramidRoIAlign
from obcn.models.trunks import Trunk
from tests.exported.modules import Trunk as ThreeMaps
from tests.models.helpers import CLASSES, at_size, build

HEADS: dict[str, dict] = {
    "two looks": {
        "offsets": BinOffsets(codec="bins", num_stages=2, ranges=(3.0, 0.6), stage_features="repooled"),
        "selection": SelectionConfig(rank_by="certainty", merge_by="voting"),
    },
    "two shared stages": {"offsets": BinOffsets(codec="bins", num_stages=2)},
    "dfl": {"offsets": DflOffsets(codec="dfl")},
    "distance bins": {"offsets": DistanceBinOffsets(codec="distance_bins")},
    "regression": {"offsets": RegressionOffsets(codec="regression")},
    "regression, two looks": {"offsets": RegressionOffsets(codec="regression", num_stages=2)},
    "cascade of dfine": {"offsets": DfineOffsets(codec="dfine"), "foreground_iou": (0.5, 0.7)},
}


# The exporter takes as long for a level of the pyramid as for most heads: these have three, the others one.
ON_THREE_LEVELS = ("two looks", "cascade of dfine")


class OneMap(nn.Module):
    """One feature map of stride 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 16, 16)

    def forward(self, photos: Tensor) -> list[Tensor]:
        return [torch.tanh(3 * self.stem(photos))]


def small(head: str) -> tuple[Detector, Card]:
    """A detector for photos of 128 pixels with one of :data:`HEADS`, and a card."""
    config: DetectorConfig = at_size(load_config("compact_obcn"), 128)
    config = config.model_copy(
        update={
            "trunk": config.trunk.model_copy(update={"fpn_channels": 8}),
            "box_head": BoxHeadConfig(**{"hidden": 16, **HEADS[head]}),
        }
    )
    detector = build(config)
    torch.manual_seed(1)
    if head in ON_THREE_LEVELS:
        detector.backbone = Trunk(ThreeMaps(), [8, 8, 8], 8)
    else:
        detector.backbone = Trunk(OneMap(), [8], 8)
        generator = detector.rpn.anchor_generator
        sizes, shapes = generator.sizes[1:3], generator.aspect_ratios[1:3]
        detector.rpn.anchor_generator = AnchorGenerator(sizes, shapes)
        for stage in getattr(detector.roi_heads, "stages", [detector.roi_heads]):
            stage.box_roi_pool = PyramidRoIAlign(["0"], POOL_SIZE, sampling_ratio=2)
    for name, layer in detector.named_modules():
        # Fresh layers say almost the same everywhere, and rounding would decide what ranks first.
        if isinstance(layer, nn.Conv2d) and name.startswith(("rpn", "backbone.pyramid")):
            nn.init.normal_(layer.weight, std=0.2)
        if "later_looks" in name and name.endswith("offset_outputs"):
            nn.init.normal_(layer.weight, std=0.3)
    training = Training(
        command="none", data="none", train_images=0, epochs=0, seed=0, device="cpu", torch="", commit="", date=""
    )
    return detector.eval(), Card(name="small", classes=CLASSES, config=config, training=training)
