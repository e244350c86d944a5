"""COCO instances files."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from obcn.data.annotations import Annotations
from obcn.errors import UserError


class _Image(TypedDict):
    id: int
    file_name: str
    width: FiniteFloat
    height: FiniteFloat


class _Box(TypedDict):
    id: int
    image_id: int
    category_id: int
    bbox: Annotated[list[FiniteFloat], Field(min_length=4, max_length=4)]
    area: NotRequired[FiniteFloat]


class _Category(TypedDict):
    id: int
    name: str


class _Instances(TypedDict):
    images: Annotated[list[_Image], Field(min_length=1)]
    annotations: list[_Box]
    categories: Annotated[list[_Category], Field(min_length=1)]


_INSTANCES = TypeAdapter(_Instances)


def read_coco(images: Path, annotations: Path, complete: bool = True) -> Annotations:
    """A COCO instances file and its folder of photos.

    Args:
        images: the folder.
        annotations: the file.
        complete: whether every photo that the file names must be there.

    Raises:
        UserError: a file or folder is missing, is not COCO JSON, or a box names an unknown photo or class.
    """
    if not images.is_dir():
        raise UserError(f"{images}: no such folder of photos")
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {annotations}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{annotations} is not JSON ({error})") from error
    _check(annotations, content)
    names = [image["file_name"] for image in content["images"]] if complete else []
    missing = [name for name in names if not (images / name).is_file()]
    if missing:
        raise UserError(f"{annotations} names {len(missing)} photo(s) that are not in {images}, first {missing[0]}")
    for box in content["annotations"]:
        # pycocotools wants both; files from other tools often leave them out.
        box.setdefault("iscrowd", 0)
        box.setdefault("area", box["bbox"][2] * box["bbox"][3])
    return Annotations(images, content)


def _check(path: Path, content: Any) -> None:
    try:
        # Only a check: its result lacks the keys that are not listed above.
        _INSTANCES.validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise UserError(f"{path} is not a COCO instances file: {where}: {first['msg']}") from error
    known_images = _distinct(path, "images", [image["id"] for image in content["images"]])
    known_classes = _distinct(path, "categories", [category["id"] for category in content["categories"]])
    _distinct(path, "categories", [category["name"] for category in content["categories"]])
    _distinct(path, "annotations", [box["id"] for box in content["annotations"]])
    for box in content["annotations"]:
        if box["image_id"] not in known_images:
            raise UserError(f"{path}: annotation {box['id']} is of image {box['image_id']}, which is not listed")
        if box["category_id"] not in known_classes:
            raise UserError(f"{path}: annotation {box['id']} is of category {box['category_id']}, which is not listed")


def _distinct(path: Path, name: str, values: list) -> set:
    counts = Counter(values)
    if len(counts) < len(values):
        raise UserError(f"{path}: {name} lists {counts.most_common(1)[0][0]!r} twice")
    return set(counts)
