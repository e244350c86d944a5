"""Pictures: of every kind and mode, damaged, mislabelled, and far larger than they look."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from obcn.data.images import MOST_PIXELS, read_photo
from tests.campaign.cases import EITHER, HANDLED, REFUSED, Case, damage

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L", "1"),
    "GIF": ("P", "L"),
    "TIFF": ("RGB", "RGBA", "L", "CMYK", "I;16", "F", "LAB"),
}
POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(/etc/passwd) (r) file pop {} loop\nshowpage\n%%EOF\n"
)
NOT_PICTURES = (
    b"",
    b"\0" * 1000,
    b"just words",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"\x80\x04K\x01.",
    b"PK\3\4",
)
NAMES = ("photo.jpg", "a\udcffb.png", "x" * 300, "<script>.gif", "nul\0.jpg")


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Whole ones first, then damage without end."""
    del folder
    whole = [(kind, mode, _picture(kind, mode)) for kind, modes in MODES.items() for mode in modes]
    for kind, mode, content in whole:
        yield Case(f"{kind} in {mode}", partial(_look, content, "photo"), (HANDLED,))
    for name in ("photo.jpg", "photo.eps", "photo.png"):
        yield Case(f"PostScript called {name}", partial(_look, POSTSCRIPT, name), (REFUSED,))
    for content in NOT_PICTURES:
        yield Case(f"no picture: {content[:20]!r}", partial(_look, content, "photo.jpg"), (REFUSED,))
    for side in (7_746, 13_300, 2**31 - 1):
        yield Case(f"PNG of {side} x {side}", partial(_look, _png_header(side, side), "photo.png"), (REFUSED,))
    while True:
        kind, mode, content = rng.choice(whole)
        yield Case(f"{kind} in {mode}, damaged", partial(_look, damage(rng, content), rng.choice(NAMES)), EITHER)


def _look(content: bytes, name: str) -> None:
    photo = read_photo(io.BytesIO(content), name)
    assert photo.mode == "RGB"
    assert 0 < photo.width * photo.height <= MOST_PIXELS
    photo.resize((8, 8)).tobytes()


def _picture(kind: str, mode: str) -> bytes:
    photo = Image.linear_gradient("L").resize((61, 43))
    photo = photo.convert("RGB").convert(mode) if mode not in ("I;16", "LAB") else photo
    if mode == "I;16":
        photo = Image.new("I;16", (61, 43), 40_000)
    elif mode == "LAB":
        photo = Image.new("LAB", (61, 43), (120, 130, 140))
    buffer = io.BytesIO()
    photo.save(buffer, kind)
    return buffer.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A PNG of that size by its header, with little behind it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
