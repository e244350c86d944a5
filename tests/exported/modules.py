"""Small networks with random weights whose graphs have the forms of well-known detectors, written by hand for tests."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import nms

CLASSES = ("cat", "dog", "horse")


class Trunk(nn.Module):
    """Three feature maps of strides 8, 16 and 32."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 8, 8)
        self.next = nn.ModuleList([nn.Conv2d(channels, channels, 2, 2) for _ in range(2)])

    def forward(self, photos: Tensor) -> list[Tensor]:
        maps = [torch.tanh(3 * self.stem(photos))]
        for layer in self.next:
            maps.append(torch.tanh(3 * layer(maps[-1])))
        return maps


class _Head(nn.Module):
    strides = (8, 16, 32)

    def __init__(self, bins: int = 16, classes: int = len(CLASSES), seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.bins, self.classes = bins, classes
        self.trunk = Trunk()
        self.sides = nn.ModuleList([nn.Conv2d(8, 4 * bins, 1) for _ in self.strides])
        self.scores = nn.ModuleList([nn.Conv2d(8, classes, 1) for _ in self.strides])
        for layer in (*self.sides, *self.scores):
            nn.init.normal_(layer.weight, std=1.5)

    def anchors(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(2, A) anchor points in strides, and (1, A) strides."""
        points, strides = [], []
        for level, stride in zip(maps, self.strides, strict=True):
            height, width = level.shape[-2:]
            y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
            points.append(torch.stack((x, y), -1).view(-1, 2))
            strides.append(torch.full((height * width, 1), float(stride)))
        return torch.cat(points).transpose(0, 1), torch.cat(strides).transpose(0, 1)


class YoloForm(_Head):
    """Output (1, 4 + classes, A): centre and size in pixels, then sigmoids, as YOLOv8 to YOLO12 have it.

    Args:
        end_to_end: corners instead, and the best 20 of all classes chosen inside, (1, 20, 6), as YOLOv10 has it.
    """

    def __init__(self, end_to_end: bool = False, **kwargs: int) -> None:
        super().__init__(**kwargs)
        self.end_to_end = end_to_end
        self.dfl = nn.Conv2d(self.bins, 1, 1, bias=False).requires_grad_(False)
        self.dfl.weight.data[:] = torch.arange(self.bins, dtype=torch.float).view(1, self.bins, 1, 1)

    def corners(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both corners of each cell's box in strides, the strides, and class logits."""
        maps = self.trunk(photos)
        levels = [
            torch.cat((sides(level), scores(level)), 1).view(photos.shape[0], 4 * self.bins + self.classes, -1)
            for level, sides, scores in zip(maps, self.sides, self.scores, strict=True)
        ]
        box, cls = torch.cat(levels, 2).split((4 * self.bins, self.classes), 1)
        anchors, strides = self.anchors(maps)
        b, _, a = box.shape
        distances = self.dfl(box.view(b, 4, self.bins, a).transpose(2, 1).softmax(1)).view(b, 4, a)
        lt, rb = distances.chunk(2, 1)
        return anchors.unsqueeze(0) - lt, anchors.unsqueeze(0) + rb, strides, cls

    def forward(self, photos: Tensor) -> Tensor:
        x1y1, x2y2, strides, cls = self.corners(photos)
        if not self.end_to_end:
            boxes = torch.cat(((x1y1 + x2y2) / 2, x2y2 - x1y1), 1) * strides
            return torch.cat((boxes, cls.sigmoid()), 1)
        rows = torch.cat((torch.cat((x1y1, x2y2), 1) * strides, cls.sigmoid()), 1).transpose(1, 2)
        boxes, scores = rows.split((4, self.classes), -1)
        index = scores.amax(-1).topk(20)[1].unsqueeze(-1)
        boxes = boxes.gather(1, index.repeat(1, 1, 4))
        scores = scores.gather(1, index.repeat(1, 1, self.classes))
        scores, index = scores.flatten(1).topk(20)
        rows = torch.arange(len(photos))[..., None]
        return torch.cat(
            (boxes[rows, index // self.classes], scores[..., None], (index % self.classes)[..., None].float()), -1
        )


class SuppressedForm(YoloForm):
    """Boxes, best score and class of what non-maximum suppression leaves, (1, boxes, 6)."""

    def forward(self, photos: Tensor) -> Tensor:
        x1y1, x2y2, strides, cls = self.corners(photos)
        boxes = (torch.cat((x1y1, x2y2), 1) * strides)[0].transpose(0, 1)
        scores, labels = cls[0].sigmoid().transpose(0, 1).max(1)
        kept = nms(boxes, scores, 0.6)
        return torch.cat((boxes[kept], scores[kept, None], labels[kept, None].float()), 1)[None]


class PaddleForm(_Head):
    """A softmax per level, largest stride first, corners divided by a scale factor, scores apart: PP-YOLOE's form."""

    def forward(self, photos: Tensor, scale_factor: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.trunk(photos)
        points, strides = self.anchors(maps)
        sizes = [level.shape[-1] * level.shape[-2] for level in maps]
        order = [2, 1, 0]
        project = torch.arange(self.bins, dtype=torch.float).view(1, self.bins, 1, 1)
        distances, scores = [], []
        for k in order:
            b = photos.shape[0]
            rows = self.sides[k](maps[k]).reshape(b, 4, self.bins, -1).transpose(1, 2).softmax(1)
            distances.append(nn.functional.conv2d(rows, project).squeeze(1))
            scores.append(self.scores[k](maps[k]).sigmoid().reshape(b, self.classes, -1))
        both = [part.split(sizes, 1) for part in (points, strides)]
        points, strides = (torch.cat([part[k] for k in order], 1).transpose(0, 1) for part in both)
        lt, rb = torch.cat(distances, -1).transpose(1, 2).split(2, -1)
        boxes = torch.cat((points - lt, points + rb), -1) * strides
        scale_y, scale_x = scale_factor.split(1, -1)
        boxes = boxes / torch.cat((scale_x, scale_y, scale_x, scale_y), -1).reshape(-1, 1, 4)
        return boxes, torch.cat(scores, -1)


class ClippedForm(_Head):
    """Each coordinate set off from the cell's corner and clipped to the photo before any two are joined: GFL's form."""

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        height, width = photos.shape[-2:]
        project = torch.linspace(0, self.bins - 1, self.bins)
        boxes, every = [], []
        for level, sides, scores, stride in zip(self.trunk(photos), self.sides, self.scores, self.strides, strict=True):
            down, across = level.shape[-2:]
            shares = sides(level).permute(0, 2, 3, 1).reshape(-1, self.bins).softmax(1)
            distances = stride * nn.functional.linear(shares, project[None]).reshape(len(photos), -1, 4)
            y, x = torch.meshgrid(torch.arange(down) * stride, torch.arange(across) * stride, indexing="ij")
            left, top, right, bottom = distances.unbind(-1)
            x, y = x.reshape(-1).float(), y.reshape(-1).float()
            low = (x - left).clamp(0, width), (y - top).clamp(0, height)
            boxes.append(torch.stack((*low, (x + right).clamp(0, width), (y + bottom).clamp(0, height)), -1))
            every.append(scores(level).sigmoid().permute(0, 2, 3, 1).reshape(len(photos), -1, self.classes))
        return torch.cat(boxes, 1), torch.cat(every, 1)


class NanoForm(_Head):
    """(1, A, classes + 4 bins), scores first, nothing decoded: NanoDet's form."""

    def forward(self, photos: Tensor) -> Tensor:
        levels = [
            torch.cat((scores(level).sigmoid(), sides(level)), 1).flatten(2)
            for level, sides, scores in zip(self.trunk(photos), self.sides, self.scores, strict=True)
        ]
        return torch.cat(levels, 2).permute(0, 2, 1)


class DistancesForm(_Head):
    """Per level class logits (1, classes, H, W) and distances (1, 4, H, W) in strides, boxes left to others."""

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        project = torch.arange(self.bins, dtype=torch.float).view(1, self.bins, 1, 1, 1)
        found: list[Tensor] = []
        for level, sides, scores in zip(self.trunk(photos), self.sides, self.scores, strict=True):
            b, _, height, width = level.shape
            shares = sides(level).view(b, 4, self.bins, height, width).transpose(1, 2).softmax(1)
            found += [scores(level), nn.functional.conv3d(shares, project)[:, 0]]
        return tuple(found)


class DFineForm(nn.Module):
    """Three decoder layers that move the sides of one reference box, logits (1, Q, classes), boxes as parts of 1.

    W(n) is worked out in the graph of ``up`` and ``reg_scale``, as D-FINE and DEIM have it.

    Args:
        post: labels, corners in the size asked for and scores of the best 20, as their repositories export it.
    """

    queries, layers, bins = 30, 3, 32

    def __init__(self, post: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.post = post
        self.trunk = Trunk()
        self.up, self.reg_scale = nn.Parameter(torch.tensor([0.5])), nn.Parameter(torch.tensor([4.0]))
        self.query = nn.Linear(8, self.queries * 8)
        self.start, self.back = nn.Linear(8, 4), nn.Linear(4, 8)
        self.corners = nn.ModuleList([nn.Linear(8, 4 * (self.bins + 1)) for _ in range(self.layers)])
        self.scores = nn.Linear(8, len(CLASSES))
        for layer in (self.query, self.start, *self.corners, self.scores):
            nn.init.normal_(layer.weight, std=1.0)

    def project(self) -> Tensor:
        """W(n)."""
        first, second = self.up.abs() * self.reg_scale.abs(), self.up.abs() * self.reg_scale.abs() * 2
        step = (first + 1) ** (2 / (self.bins - 2))
        left = [-(step**i) + 1 for i in range(self.bins // 2 - 1, 0, -1)]
        right = [step**i - 1 for i in range(1, self.bins // 2)]
        return torch.cat([-second, *left, torch.zeros_like(self.up), *right, second], 0)

    def forward(self, photos: Tensor, orig_target_sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        pooled = self.trunk(photos)[-1].mean((2, 3))
        queries = torch.tanh(self.query(pooled).view(-1, self.queries, 8))
        reference = self.start(queries).sigmoid()
        points, total = self.project(), 0.0
        for layer in self.corners:
            total = total + layer(queries)
            b, q, _ = total.shape
            shares = nn.functional.softmax(total.reshape(-1, self.bins + 1), dim=1)
            moved = nn.functional.linear(shares, points.reshape(1, -1)).reshape(b, q, 4)
            half, unit = 0.5 * self.reg_scale.abs(), reference[..., 2:] / self.reg_scale.abs()
            low = reference[..., :2] - (half + moved[..., :2]) * unit
            high = reference[..., :2] + (half + moved[..., 2:]) * unit
            boxes = torch.cat(((low + high) / 2, high - low), -1)
            queries = torch.tanh(queries + self.back(boxes))
        logits = self.scores(queries)
        if not self.post:
            return logits, boxes
        corners = torch.cat((low, high), -1) * orig_target_sizes.repeat(1, 2).unsqueeze(1)
        scores, index = logits.sigmoid().flatten(1).topk(20)
        rows = (index // len(CLASSES)).unsqueeze(-1).repeat(1, 1, 4)
        return index % len(CLASSES), corners.gather(1, rows), scores


class PlainForm(_Head):
    """YOLO's output with no distribution behind it: one number for each side."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__(bins=1, classes=classes)

    def forward(self, photos: Tensor) -> Tensor:
        maps = self.trunk(photos)
        sides = torch.cat([layer(level).flatten(2) for layer, level in zip(self.sides, maps, strict=True)], 2)
        cls = torch.cat([layer(level).flatten(2) for layer, level in zip(self.scores, maps, strict=True)], 2)
        anchors, strides = self.anchors(maps)
        lt, rb = nn.functional.softplus(sides).chunk(2, 1)
        boxes = torch.cat((anchors + (rb - lt) / 2, lt + rb), 1) * strides
        return torch.cat((boxes, cls.sigmoid()), 1)


class ApartForm(PlainForm):
    """The same as two outputs, boxes (1, A, 4) and scores (1, A, classes)."""

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        rows = super().forward(photos).transpose(1, 2)
        return rows[..., :4], rows[..., 4:]


class Biased(YoloForm):
    """Distributions that its boxes do not follow: they are moved by half a stride."""

    def forward(self, photos: Tensor) -> Tensor:
        out = super().forward(photos)
        return torch.cat((out[:, :2] + 4.0, out[:, 2:]), 1)


@contextmanager
def without_garbage_collector() -> Iterator[None]:
    """The exporter makes millions of objects: to look through them for garbage takes a sixth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def export(module: nn.Module, path, size=(128, 160), dynamo: bool = False, opset: int | None = None, **metadata: str):
    """Write a module as .onnx for photos of (height, width), with metadata as its framework would write them."""
    import onnx

    inputs: tuple[Tensor, ...] = (torch.rand(1, 3, *size),)
    if isinstance(module, PaddleForm):
        inputs += (torch.ones(1, 2),)
    if isinstance(module, DFineForm) and module.post:
        inputs += (torch.tensor([size[::-1]]),)
    second = {PaddleForm: "scale_factor", DFineForm: "orig_target_sizes"}.get(type(module), "")
    torch.onnx.export(
        module.eval(), inputs, path, dynamo=dynamo, input_names=["image", second][: len(inputs)],
        opset_version=opset or (18 if dynamo else 17), **({"external_data": False} if dynamo else {}),
    )  # fmt: skip
    if metadata:
        model = onnx.load(path)
        for key, value in metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.save(model, path)
    return path


ULTRALYTICS = {"names": str(dict(enumerate(CLASSES))), "stride": "32", "task": "detect", "imgsz": "[128, 160]"}

FORMS: dict[str, tuple[Callable[[], nn.Module], dict[str, str]]] = {
    "yolo": (YoloForm, ULTRALYTICS),
    "yolo end to end": (lambda: YoloForm(end_to_end=True), ULTRALYTICS),
    "paddle": (lambda: PaddleForm(bins=17), {}),
    "clipped": (ClippedForm, {}),
    "suppressed": (SuppressedForm, ULTRALYTICS),
    "distances": (DistancesForm, {}),
    "nano": (lambda: NanoForm(bins=8), {}),
    "dfine": (DFineForm, {}),
    "dfine with its postprocessor": (lambda: DFineForm(post=True), {}),
    "plain": (PlainForm, {}),
    "apart": (ApartForm, {}),
    "biased": (Biased, {}),
}


def files_in(folder: Path, size: tuple[int, int] = (128, 160)) -> Callable[..., Path]:
    """Writes a form's file into a folder once: (name of the form, whether by the newer exporter) to its path."""

    @cache
    def written(form: str, dynamo: bool = False) -> Path:
        if dynamo:
            pytest.importorskip("onnxscript")
        module, metadata = FORMS[form]
        with without_garbage_collector():
            return export(module(), folder / f"{form}{'-dynamo' * dynamo}.onnx", size, dynamo, **metadata)

    return written
