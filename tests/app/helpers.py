"""Detectors' answers made by hand, so that a test knows what must come out."""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from app.compare.found_objects import FLOOR
from app.detectors import ModelFile
from obcn.checkpoints import Card, Training
from obcn.config import load_config
from obcn.explain import PhotoDetections, select
from obcn.models.scoring import ScoredPhoto
from obcn.models.selection import DetectionThresholds, ScoredCandidates
from obcn.offsets import BinCodec, OffsetCodec, RegressionCodec, encode_boxes

CLASSES = ("cat", "dog", "horse")
# Reads outputs as the shipped head does, whose two looks have these ranges.
BINS = BinCodec(20, (3.0, 0.6))
REGRESSION = RegressionCodec()
_config = cache(load_config)
WIDTH, HEIGHT = 200, 150


def bin_outputs(offsets: Tensor, sharpness: float = 4.0, codec: BinCodec = BINS) -> Tensor:
    """(N, 4 K n) outputs whose stages peak at ``offsets`` (N, 4): Gaussian in bins, sharper for a larger sharpness."""
    residual, scores = offsets, []
    for bins in codec.stages:
        representatives = bins.representatives(offsets)
        distance = (representatives - residual[..., None]) / bins.width
        stage = -sharpness * distance.square()
        residual = residual - stage.softmax(-1) @ representatives
        scores.append(stage)
    return torch.stack(scores, dim=1).flatten(1)


def scored(boxes: Sequence[Sequence[float]], names: Sequence[str], scores: Sequence[float], codec: OffsetCodec):
    """A scored photo with one candidate, shifted by a few pixels, for each wanted box (x1, y1, x2, y2)."""
    wanted = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    candidates = wanted + torch.tensor([3.0, -2.0, -4.0, 5.0])
    offsets = encode_boxes(wanted, candidates)
    outputs = bin_outputs(offsets, codec=codec) if isinstance(codec, BinCodec) else offsets
    probabilities = torch.zeros(len(wanted), len(CLASSES) + 1)
    for row, (name, score) in enumerate(zip(names, scores, strict=True)):
        probabilities[row, CLASSES.index(name) + 1] = score
    probabilities[:, 0] = 1 - probabilities.sum(1)
    return ScoredPhoto(WIDTH, HEIGHT, CLASSES, ScoredCandidates(candidates, probabilities, outputs[:, None]))


def detections(
    boxes: Sequence[Sequence[float]], names: Sequence[str], scores: Sequence[float], codec: OffsetCodec = BINS
) -> PhotoDetections:
    """Those boxes as detections, down to the floor."""
    thresholds = DetectionThresholds(score=FLOOR, nms_iou=0.5, per_image=300)
    return select(scored(boxes, names, scores, codec), codec, thresholds)


def photo_bytes(kind: str = "JPEG", width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A plain photo as a file of that kind."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def model(name: str, head: str, classes: tuple[str, ...] = CLASSES) -> ModelFile:
    """A model that is listed but has no file."""
    return ModelFile(name, Path("nowhere") / f"{name}.safetensors", card(head).model_copy(update={"classes": classes}))


def card(head: str) -> Card:
    """The card of a detector that was never trained."""
    training = Training(
        command="none",
        data="none",
        train_images=1,
        epochs=1,
        seed=0,
        device="cpu",
        torch="0",
        commit="none",
        date="2026-01-01",
    )
    return Card(name=head, classes=CLASSES, config=_config(f"compact_{head}"), training=training)
