"""YOLO data sets: photos in folders called ``images``, and for each a text file in the ``labels`` folder beside it."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from obcn.data.annotations import Annotations
from obcn.data.checks import keep_boxes
from obcn.data.images import PHOTO_ENDINGS, is_photo, photo_size
from obcn.errors import UserError

# Tools that round let a box reach so far over the photo's edge; it is cut there.
_OVER_THE_EDGE = 0.01

# Class number, and the corners (x1, y1, x2, y2) as fractions of the photo's width and height.
_Object = tuple[int, float, float, float, float]


def read_yolo(places: Sequence[Path], classes: Sequence[str]) -> Annotations:
    """Photos with YOLO labels as COCO records; sizes are read from the photos.

    The labels of ``.../images/a.jpg`` lie in ``.../labels/a.txt``, or beside the photo where no folder above it is
    called ``images``. A line is a class number from 0 and the box's (x, y) centre, width and height, or the corners
    of an outline, whose box is the one around it; all as fractions of the photo's width and height. A photo without
    such a file shows no object. A line that stands twice is one object. Boxes that no detector can find are left
    out, see :func:`obcn.data.checks.keep_boxes`.

    Args:
        places: folders of photos, searched with their subfolders, or .txt files that list photos, one a line, with
            paths that start at the .txt file's own folder.
        classes: class names; category id k + 1 is class number k.

    Raises:
        UserError: a file is missing or damaged; the message names it.
    """
    label_of = find_labels(places)
    if not any(os.path.isfile(label) for label in label_of.values()):
        photo, label = next(iter(label_of.items()))
        raise UserError(f"no photo of {_named(places)} has a label file: that of {photo} would be {label}")

    folder = Path(os.path.commonpath([photo.parent for photo in label_of]))
    images: list[dict] = []
    boxes: list[dict] = []
    for image_id, (photo, label) in enumerate(label_of.items(), start=1):
        width, height = photo_size(photo)
        name = photo.relative_to(folder).as_posix()
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for number, *fractions in dict.fromkeys(_objects(label, len(classes))):
            x1, y1, x2, y2 = (
                min(max(fraction, 0.0), 1.0) * side
                for fraction, side in zip(fractions, (width, height, width, height), strict=True)
            )
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": image_id,
                    "category_id": number + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    kept = keep_boxes(folder, images, boxes)
    return Annotations(folder, {"images": images, "annotations": kept.boxes, "categories": categories}, kept.notes)


def find_labels(places: Sequence[Path]) -> dict[Path, Path]:
    """Each photo of :func:`read_yolo`'s places, by its absolute path, and where its labels lie, if it has some.

    Raises:
        UserError: a place holds no photos, or two name the same one.
    """
    # Not resolved: a link called images leads to photos, but their labels lie beside the link.
    photos = [Path(os.path.abspath(photo)) for place in places for photo in _photos(place)]
    photo, count = Counter(photos).most_common(1)[0]
    if count > 1:
        raise UserError(f"{photo} is named twice in {_named(places)}; name each photo once")
    return {photo: _label_file(photo) for photo in photos}


def _named(places: Sequence[Path]) -> str:
    return ", ".join(str(place) for place in places)


def _photos(place: Path) -> list[Path]:
    if os.path.isdir(place):
        photos = sorted(path for path in place.rglob("*") if is_photo(path))
        if not photos:
            raise UserError(f"{place} holds no photo ({', '.join(PHOTO_ENDINGS)})")
        return photos
    if place.suffix != ".txt" or not os.path.isfile(place):
        raise UserError(f"{place}: no such folder of photos, nor a .txt file that lists some")
    photos = [place.parent / line.strip() for line in _text(place).splitlines() if line.strip()]
    if not photos:
        raise UserError(f"{place} lists no photo")
    missing = [photo for photo in photos if not os.path.isfile(photo)]
    if missing:
        raise UserError(f"{place} lists {len(missing)} photo(s) that are not there, first {missing[0]}")
    return photos


def _label_file(photo: Path) -> Path:
    above = list(photo.parent.parts)
    if "images" in above:
        last = len(above) - 1 - above[::-1].index("images")
        above[last] = "labels"
    return Path(*above, f"{photo.stem}.txt")


def _objects(label: Path, num_classes: int) -> Iterator[_Object]:
    if not os.path.isfile(label):
        return
    for number, line in enumerate(_text(label).splitlines(), start=1):
        if line.strip():
            try:
                yield _object(line, num_classes)
            except ValueError as error:
                raise UserError(f"{label}, line {number}: {error}") from error


def _object(line: str, num_classes: int) -> _Object:
    try:
        number, *place = (float(word) for word in line.split())
    except ValueError as error:
        raise ValueError(f"{line.strip()[:40]!r} is not made of numbers") from error
    if number not in range(num_classes):
        raise ValueError(f"class {number:g} is not in names, which are numbered from 0 to {num_classes - 1}")
    if len(place) != 4 and (len(place) < 6 or len(place) % 2):
        raise ValueError(f"{len(place) + 1} numbers; a box has 5, and an outline a class and 3 or more corners")
    # Not a number is in no range.
    outside = [value for value in place if not -_OVER_THE_EDGE <= value <= 1 + _OVER_THE_EDGE]
    if outside:
        raise ValueError(f"{outside[0]:g} is not from 0 to 1; give fractions of the photo's width and height")
    if len(place) > 4:
        return int(number), min(place[::2]), min(place[1::2]), max(place[::2]), max(place[1::2])
    x, y, width, height = place
    if min(width, height) < 0:
        raise ValueError(f"the box's width or height is {min(width, height):g}")
    return int(number), x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file") from error
