"""PASCAL VOC folders: Annotations/*.xml, ImageSets/Main/SPLIT.txt, JPEGImages/."""

import io
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from obcn.data.annotations import Annotations
from obcn.data.checks import MAX_REACH, MAX_SIDE, keep_boxes
from obcn.errors import UserError
from obcn.reading import read_regular

# Bytes; a file of a thousand objects has a quarter of one million.
_MAX_XML = 10_000_000
_MAX_LISTING = 1_000_000_000


def read_voc(root: Path, split: str, classes: tuple[str, ...] | None = None) -> Annotations:
    """One split of a VOC folder as COCO records.

    VOC counts pixels from 1 and includes the last one, so (xmin, ymin, xmax, ymax) becomes the box from
    (xmin - 1, ymin - 1) to (xmax, ymax). Boxes that no detector can find are left out, see
    :func:`obcn.data.checks.keep_boxes`.

    Args:
        root: the folder that holds Annotations, ImageSets and JPEGImages.
        split: name of a file in ImageSets/Main, without its ending.
        classes: class names in label order; by default, or if none are named, all that occur, sorted. Objects of others
            are left out.

    Raises:
        UserError: a file is missing or damaged; the message names it.
    """
    listing = root / "ImageSets" / "Main" / f"{split}.txt"
    if not os.path.isfile(listing):
        raise UserError(f"{listing}: no such file; does {root} hold a VOC folder, and is the split's name right?")
    try:
        lines = read_regular(listing, _MAX_LISTING).decode(errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"cannot read {listing}: {error.strerror}") from error
    paths = [root / "Annotations" / f"{line.split()[0]}.xml" for line in lines if line.strip()]
    if not paths:
        raise UserError(f"{listing} lists no photo")
    trees = {path: _parse(path) for path in paths}
    found = _classes(trees)
    classes = classes or tuple(found)
    if not set(found).intersection(classes):
        wanted, there = ", ".join(classes) or "any class", ", ".join(found) or "none"
        raise UserError(f"the photos of {listing} have no object of {wanted}; there are: {there}")
    annotations = _as_coco(root, trees, classes)
    for path, image in zip(trees, annotations.images, strict=True):
        name = image["file_name"]
        if not os.path.isfile(annotations.path(image)):
            raise UserError(
                f"{path} names {name if len(name) < 300 else name[:60] + '...'}, which is not in {annotations.folder}"
            )
        if min(image["width"], image["height"]) < 1:
            raise UserError(
                f"{path}: the photo is {image['width']} x {image['height']} pixels; write the size of {name}"
            )
    return annotations


def read_voc_splits(splits: Sequence[tuple[Path, str]], classes: tuple[str, ...] | None = None) -> Annotations:
    """Several splits, each as (root, split), of one or more VOC folders taken together; see :func:`read_voc`.

    Raises:
        UserError: as :func:`read_voc`, or two splits hold one photo.
    """
    if not classes:
        classes = tuple(sorted({name for root, split in splits for name in read_voc(root, split).classes}))
    parts = [read_voc(root, split, classes) for root, split in splits]
    if len(parts) == 1:
        return parts[0]
    folder = Path(os.path.commonpath([part.folder.resolve() for part in parts]))
    images: list[dict] = []
    boxes: list[dict] = []
    for part in parts:
        for image in part.images:
            name = part.path(image).resolve().relative_to(folder)
            boxes += [
                {**box, "id": len(boxes) + number, "image_id": len(images) + 1}
                for number, box in enumerate(part.boxes_of(image), start=1)
            ]
            images.append({**image, "id": len(images) + 1, "file_name": name.as_posix()})
    counts = Counter(image["file_name"] for image in images)
    if len(counts) < len(images):
        raise UserError(f"{counts.most_common(1)[0][0]} is in two of the training splits; name each photo once")
    notes = tuple(note for part in parts for note in part.notes)
    return Annotations(folder, {"images": images, "annotations": boxes, "categories": parts[0].categories}, notes)


def read_voc_photos(root: Path, stems: Sequence[str]) -> Annotations:
    """Some photos of a VOC folder as COCO records, to look at: none need hold an object, or lie there still.

    Args:
        root: the folder that holds Annotations and JPEGImages.
        stems: names of files in Annotations, without their ending.

    Raises:
        UserError: an annotation is missing or damaged; the message names it.
    """
    paths = [root / "Annotations" / f"{stem}.xml" for stem in stems]
    trees = {path: _parse(path) for path in paths}
    return _as_coco(root, trees, tuple(_classes(trees)))


def _as_coco(root: Path, trees: dict[Path, Element], classes: tuple[str, ...]) -> Annotations:
    id_of = {name: number for number, name in enumerate(classes, start=1)}

    images: list[dict] = []
    boxes: list[dict] = []
    for image_id, (path, tree) in enumerate(trees.items(), start=1):
        file_name = tree.findtext("filename") or f"{path.stem}.jpg"
        width, height = (_number(path, tree, f"size/{side}", most=MAX_SIDE) for side in ("width", "height"))
        images.append({"id": image_id, "file_name": file_name, "width": int(width), "height": int(height)})
        for obj in tree.iter("object"):
            if _class(path, obj) in id_of:
                boxes.append(_box(path, obj, len(boxes) + 1, image_id, id_of))
    categories = [{"id": number, "name": name} for name, number in id_of.items()]
    kept = keep_boxes(root, images, boxes)
    coco = {"images": images, "annotations": kept.boxes, "categories": categories}
    return Annotations(root / "JPEGImages", coco, kept.notes)


def _box(path: Path, obj: Element, box_id: int, image_id: int, id_of: dict[str, int]) -> dict:
    x1, y1, x2, y2 = (_number(path, obj, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    x, y, width, height = x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1
    return {
        "id": box_id,
        "image_id": image_id,
        "category_id": id_of[_class(path, obj)],
        "bbox": [x, y, width, height],
        "area": max(width, 0) * max(height, 0),
        "iscrowd": 0,
        "difficult": _flag(path, obj, "difficult"),
    }


def _classes(trees: dict[Path, Element]) -> list[str]:
    """Names of all that occurs, sorted."""
    return sorted({_class(path, obj) for path, tree in trees.items() for obj in tree.iter("object")})


def _class(path: Path, obj: Element) -> str:
    name = obj.findtext("name", "").strip()
    if not name:
        raise UserError(f"{path}: an object has no name")
    return name


def _parse(path: Path) -> Element:
    try:
        # Its type allows for no root; parse raises then.
        return cast(Element, parse(io.BytesIO(read_regular(path, _MAX_XML))).getroot())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file, though the split lists it") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise UserError(f"{path} is not a VOC annotation: {error}") from error


def _flag(path: Path, element: Element, tag: str) -> int:
    number = _number(path, element, tag, default="0")
    if number not in (0, 1):
        raise UserError(f"{path}: {tag} is {element.findtext(tag)!r}; write 0 or 1")
    return int(number)


def _number(path: Path, element: Element, tag: str, default: str = "", most: float = MAX_REACH) -> float:
    text = element.findtext(tag) or default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{path}: {tag} is {text[:60]!r}, not a number")
    if abs(number) > most:
        raise UserError(f"{path}: {tag} is {text[:60]!r}; no photo reaches beyond {most:,} pixels")
    return number
