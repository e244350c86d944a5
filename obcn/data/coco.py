"""COCO instances files."""

import json
from pathlib import Path

from obcn.data.annotations import Annotations
from obcn.errors import UserError


def read_coco(images: Path, annotations: Path) -> Annotations:
    """A COCO instances file and its folder of photos.

    Raises:
        UserError: a file or folder is missing, is not COCO JSON, or a box names an unknown photo or class.
    """
    if not images.is_dir():
        raise UserError(f"{images}: no such folder of photos")
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{annotations}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{annotations} is not JSON ({error})") from error
    _check(annotations, content)
    missing = [image["file_name"] for image in content["images"] if not (images / image["file_name"]).is_file()]
    if missing:
        raise UserError(f"{annotations} names {len(missing)} photo(s) that are not in {images}, first {missing[0]}")
    return Annotations(images, content)


def _check(path: Path, content: object) -> None:
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in lists):
        raise UserError(f"{path} is not a COCO instances file: it needs the lists images, annotations and categories")
    needs = {
        "images": ("id", "file_name", "width", "height"),
        "annotations": ("id", "image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for name, keys in needs.items():
        for number, record in enumerate(content[name]):
            absent = [key for key in keys if key not in record]
            if absent:
                raise UserError(f"{path}: {name}[{number}] has no {absent[0]!r}")
    known_images = {image["id"] for image in content["images"]}
    known_classes = {category["id"] for category in content["categories"]}
    for box in content["annotations"]:
        if box["image_id"] not in known_images:
            raise UserError(f"{path}: annotation {box['id']} is of image {box['image_id']}, which is not listed")
        if box["category_id"] not in known_classes:
            raise UserError(f"{path}: annotation {box['id']} is of category {box['category_id']}, which is not listed")
        # pycocotools wants both; detection files from other tools often leave them out.
        box.setdefault("iscrowd", 0)
        box.setdefault("area", box["bbox"][2] * box["bbox"][3])
