"""Annotations: COCO, VOC and YOLO files with one thing in them that nobody expects."""

import json
import random
import re
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import torch
import yaml
from PIL import Image

from obcn.data import Annotations, load_data_config, read_validation
from tests.campaign.cases import HANDLED, ODD_VALUES, Case, damage, swap_one

COCO = {
    "images": [{"id": number, "file_name": f"{number}.png", "width": 60, "height": 40} for number in (1, 2)],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [5, 6, 20, 20], "area": 400, "iscrowd": 0, "difficult": 0},
        {"id": 2, "image_id": 2, "category_id": 3, "bbox": [0, 0, 60, 40], "iscrowd": 1},
    ],
    "categories": [{"id": 3, "name": "dog"}],
}
XML = (
    "<annotation><filename>{stem}.png</filename><size><width>60</width><height>40</height></size><object><name>dog"
    "</name><difficult>0</difficult><bndbox><xmin>6</xmin><ymin>7</ymin><xmax>25</xmax><ymax>26</ymax></bndbox>"
    "</object></annotation>"
)
CONFIGS = {
    "coco": {
        "format": "coco",
        "train": {"images": "images", "annotations": "coco.json"},
        "val": {"images": "images", "annotations": "coco.json"},
    },
    "voc": {"format": "voc", "train": {"root": ".", "split": "val"}, "val": {"root": ".", "split": "val"}},
    "yolo": {"train": "images", "val": "images", "names": ["dog"]},
}


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Each kind of data set whole first, then with one odd thing, without end."""
    for number in count():
        for kind, config in CONFIGS.items():
            place = folder / f"{number}-{kind}"
            files = _files(kind, config)
            what = "whole"
            if number:
                name = rng.choice([name for name in files if not name.endswith(".png")])
                files[name], what = _odd(rng, files[name], name)
            _write(place, files)
            expected = {} if number else {"expected": (HANDLED,)}
            yield Case(f"{kind}: {what}", partial(_read, place / "data.yaml"), **expected)


def _files(kind: str, config: dict) -> dict[str, bytes]:
    files = {"data.yaml": yaml.safe_dump(config).encode()}
    if kind == "coco":
        return files | {"coco.json": json.dumps(COCO).encode()}
    if kind == "voc":
        annotations = {f"Annotations/{stem}.xml": XML.format(stem=stem).encode() for stem in ("1", "2")}
        return files | annotations | {"ImageSets/Main/val.txt": b"1\n2\n"}
    return files | {"labels/1.txt": b"0 0.25 0.4 0.3 0.5\n", "labels/2.txt": b""}


def _odd(rng: random.Random, content: bytes, name: str) -> tuple[bytes, str]:
    """The file with one odd thing in it, and what that is."""
    if rng.random() < 0.25:
        return damage(rng, content), f"{name} damaged"
    value = rng.choice(ODD_VALUES)
    told = repr(value)[:40]
    if name.endswith(".json"):
        place, changed = swap_one(rng, json.loads(content), value)
        return json.dumps(changed).encode(), f"{name}{place} is {told}"
    if name.endswith(".yaml"):
        place, changed = swap_one(rng, yaml.safe_load(content), value)
        return yaml.safe_dump(changed).encode(errors="replace"), f"{name}{place} is {told}"
    # A number or a word of the text.
    places = [match.span() for match in re.finditer(rb"[0-9.]+|dog|val", content)] or [(0, 0)]
    start, stop = rng.choice(places)
    word = str(value).encode("utf-8", "surrogateescape" if "\udcff" in str(value) else "strict")
    return content[:start] + word + content[stop:], f"{name}: {told} in place of {content[start:stop].decode()!r}"


def _write(place: Path, files: dict[str, bytes]) -> None:
    for name in ("JPEGImages", "images"):
        (place / name).mkdir(parents=True)
        for stem in ("1", "2"):
            Image.new("RGB", (60, 40)).save(place / name / f"{stem}.png")
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)


def _read(path: Path) -> None:
    annotations: Annotations = read_validation(load_data_config(path))
    for image in annotations.images:
        boxes = annotations.target(image)["boxes"]
        assert torch.isfinite(boxes).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
