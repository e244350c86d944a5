"""A data set and a detector so small that a training step takes a tenth of a second."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from obcn.config import DetectorConfig, load_config
from obcn.data import Annotations
from obcn.data.coco import read_coco

CONFIG = """
name: tiny
input: {min_size: 96, max_size: 96, train_min_sizes: [64, 96], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
trunk: {name: tf_efficientnet_lite0, fpn_channels: 16, frozen_stages: 3}
proposals:
  anchor_sizes: [[16], [32], [48], [64]]
  pre_nms_train: 60
  pre_nms_test: 30
  post_nms_train: 30
  post_nms_test: 15
box_head:
  offsets: {codec: bins, num_stages: 2}
  hidden: 64
  candidates_per_image: 32
schedule: {epochs: 3, batch_size: 2, lr: 0.02, warmup: 1.0, warmup_steps: 4, shape: cosine}
"""

DATA = "format: coco\ntrain: {images: ., annotations: train.json}\nval: {images: ., annotations: val.json}\n"

COLOURS = {1: (220, 40, 40), 2: (40, 60, 220)}


def write_split(folder: Path, split: str, count: int) -> None:
    """Photos with one red and one blue rectangle, and their COCO file."""
    images, boxes = [], []
    for number in range(1, count + 1):
        wide = number % 3 > 0
        size = (96, 64) if wide else (64, 96)
        photo = Image.new("RGB", size, (90 + 5 * number, 120, 90))
        for label, colour in COLOURS.items():
            x, y = (8 + number, 10) if label == 1 else (size[0] - 40, size[1] - 34 - number)
            width, height = 24 + 2 * label, 22 + number
            ImageDraw.Draw(photo).rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
            record = {"id": len(boxes) + 1, "image_id": number, "category_id": label, "bbox": [x, y, width, height]}
            boxes.append(record)
        name = f"{split}{number}.png"
        photo.save(folder / name)
        images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
    categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / f"{split}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Layers this small spend more time on waking threads than on sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds config.yaml, data.yaml, and 12 training and 3 validation photos."""
    folder = tmp_path_factory.mktemp("tiny")
    write_split(folder, "train", 12)
    write_split(folder, "val", 3)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "data.yaml").write_text(DATA)
    return folder


@pytest.fixture(scope="session")
def config(folder: Path) -> DetectorConfig:
    return load_config(str(folder / "config.yaml"))


@pytest.fixture
def train_set(folder: Path) -> Annotations:
    return read_coco(folder, folder / "train.json")


@pytest.fixture
def val_set(folder: Path) -> Annotations:
    return read_coco(folder, folder / "val.json")
