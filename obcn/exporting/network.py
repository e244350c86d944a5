"""A detector as one function of a photo of any size, in a form that exporters can follow.

What torchvision decides in Python by a photo's size, and what it chooses among boxes, is written here with tensors. All
layers, and the codec, are the detector's own.
"""

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import clip_boxes_to_image, nms, roi_align
from torchvision.ops.poolers import LevelMapper, _setup_scales

from obcn.models.cascade import CascadeRoIHeads
from obcn.models.detector import Detector
from obcn.models.padding import pad_evenly
from obcn.models.roi_heads import OffsetRoIHeads

# Photos are padded to whole cells of the coarsest level but one.
CELL = 32
# So many candidates are given out at least, however improbable: a file that gives out none cannot be checked.
FEWEST = 20

Size = tuple[int, int]


class ExportedNetwork(nn.Module):
    """Photo in, candidates out: all that comes before thresholds, ranking and the suppression of duplicates.

    Args:
        detector: in evaluation mode, on the CPU; it stays as it is.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        transform = detector.transform
        self.least, self.most = float(transform.min_size[-1]), float(transform.max_size)
        self.register_buffer("mean", torch.tensor(transform.image_mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(transform.image_std).view(1, 3, 1, 1))
        self.trunk = copy.deepcopy(detector.backbone)
        pad_evenly(self.trunk)
        self.proposals = Proposals(detector.rpn)
        heads = detector.roi_heads
        stages = list(heads.stages) if isinstance(heads, CascadeRoIHeads) else [heads]
        self.stages = nn.ModuleList(stages)
        with torch.no_grad():
            probe = torch.zeros(1, 3, 8 * CELL, 8 * CELL)
            levels = [level for name, level in self.trunk(probe).items() if name in detector.backbone.level_names]
        self.pool = Pool(detector.backbone.level_names, levels, stages[0].box_roi_pool)

    def forward(self, photo: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) RGB photo in [0, 1] to what the head says of its A candidates.

        Returns:
            ``boxes`` (A, 4) that it gives them, clipped to the photo, ``scores`` (A, classes), ``candidates`` (A, 4),
            all boxes (x1, y1, x2, y2) in the photo's pixels; and (A, 4, n) probabilities of each stage.
        """
        image, size = self._fitted(photo)
        features = self.trunk(image)
        boxes = self.proposals(features, image.shape[-2:], size)
        probabilities = []
        for head in cast(list[OffsetRoIHeads], list(self.stages)):
            candidates = boxes
            scores, outputs = head.box_head(self.pool(features, candidates))
            outputs = outputs[:, 0]
            probabilities.append(scores.softmax(-1))
            # Where a cascade's next stage looks; of the last one nobody asks.
            boxes = clip_boxes_to_image(head.codec.box.decode(head.codec.decode(outputs), candidates), size)
        likely = torch.stack(probabilities).mean(0)[:, 1:]
        if head.later_looks:
            rows = _worth_a_look(likely, head.thresholds.score)
            candidates, likely, outputs = candidates[rows], likely[rows], outputs[rows]
            outputs = head.all_looks(
                outputs, candidates, lambda boxes: self.pool(features, clip_boxes_to_image(boxes, size))
            )
        on_photo = resize_boxes(candidates, size, photo.shape[-2:])
        boxes = head.codec.box.decode(head.codec.decode(outputs), on_photo)
        seen = [stage.probabilities for stage in head.codec.explain(outputs).stages]
        return clip_boxes_to_image(boxes, photo.shape[-2:]), likely, on_photo, *seen

    def _fitted(self, photo: Tensor) -> tuple[Tensor, Size]:
        """The photo as the trunk takes it, and its (height, width) without padding: GeneralizedRCNNTransform's."""
        # In double precision, as Python does it: the size is rounded down, and one pixel less moves every box.
        sides = torch.stack([torch.scalar_tensor(side, dtype=torch.float64) for side in photo.shape[-2:]])
        scale = torch.minimum(self.least / sides.min(), self.most / sides.max())
        fitted = (sides * scale).floor().long()
        height, width = fitted.tolist()
        down, along = ((fitted + CELL - 1) // CELL).tolist()
        for inner, cells in ((height, down), (width, along)):
            torch._check(inner >= 1)
            torch._check(cells >= 1)
            torch._check(CELL * cells >= inner)
        image = F.interpolate((photo - self.mean) / self.std, size=(height, width), mode="bilinear")
        return F.pad(image, (0, CELL * along - width, 0, CELL * down - height)), (height, width)


class Proposals(nn.Module):
    """torchvision's region proposal network for one photo, whose numbers of boxes may be tensors' values."""

    def __init__(self, network: RegionProposalNetwork) -> None:
        super().__init__()
        self.network = network
        self.most = network._pre_nms_top_n["testing"], network._post_nms_top_n["testing"]

    def forward(self, features: dict[str, Tensor], padded: Size, size: Size) -> Tensor:
        """Pyramid levels, and the photo's (height, width) without padding, to (R, 4) boxes, the best first."""
        levels = list(features.values())
        boxes, scores = [], []
        for number, (objectness, moves) in enumerate(zip(*self.network.head(levels), strict=True)):
            anchors = self._anchors(number, objectness.shape[-2:], padded)
            rated = objectness[0].permute(1, 2, 0).flatten()
            moved = moves[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1).flatten(0, 2)
            best, rows = rated.topk(torch.sym_min(rated.shape[0], self.most[0]))
            found = self.network.box_coder.decode_single(moved[rows], anchors[rows])
            found = clip_boxes_to_image(found, size)
            seen = torch.where(((found[:, 2:] - found[:, :2]) >= self.network.min_size).all(1))[0]
            found, best = found[seen], best[seen].sigmoid()
            # Level by level, as torchvision suppresses them.
            kept = nms(found, best, self.network.nms_thresh)
            boxes.append(found[kept])
            scores.append(best[kept])
        order = torch.cat(scores).argsort(descending=True)
        return torch.cat(boxes)[order[: self.most[1]]]

    def _anchors(self, number: int, cells: Size, padded: Size) -> Tensor:
        """(cells x anchors, 4) boxes of a level, row by row: AnchorGenerator's."""
        generator = cast(AnchorGenerator, self.network.anchor_generator)
        starts = [torch.arange(count) * (whole // count) for count, whole in zip(cells, padded, strict=True)]
        y, x = torch.meshgrid(starts, indexing="ij")
        shifts = torch.stack((x, y, x, y), -1)
        return (shifts[..., None, :] + generator.cell_anchors[number]).flatten(0, 2)


class Pool(nn.Module):
    """torchvision's MultiScaleRoIAlign by its operator alone, a node of that name in the file for each level."""

    def __init__(self, names: list[str], levels: list[Tensor], like) -> None:
        super().__init__()
        whole = (8 * CELL, 8 * CELL)
        self.names, self.output_size, self.sampling_ratio = names, like.output_size, like.sampling_ratio
        self.scales, mapper = _setup_scales(levels, [whole], like.canonical_scale, like.canonical_level)
        self.level_of = cast(LevelMapper, mapper)

    def forward(self, features: dict[str, Tensor], boxes: Tensor) -> Tensor:
        """Pyramid levels and (R, 4) boxes to (R, C, P, P) pooled features."""
        level = self.level_of([boxes])
        pooled, rows = [], []
        for number, (name, scale) in enumerate(zip(self.names, self.scales, strict=True)):
            (here,) = torch.where(level == number)
            regions = F.pad(boxes[here], (1, 0))
            pooled.append(roi_align(features[name], regions, self.output_size, scale, self.sampling_ratio))
            rows.append(here)
        return torch.cat(pooled)[torch.cat(rows).argsort()]


def _worth_a_look(likely: Tensor, threshold: float) -> Tensor:
    """Rows of candidates of which a class is probable enough, and of the best few in any case."""
    best = likely.max(1).values
    few = best.topk(torch.sym_min(best.shape[0], FEWEST)).values[-1]
    return torch.where((best > threshold) | (best >= few))[0]
