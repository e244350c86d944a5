"""Data sets by the names that visitors give: which photos there are, and what is really in them.

A data set is named by two words, which links carry as ``data`` and ``photos``. ``data`` says where the true boxes are:
a COCO file, a VOC folder, one split of it (``ImageSets/Main/val.txt``), a data file as ``obcn train`` takes it, of
which the validation photos are meant, a record file, or nothing. ``photos`` is the folder of photos; a VOC folder and a
data file need none.
"""

import hashlib
import io
import os
from functools import lru_cache
from pathlib import Path

import pyarrow.compute as pc
import torch

from app.paths import reachable, reading, typed_path
from app.photos import Photo, Truth, photo_shelf
from obcn.data import Annotations, load_data_config, read_photo, read_validation
from obcn.data.coco import read_coco
from obcn.data.sources import CocoData, VocData, YoloData
from obcn.data.voc import read_voc_photos
from obcn.data.yolo import find_labels
from obcn.errors import UserError
from obcn.reading import read_regular
from obcn.records.files import read_records
from obcn.records.schema import CORNERS, each

RECORD_ENDING = ".parquet"
DATA_ENDINGS = (".yaml", ".yml")
# Bytes. A link may name any file of the machine; larger ones than these are none that can be shown.
MOST_OF_TRUTH = 1_000_000_000
MOST_OF_PHOTO = 600_000_000


def photo_from_source(data: str, photos: str, image: str) -> Photo:
    """One photo of a data set with its true boxes.

    Args:
        data: where the true boxes are; see above. Without it the photo has no truth.
        photos: the folder of photos.
        image: file name in that folder.

    Raises:
        UserError: a file is missing or damaged, or the data set does not hold the photo.
    """
    data, photos = _meant(data, photos)
    if not image:
        raise UserError("the link names no photo: it needs an image beside data and photos")
    path = reachable(photo_folder(data, photos) / image)
    if not path.is_file():
        raise UserError(f"{path}: no such file; is {path.parent} the folder of the photos?")
    root = voc_root(data)
    # In a VOC folder the photo's own file says all; reading the whole folder takes seconds.
    truth = reachable(root / "Annotations" / f"{path.stem}.xml") if root else typed_path(data) if data else None
    when = source_stamp(data) if is_data_file(data) else _stamp(truth) if truth else 0
    return photo_shelf.get((data, path, _stamp(path), when), lambda: _photo(data, path, image))


def read_source(data: str, photos: str) -> Annotations:
    """All photos of a data set with their boxes; those of a COCO file, VOC folder or split may be missing on the disk.

    Raises:
        UserError: missing, damaged, or not annotations.
    """
    data, photos = _meant(data, photos)
    if is_data_file(data):
        return _yolo(typed_path(data), source_stamp(data))
    return _annotations(typed_path(data), photo_folder(data, photos), source_stamp(data))


def source_stamp(data: str) -> int:
    """Changes when the true boxes of a data set do, in whichever of its files they stand.

    Raises:
        UserError: missing, or may not be read.
    """
    data, _ = _meant(data, "")
    if is_data_file(data):
        return _yolo_stamp(typed_path(data))
    root = voc_root(data)
    stamps = [_stamp(typed_path(data))]
    annotations = reachable(root / "Annotations") if root else None
    if annotations and annotations.is_dir():
        # The folder's own says that a file came or went.
        stamps.append(_stamp(annotations))
        with reading(annotations), os.scandir(annotations) as files:
            stamps += [file.stat().st_mtime_ns for file in files]
    return max(stamps)


def photo_folder(data: str, photos: str) -> Path:
    """The folder of photos: ``photos``, or the data set's own.

    Raises:
        UserError: nothing names one, or it is none.
    """
    data, photos = _meant(data, photos)
    if is_data_file(data):
        return read_source(data, photos).folder
    voc = voc_root(data)
    if photos:
        folder = typed_path(photos)
    elif voc is not None:
        folder = reachable(voc / "JPEGImages")
    else:
        raise UserError("say where the photos lie: only a VOC folder and a data file say so by themselves")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of photos")
    return folder


