"""More small networks with random weights: the ways in which files give out what they chose, or no distribution."""

import torch
from torch import Tensor, nn
from torchvision.ops import nms

from tests.exported.modules import PlainForm, Trunk, YoloForm


class FlatForm(YoloForm):
    """Rows of the photo's number, box, score and class, (boxes, 7): YOLO-NAS's and TensorRT's form.

    Args:
        least: the score that a row must have.
        rows: fill up with rows of -1 to so many.
    """

    def __init__(self, least: float = 0.0, rows: int = 0) -> None:
        super().__init__()
        self.least, self.rows = least, rows

    def forward(self, photos: Tensor) -> Tensor:
        x1y1, x2y2, strides, cls = self.corners(photos)
        boxes = (torch.cat((x1y1, x2y2), 1) * strides)[0].transpose(0, 1)
        every = cls[0].sigmoid().transpose(0, 1)
        scores, labels = every.max(1)
        kept = nms(boxes, scores, 0.6)
        kept = kept[scores[kept] > self.least]
        found = torch.cat((boxes[kept], scores[kept, None], labels[kept, None].float()), 1)
        flat = torch.cat((torch.zeros_like(found[:, :1]), found), 1)
        return torch.cat((flat, torch.full((self.rows, 7), -1.0)))[: self.rows] if self.rows else flat


class DetrForm(nn.Module):
    """Class logits of COCO's 91 ids and no object before boxes in parts of the photo, a query each: DETR's form."""

    queries = 100

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.trunk = Trunk()
        self.query = nn.Linear(8, self.queries * 8)
        self.scores, self.boxes = nn.Linear(8, 92), nn.Linear(8, 4)
        for layer in (self.query, self.scores, self.boxes):
            nn.init.normal_(layer.weight, std=1.0)

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.trunk(photos)[-1].mean((2, 3))
        queries = torch.tanh(self.query(pooled).view(-1, self.queries, 8))
        return self.scores(queries), self.boxes(queries).sigmoid()


class FinishedForm(PlainForm):
    """A photo (3, height, width) to boxes, labels from 1 and scores, as torchvision's detectors have it.

    Args:
        least: the score that a box must have.
        first: the label of the first class.
    """

    def __init__(self, least: float = 0.0, first: int = 17) -> None:
        super().__init__()
        self.least, self.first = least, first

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = super().forward(photo[None])[0].transpose(0, 1)
        centre, size, every = rows.split((2, 2, self.classes), 1)
        boxes = torch.cat((centre - size / 2, centre + size / 2), 1)
        scores, labels = every.max(1)
        kept = nms(boxes, scores, 0.5)
        kept = kept[scores[kept] > self.least]
        return boxes[kept], labels[kept] + self.first, scores[kept]


class AnchorsForm(PlainForm):
    """Nine boxes for each cell, none chosen: RetinaNet's and SSD's form, (1, 9 A, 4 + classes).

    Args:
        best: so many of them, box, score and class, and none suppressed: EfficientDet's form, (1, best, 6).
    """

    def __init__(self, best: int = 0, classes: int = 3) -> None:
        super().__init__(classes)
        self.best = best

    def forward(self, photos: Tensor) -> Tensor:
        rows = super().forward(photos).transpose(1, 2)
        sizes = torch.linspace(0.5, 2.0, 9)[:, None] * torch.tensor([0.0, 0.0, 1.0, 1.0]) + torch.tensor([1.0, 1, 0, 0])
        boxes = (rows[:, :, None, :4] * sizes).reshape(1, -1, 4)
        every = rows[..., 4:].repeat_interleave(9, 1)
        if not self.best:
            return torch.cat((boxes, every), -1)
        centre, size = boxes.split(2, -1)
        scores, labels = every.max(-1)
        scores, chosen = scores.topk(self.best)
        found = torch.cat((centre - size / 2, centre + size / 2), -1).gather(1, chosen[..., None].repeat(1, 1, 4))
        return torch.cat((found, scores[..., None], labels.gather(1, chosen)[..., None].float()), -1)


class BestCellsForm(PlainForm):
    """Boxes of the best cells, and the logits of all their classes, (1, best, 4) and (1, best, classes)."""

    def __init__(self, best: int, classes: int) -> None:
        super().__init__(classes)
        self.best = best

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        rows = super().forward(photos).transpose(1, 2)
        chosen = rows[..., 4:].max(-1).values.topk(self.best).indices
        centre, size, every = rows[:, chosen[0]].split((2, 2, self.classes), -1)
        return torch.cat((centre - size / 2, centre + size / 2), -1), every.logit()


class PicoForm(YoloForm):
    """Class scores (1, cells, 40) and distributions (1, cells, 4 bins) of each level: PicoDet's form cut off."""

    def __init__(self) -> None:
        super().__init__(bins=8, classes=40)

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        maps = self.trunk(photos)
        every = [layer(level).flatten(2).transpose(1, 2) for layer, level in zip(self.scores, maps, strict=True)]
        sides = [layer(level).flatten(2).transpose(1, 2) for layer, level in zip(self.sides, maps, strict=True)]
        return *(one.sigmoid() for one in every), *sides
