"""Photos to look at: uploads, and the samples with their ground truth."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL.Image import Image
from torch import Tensor

from obcn.data import read_photo
from obcn.data.coco import read_coco
from obcn.data.images import MOST_PIXELS

SAMPLES = Path(__file__).parent / "samples"
UPLOAD_TYPES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff")


@dataclass(frozen=True)
class Truth:
    """What is really there: (G, 4) boxes in pixels with G class names."""

    boxes: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo. Caches go by its digest, so that they need not hold it.

    Attributes:
        name: file name, for titles and errors.
        image: RGB, upright.
        digest: SHA-256 of the file's bytes; tells photos apart in caches.
        truth: boxes drawn by hand; None where nobody drew any.
    """

    name: str
    image: Image
    digest: str
    truth: Truth | None = None


class PhotoShelf:
    """The photos that were asked for last, for all visitors: together as many pixels as the largest single one has.

    Args:
        most_pixels: three bytes each.
        most: how many photos.
    """

    def __init__(self, most_pixels: int = MOST_PIXELS, most: int = 12) -> None:
        self._most_pixels, self._most = most_pixels, most
        self._photos: OrderedDict[Hashable, Photo] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, read: Callable[[], Photo]) -> Photo:
        """The photo under a key, read if it is not here; one key gives one object as long as it is here."""
        with self._lock:
            if key in self._photos:
                self._photos.move_to_end(key)
                return self._photos[key]
        photo = read()
        with self._lock:
            # Somebody else may have read the same meanwhile.
            photo = self._photos.setdefault(key, photo)
            while len(self._photos) > 1 and (len(self._photos) > self._most or self._pixels() > self._most_pixels):
                self._photos.popitem(last=False)
        return photo

    def _pixels(self) -> int:
        return sum(photo.image.width * photo.image.height for photo in self._photos.values())


photo_shelf = PhotoShelf()


def sample_paths() -> list[Path]:
    """The sample photos, by name."""
    return sorted(path for path in SAMPLES.glob("*") if path.suffix.lower().lstrip(".") in UPLOAD_TYPES)


@lru_cache(maxsize=32)
def read_sample(path: Path) -> Photo:
    """A sample photo with its truth, if ``truth.json`` beside it lists the photo.

    Raises:
        UserError: the photo or the truth file cannot be read.
    """
    data = path.read_bytes()
    return Photo(path.name, read_photo(io.BytesIO(data), path.name), _digest(data), _truth_of(path))


def read_upload(name: str, data: bytes) -> Photo:
    """An uploaded photo; nobody knows its truth.

    Raises:
        UserError: not an image, or cut short.
    """
    digest = _digest(data)
    return photo_shelf.get((name, digest), lambda: Photo(name, read_photo(io.BytesIO(data), name), digest))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _truth_of(path: Path) -> Truth | None:
    file = path.parent / "truth.json"
    if not file.is_file():
        return None
    annotations = read_coco(path.parent, file)
    for image in annotations.images:
        if image["file_name"] == path.name:
            target = annotations.target(image)
            names = tuple(annotations.classes[label - 1] for label in target["labels"].tolist())
            return Truth(target["boxes"], names)
    return None