def voc_root(data: str) -> Path | None:
    """The VOC folder that ``data`` is, or is a split of.

    Raises:
        UserError: ``data`` cannot be a path.
    """
    if not data:
        return None
    path = typed_path(data)
    if path.is_dir():
        return path
    # No other text file: its lines would be taken for names, and told.
    listed = path.suffix == ".txt" and len(path.parents) > 2 and path.parents[1].name == "ImageSets"
    return path.parents[2] if listed else None


def is_data_file(data: str) -> bool:
    """Whether ``data`` is a file as ``obcn train`` takes it, which says by itself where photos and boxes lie."""
    return data.lower().endswith(DATA_ENDINGS)


def _meant(data: str, photos: str) -> tuple[str, str]:
    """The words for what a data file of COCO or VOC data leads to; YOLO data has no other name than its file."""
    if not is_data_file(data):
        return data, photos
    match load_data_config(typed_path(data)):
        case CocoData(val=split):
            return str(split.annotations), photos or str(split.images)
        case VocData(val=split):
            return str(split.root / "ImageSets" / "Main" / f"{split.split}.txt"), photos
    return data, ""


def _photo(data: str, path: Path, image: str) -> Photo:
    with reading(path):
        content = read_regular(path, MOST_OF_PHOTO)
    digest = hashlib.sha256(content).hexdigest()
    return Photo(image, read_photo(io.BytesIO(content), str(path)), digest, _truth(data, path, image))


def _truth(data: str, path: Path, image: str) -> Truth | None:
    if not data:
        return None
    if data.endswith(RECORD_ENDING):
        return _truth_of_records(typed_path(data), image)
    root = voc_root(data)
    annotations = read_voc_photos(root, [path.stem]) if root else read_source(data, str(path.parent))
    found = next((record for record in annotations.images if record["file_name"] == image), None)
    if found is None:
        raise UserError(f"{data} does not list {image}")
    target = annotations.target(found)
    return Truth(target["boxes"], tuple(annotations.classes[label - 1] for label in target["labels"].tolist()))


def _truth_of_records(path: Path, image: str) -> Truth:
    """What a record file says of a photo: every true object that counts has one row, found or missed."""
    table = read_records(path, ["file_name", "category", "outcome", *each("truth", CORNERS)])
    rows = table.filter(pc.equal(table["file_name"].cast("string"), image)).to_pandas()
    if rows.empty:
        raise UserError(f"{path} has no row of {image}")
    rows = rows[rows.outcome.isin(("matched", "missed"))]
    boxes = torch.tensor(rows[each("truth", CORNERS)].to_numpy(), dtype=torch.float32)
    return Truth(boxes, tuple(rows.category.astype(str)))


# Readers hand out one object for one file, as app.photos does; a file that changes has another stamp.


@lru_cache(maxsize=4)
def _annotations(data: Path, photos: Path, stamp: int) -> Annotations:
    root = voc_root(str(data))
    if root is None:
        if data.is_file() and data.stat().st_size > MOST_OF_TRUTH:
            raise UserError(
                f"{data} has {data.stat().st_size / 1e6:,.0f} MB, and no more than {MOST_OF_TRUTH / 1e6:,.0f} are read "
                "here; is it the right file? For more, run `obcn eval --records` and open what that writes"
            )
        return read_coco(photos, data, complete=False)
    return read_voc_photos(root, _stems(data))


@lru_cache(maxsize=4)
def _yolo(data: Path, stamp: int) -> Annotations:
    return read_validation(load_data_config(data))


def _yolo_stamp(data: Path) -> int:
    files = {data}
    config = load_data_config(data)
    for photo, label in find_labels(config.val).items() if isinstance(config, YoloData) else ():
        # A folder's own stamp says that a file came or went.
        files |= {label.parent, photo.parent, label}
    return max(_stamp(file) for file in files if file.exists())


def _stems(data: Path) -> list[str]:
    """The annotation files of a whole VOC folder, or those that a split lists."""
    if data.is_dir():
        stems = sorted(path.stem for path in (data / "Annotations").glob("*.xml"))
        if not stems:
            raise UserError(f"{data} is not a VOC folder: {data / 'Annotations'} holds no .xml file")
        return stems
    with reading(data):
        lines = read_regular(data, MOST_OF_TRUTH).decode(errors="replace").splitlines()
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def _stamp(path: Path) -> int:
    with reading(path):
        return path.stat().st_mtime_ns
