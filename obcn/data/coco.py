"""COCO instances files."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field, FiniteFloat, PlainValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from obcn.data.annotations import Annotations
from obcn.data.checks import MAX_REACH, MAX_SIDE, keep_boxes
from obcn.errors import UserError
from obcn.reading import read_regular


def _is_flag(value: Any) -> Any:
    """0 or 1, of whatever kind of number. Text would count as true, "0" too."""
    if isinstance(value, int | float) and value in (0, 1):
        return value
    raise ValueError(f"write the number 0 or 1, not {repr(value)[:60]}")


def _is_text(value: str) -> str:
    """Text that can be written down: JSON may escape half a character."""
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{value[:60]!r} holds half a character; write it in UTF-8")
    return value


# Tables of records hold ids beside absent ones as doubles, which tell no larger ones apart.
_Id = Annotated[int, Field(gt=-(2**53), lt=2**53)]
_Flag = Annotated[Any, PlainValidator(_is_flag)]
_Text = Annotated[str, AfterValidator(_is_text)]
_Pixels = Annotated[FiniteFloat, Field(ge=-MAX_REACH, le=MAX_REACH)]


class _Image(TypedDict):
    id: _Id
    file_name: _Text
    width: Annotated[FiniteFloat, Field(le=MAX_SIDE)]
    height: Annotated[FiniteFloat, Field(le=MAX_SIDE)]


class _Box(TypedDict):
    id: _Id
    image_id: _Id
    category_id: _Id
    bbox: Annotated[list[_Pixels], Field(min_length=4, max_length=4)]
    # pycocotools passes over objects with another area as if they were not there.
    area: NotRequired[Annotated[FiniteFloat, Field(ge=0, le=1e10)]]
    iscrowd: NotRequired[_Flag]
    difficult: NotRequired[_Flag]


class _Category(TypedDict):
    id: _Id
    name: _Text


class _Instances(TypedDict):
    images: Annotated[list[_Image], Field(min_length=1)]
    annotations: list[_Box]
    categories: Annotated[list[_Category], Field(min_length=1)]


_INSTANCES = TypeAdapter(_Instances)


def read_coco(images: Path, annotations: Path, complete: bool = True) -> Annotations:
    """A COCO instances file and its folder of photos.

    Boxes that no detector can find are left out, see :func:`obcn.data.checks.keep_boxes`.

    Args:
        images: the folder.
        annotations: the file.
        complete: whether every photo that the file names must be there.

    Raises:
        UserError: a file or folder is missing, is not COCO JSON, or a box names an unknown photo or class.
    """
    if not os.path.isdir(images):
        raise UserError(f"{images}: no such folder of photos")
    try:
        content = json.loads(read_regular(annotations, sys.maxsize))
    except OSError as error:
        raise UserError(f"cannot read {annotations}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{annotations} is not JSON ({error})") from error
    _check(annotations, content)
    if complete:
        _check_photos(images, annotations, content["images"])
    for box in content["annotations"]:
        # pycocotools wants both; files from other tools often leave them out.
        box.setdefault("iscrowd", 0)
        box.setdefault("area", max(box["bbox"][2], 0) * max(box["bbox"][3], 0))
    kept = keep_boxes(annotations, content["images"], content["annotations"])
    return Annotations(images, {**content, "annotations": kept.boxes}, kept.notes)


def _check_photos(folder: Path, annotations: Path, images: list[dict]) -> None:
    missing = [image["file_name"] for image in images if not os.path.isfile(folder / image["file_name"])]
    if missing:
        name = missing[0] if len(missing[0]) < 300 else f"{missing[0][:60]}..."
        raise UserError(f"{annotations} names {len(missing)} photo(s) that are not in {folder}, first {name}")
    flat = next((image for image in images if min(image["width"], image["height"]) < 1), None)
    if flat is not None:
        size = f"{flat['width']} x {flat['height']}"
        raise UserError(f"{annotations}: image {flat['id']} is {size} pixels; write the size of {flat['file_name']}")


def _check(path: Path, content: Any) -> None:
    try:
        # Only a check: its result lacks the keys that are not listed above.
        _INSTANCES.validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        problem = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path} is not a COCO instances file: {where}: {problem}") from error
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
