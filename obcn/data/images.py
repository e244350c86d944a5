"""Photos from files, upright and in RGB."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from obcn.errors import UserError

# What a folder's photos end in; a file that is named by itself may end in anything.
PHOTO_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def read_photo(source: str | Path | BinaryIO, name: str | None = None) -> Image.Image:
    """An RGB photo, turned as its EXIF orientation says, the way viewers show it.

    Args:
        source: a path, or an open binary file.
        name: what to call it in an error; by default the path.

    Raises:
        UserError: missing, not an image, or cut short.
    """
    with _opened(source, name or str(source)) as photo:
        photo.load()
        return _as_rgb(_upright(photo))


def photo_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of the photo that :func:`read_photo` gives, by the file's header alone.

    Raises:
        UserError: missing, or not an image.
    """
    with _opened(path, str(path)) as photo:
        width, height = photo.size
        return (height, width) if _lies_on_its_side(photo) else (width, height)


def is_photo(path: Path) -> bool:
    """Whether a folder's file counts as one of its photos."""
    return path.suffix.lower() in PHOTO_ENDINGS and not path.name.startswith(".") and path.is_file()


@contextmanager
def _opened(source: str | Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(source) as photo:
            yield photo
    except FileNotFoundError as error:
        raise UserError(f"{name}: no such file") from error
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{name} cannot be opened: {error.strerror}") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is not an image that can be read; give a JPEG, PNG, WebP or BMP file") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{name} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{name} is damaged or cut short ({error}); save or download it again") from error


def _upright(photo: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(photo)
    except Exception:  # Pillow's EXIF parser fails in many ways; the pixels are good, and viewers show them as they lie
        return photo


def _lies_on_its_side(photo: Image.Image) -> bool:
    """Whether :func:`_upright` swaps width and height."""
    try:
        return photo.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # as above
        return False


def _as_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I;16"):
        # convert() would clip 16 bits to white.
        photo = photo.point(lambda value: value / 256).convert("L")
    return photo.convert("RGB")
