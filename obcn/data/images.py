"""Photos from files, upright and in RGB."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from obcn.errors import UserError


def read_photo(source: str | Path | BinaryIO, name: str | None = None) -> Image.Image:
    """An RGB photo, turned as its EXIF orientation says, the way viewers show it.

    Args:
        source: a path, or an open binary file.
        name: what to call it in an error; by default the path.

    Raises:
        UserError: missing, not an image, or cut short.
    """
    name = name or str(source)
    try:
        with Image.open(source) as photo:
            photo.load()
            return _as_rgb(_upright(photo))
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


def _as_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I;16"):
        # convert() would clip 16 bits to white.
        photo = photo.point(lambda value: value / 256).convert("L")
    return photo.convert("RGB")
