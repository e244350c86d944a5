"""The numbers by which result rows name photos and classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from obcn.data.coco import read_coco
from obcn.errors import UserError


@dataclass(frozen=True)
class CocoIds:
    """Ids of photos, in their order, and of classes, by their names."""

    images: tuple[int, ...]
    categories: dict[str, int]

    @classmethod
    def numbered(cls, photos: Sequence[Path], classes: Sequence[str]) -> "CocoIds":
        """Running numbers from 1, where no file gives others."""
        return cls(tuple(range(1, len(photos) + 1)), {name: label for label, name in enumerate(classes, start=1)})

    @classmethod
    def of_file(cls, annotations: Path, photos: Sequence[Path], classes: Sequence[str]) -> "CocoIds":
        """Those of a COCO file.

        Args:
            annotations: the file.
            photos: found in it by the end of their path, so that ``train/1.jpg`` and ``val/1.jpg`` are told apart.
            classes: found in it by name; it may hold others.

        Raises:
            UserError: not a COCO file, or a photo or class is not in it or there twice.
        """
        coco = read_coco(Path(), annotations, complete=False)
        by_name: dict[str, list[dict]] = {}
        for image in coco.images:
            by_name.setdefault(Path(image["file_name"]).name, []).append(image)
        categories = {category["name"]: category["id"] for category in coco.categories}
        unknown = [name for name in classes if name not in categories]
        if unknown:
            raise UserError(
                f"{annotations} has no class {unknown[0]!r}, which the checkpoint finds; its classes are "
                f"{', '.join(categories)}"
            )
        return cls(
            tuple(_image_id(annotations, photo, by_name.get(photo.name, [])) for photo in photos),
            {name: categories[name] for name in classes},
        )


def _image_id(annotations: Path, photo: Path, images: list[dict]) -> int:
    place = photo.resolve().as_posix()
    by_path = [image for image in images if place.endswith("/" + Path(image["file_name"]).as_posix().lstrip("/"))]
    # A lone name will do: the file may have been written beside other folders.
    fitting = by_path or images
    if len(fitting) == 1:
        return fitting[0]["id"]
    if fitting:
        names = ", ".join(image["file_name"] for image in fitting)
        raise UserError(f"{annotations} lists {names}: any may be {photo}; give the photo from the file's own folder")
    raise UserError(f"{annotations} does not list {photo.name}; leave the photo out, or --annotations")
