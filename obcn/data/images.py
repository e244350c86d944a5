"""Photos from files, upright and in RGB."""

import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from obcn.errors import UserError

# What a folder's photos end in; a file that is named by itself may end in anything.
PHOTO_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# What is decoded, whatever a file is called: Pillow hands some of the others, EPS among them, to a program of its own.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MOST_PIXELS = 60_000_000
# WebP's decoder keeps four copies of a picture.
MOST_PIXELS_OF_WEBP = 30_000_000
# Above this many pixels a photo waits until no other such photo is being decoded.
_LARGE = 8_000_000
_decoding_large = threading.Lock()
# The limits above are lower than Pillow's own.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

# How to turn a photo upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_photo(source: str | Path | BinaryIO, name: str | None = None) -> Image.Image:
    """An RGB photo, turned as its EXIF orientation says, the way viewers show it.

    Args:
        source: a path, or an open binary file.
        name: what to call it in an error; by default the path.

    Raises:
        UserError: missing, not an image of one of :data:`FORMATS`, of more than :data:`MOST_PIXELS`, or cut short.
    """
    with _opened(source, name or str(source)) as photo:
        turn = _TURNS.get(_orientation(photo))
        # In this order no more than two copies lie in memory at once.
        upright = as_rgb(photo)
        if upright is not photo:
            photo.close()
    return upright if turn is None else upright.transpose(turn)


def photo_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of the photo that :func:`read_photo` gives, by the file's header alone.

    Raises:
        UserError: missing, or not an image.
    """
    with _opened(path, str(path)) as photo:
        width, height = photo.size
        # 5 to 8 lie on their side.
        return (height, width) if _orientation(photo) > 4 else (width, height)


def is_photo(path: Path) -> bool:
    """Whether a folder's file counts as one of its photos."""
    return path.suffix.lower() in PHOTO_ENDINGS and not path.name.startswith(".") and path.is_file()


@contextmanager
def _opened(source: str | Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    try:
        _refuse_endless(source, name)
        with Image.open(source, formats=FORMATS) as photo:
            most = MOST_PIXELS_OF_WEBP if photo.format == "WEBP" else MOST_PIXELS
            pixels = photo.width * photo.height
            if pixels > most:
                raise UserError(
                    f"{name} is too large: {photo.width:,} x {photo.height:,} are {pixels / 1e6:,.0f} million pixels; "
                    f"reduce it to {most / 1e6:.0f} million or fewer"
                )
            with _decoding_large if pixels > _LARGE else nullcontext():
                yield photo
    except FileNotFoundError as error:
        raise UserError(f"{name}: no such file") from error
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{name} cannot be opened: {error.strerror}") from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name} is not an image that can be read; give a JPEG, PNG, WebP, BMP, GIF or TIFF file"
        ) from error
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{name} is too large ({error}); reduce it to {MOST_PIXELS / 1e6:.0f} million pixels"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{name} is damaged or cut short ({error}); save or download it again") from error


def _refuse_endless(source: str | Path | BinaryIO, name: str) -> None:
    """A device or a pipe may give no end of bytes, or none and never return."""
    if isinstance(source, str | Path):
        mode = os.stat(source).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UserError(f"{name} is a device, a pipe or a socket; name a photo's file")


def _orientation(photo: Image.Image) -> int:
    """As EXIF says, from 1; 1 is upright."""
    try:
        turn = photo.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's EXIF parser fails in many ways; the pixels are good, and viewers show them as they lie
        return 1
    return turn if turn in _TURNS else 1


def as_rgb(photo: Image.Image) -> Image.Image:
    """A photo in RGB, of whatever mode; 16 bits a pixel are reduced to 8."""
    if photo.mode.startswith("I;16"):
        # convert() would clip 16 bits to white.
        return Image.fromarray((np.asarray(photo) >> 8).astype(np.uint8)).convert("RGB")
    # Pillow's convert() copies what is RGB already.
    photo.load()
    return photo if photo.mode == "RGB" else photo.convert("RGB")
