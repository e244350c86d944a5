"""The one annotation table that both readers fill and that training and evaluation read."""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from obcn.data.images import read_photo
from obcn.errors import UserError


@dataclass(frozen=True)
class Annotations:
    """Photos with boxes, as COCO's own records.

    Attributes:
        folder: where the photos lie.
        coco: ``images``, ``annotations`` and ``categories``, as in a COCO instances file. A box may carry
            ``iscrowd`` or ``difficult``: it is then neither a training target nor, in evaluation, a miss.
        notes: what the reader left out, as lines to show.
    """

    folder: Path
    coco: dict
    notes: tuple[str, ...] = ()
    _by_image: dict[int, list[dict]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_image = defaultdict(list)
        for box in self.coco["annotations"]:
            by_image[box["image_id"]].append(box)
        object.__setattr__(self, "_by_image", by_image)

    def __len__(self) -> int:
        return len(self.coco["images"])

    @property
    def images(self) -> list[dict]:
        """COCO image records, in the file's order."""
        return self.coco["images"]

    @property
    def categories(self) -> list[dict]:
        """COCO category records by rising id; label k is the k-th of them, from 1."""
        return sorted(self.coco["categories"], key=lambda category: category["id"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(category["name"] for category in self.categories)

    def path(self, image: dict) -> Path:
        """Where a photo lies."""
        return self.folder / image["file_name"]

    def photo(self, image: dict) -> Image.Image:
        """A photo's pixels.

        Raises:
            UserError: it cannot be read, or is not of the size that its record says.
        """
        photo = read_photo(self.path(image))
        listed = int(image["width"]), int(image["height"])
        if photo.size != listed:
            raise UserError(
                f"{self.path(image)} is {photo.width} x {photo.height} pixels, but its record says {listed[0]} x "
                f"{listed[1]}: were its boxes drawn on the photo before it was resized, or turned as its EXIF says?"
            )
        return photo

    def part(self, rank: int, count: int) -> "Annotations":
        """Every ``count``-th photo from the ``rank``-th, with all boxes."""
        return self if count == 1 else replace(self, coco={**self.coco, "images": self.images[rank::count]})

    def digest(self) -> str:
        """Names the photos, their boxes and their classes; what was worked out of other ones has another."""
        return hashlib.sha256(json.dumps(self.coco, sort_keys=True).encode()).hexdigest()

    def boxes_of(self, image: dict) -> list[dict]:
        """COCO annotation records of one photo, ignored ones included."""
        return self._by_image[image["id"]]

    def target(self, image: dict) -> dict[str, Tensor]:
        """Training target of one photo.

        Returns:
            ``boxes`` (G, 4) as (x1, y1, x2, y2) in pixels, ``labels`` (G,) from 1, and ``ignored`` (I, 4): crowds
            and difficult boxes, which are neither objects nor background.
        """
        label_of = {category["id"]: label for label, category in enumerate(self.categories, start=1)}
        boxes = self.boxes_of(image)
        kept = [box for box in boxes if not is_ignored(box)]
        labels = torch.tensor([label_of[box["category_id"]] for box in kept], dtype=torch.int64)
        ignored = [box for box in boxes if is_ignored(box)]
        return {"boxes": _corners(kept), "labels": labels, "ignored": _corners(ignored)}


def is_ignored(box: dict) -> bool:
    """Whether evaluators pass over this box: a crowd, or one that VOC calls difficult."""
    return bool(box.get("iscrowd")) or bool(box.get("difficult"))


def _corners(boxes: list[dict]) -> Tensor:
    corners = torch.tensor([box["bbox"] for box in boxes], dtype=torch.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners
