"""Photos of every kind come out upright and in RGB, or as one clear line."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from obcn.data import images
from obcn.data.images import photo_size, read_photo
from obcn.errors import UserError

WIDTH, HEIGHT = 48, 32
ORIENTATION = 0x0112

# How an upright photo has to be stored for each EXIF orientation to turn it upright again.
STORED_AS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: np.rot90(p, -1),
}


def quadrants() -> np.ndarray:
    """Four colours, so that every turn and mirror shows."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = (250, 0, 0)
    pixels[: HEIGHT // 2, WIDTH // 2 :] = (0, 250, 0)
    pixels[HEIGHT // 2 :, : WIDTH // 2] = (0, 0, 250)
    return pixels


def saved(photo: Image.Image, folder: Path, ending: str, **options: object) -> Path:
    path = folder / f"photo.{ending}"
    photo.save(path, **options)
    return path


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_exif_orientation_is_honoured(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](quadrants())))
    read = read_photo(saved(stored, tmp_path, ending, exif=exif.tobytes(), quality=95))
    assert read.size == (WIDTH, HEIGHT)
    corners = np.asarray(read)[[4, 4, -5, -5], [4, -5, 4, -5]]
    expected = quadrants()[[4, 4, -5, -5], [4, -5, 4, -5]]
    np.testing.assert_allclose(corners.astype(int), expected, atol=12)


@pytest.mark.parametrize(("ending", "tolerance"), [("png", 0), ("bmp", 0), ("webp", 12), ("jpg", 12)])
def test_formats(tmp_path, ending, tolerance):
    read = read_photo(saved(Image.fromarray(quadrants()), tmp_path, ending, quality=95))
    assert read.mode == "RGB"
    middles = np.ix_([8, 24], [12, 36])
    np.testing.assert_allclose(np.asarray(read)[middles].astype(int), quadrants()[middles], atol=tolerance)


@pytest.mark.parametrize(
    ("mode", "ending"),
    [("L", "png"), ("1", "png"), ("LA", "png"), ("RGBA", "png"), ("P", "png"), ("P", "gif"), ("CMYK", "jpg")],
)
def test_modes_become_rgb(tmp_path, mode, ending):
    original = Image.fromarray(quadrants()).convert(mode)
    read = read_photo(saved(original, tmp_path, ending))
    assert read.mode == "RGB"
    expected = np.asarray(original.convert("RGB")).astype(int)[np.ix_([8, 24], [12, 36])]
    np.testing.assert_allclose(np.asarray(read)[np.ix_([8, 24], [12, 36])].astype(int), expected, atol=12)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    deep = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.frombytes("I;16B", (16, 16), deep.astype(">u2").tobytes()).save(tmp_path / "big-endian.tif")
    for file in (saved(Image.fromarray(deep), tmp_path, "png"), tmp_path / "big-endian.tif"):
        read = read_photo(file)
        np.testing.assert_allclose(np.asarray(read)[..., 1].ravel(), np.arange(256), atol=1)


def test_open_file_is_read_as_a_path_is(tmp_path):
    path = saved(Image.fromarray(quadrants()), tmp_path, "png")
    with path.open("rb") as file:
        np.testing.assert_array_equal(np.asarray(read_photo(file)), np.asarray(read_photo(path)))


def test_damaged_exif_does_not_cost_a_good_photo(tmp_path):
    """An orientation beside a width that is text: Pillow fails to write the block back."""
    width_as_text = b"\x01\x00\0\x02\0\0\0\x03hi\0\0"
    turned = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + width_as_text + turned + b"\0\0\0\0"
    read = read_photo(saved(Image.fromarray(quadrants()), tmp_path, "jpg", exif=exif))
    assert read.mode == "RGB"
    assert sorted(read.size) == [HEIGHT, WIDTH]


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
        read_photo(tmp_path / "gone.jpg")


def test_folder(tmp_path):
    with pytest.raises(UserError, match="cannot be opened: Is a directory"):
        read_photo(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"just some words\n", b"\x89PNG\r\n", b"\xff\xd8"])
def test_not_an_image(tmp_path, raw):
    path = tmp_path / "notes.jpg"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"notes\.jpg is not an image that can be read; give a JPEG"):
        read_photo(path)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp"])
def test_truncated_file(tmp_path, ending):
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    path = saved(Image.fromarray(noise), tmp_path, ending)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(UserError, match=rf"photo\.{ending} is ") as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)


def test_name_of_an_upload_stands_in_the_error():
    with pytest.raises(UserError, match=r"^holiday\.jpg is not an image"):
        read_photo(io.BytesIO(b"words"), name="holiday.jpg")


def test_picture_too_large_to_be_honest(tmp_path, monkeypatch):
    path = saved(Image.fromarray(quadrants()), tmp_path, "png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match=r"photo\.png is too large"):
        read_photo(path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_damage_escapes_as_another_exception(tmp_path):
    """Bytes changed at random: a photo or a UserError, nothing else."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "a dog"
    random = np.random.default_rng(1)
    outcomes = set()
    for ending in ("jpg", "png", "webp"):
        raw = saved(Image.fromarray(quadrants()), tmp_path, ending, exif=exif.tobytes()).read_bytes()
        for _ in range(300):
            damaged = np.frombuffer(raw, np.uint8).copy()
            places = random.integers(0, min(len(damaged), 200), 3)
            damaged[places] = random.integers(0, 256, 3)
            try:
                outcomes.add(read_photo(io.BytesIO(damaged.tobytes()), ending).mode)
            except UserError:
                outcomes.add("refused")
    assert outcomes == {"RGB", "refused"}


@pytest.mark.parametrize("ending", ["jpg", "eps", "png"])
def test_postscript_is_not_read_whatever_it_is_called(tmp_path, ending):
    """Pillow would hand it to Ghostscript, which runs it."""
    path = tmp_path / f"photo.{ending}"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n{} loop\n%%EOF\n")
    with pytest.raises(UserError, match="is not an image that can be read; give a JPEG"):
        read_photo(path)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX"])
def test_only_the_listed_formats_are_read(tmp_path, kind):
    path = tmp_path / "photo.png"
    Image.fromarray(quadrants()).save(path, kind)
    with pytest.raises(UserError, match="is not an image that can be read"):
        read_photo(path)


@pytest.mark.parametrize(("width", "height"), [(7_746, 7_746), (13_300, 13_300), (60_000_001, 1)])
def test_too_many_pixels_are_refused_by_the_header_alone(tmp_path, width, height):
    path = tmp_path / "huge.png"
    # No pixel follows: whoever decoded would find the file cut short.
    path.write_bytes(png_header(width, height))
    with pytest.raises(
        UserError, match=rf"huge\.png is too large: {width:,} x {height:,} are .* million pixels; reduce"
    ):
        read_photo(path)
    with pytest.raises(UserError, match="too large"):
        photo_size(path)


def test_the_most_pixels_are_let_in(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_header(10_000, 6_000))
    assert photo_size(path) == (10_000, 6_000)


def test_large_photos_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(images, "_LARGE", WIDTH * HEIGHT - 1)
    monkeypatch.setattr(images, "as_rgb", lambda photo: held.append(images._decoding_large.locked()) or photo)
    read_photo(saved(Image.fromarray(quadrants()), tmp_path, "png"))
    monkeypatch.setattr(images, "_LARGE", WIDTH * HEIGHT)
    read_photo(saved(Image.fromarray(quadrants()), tmp_path, "png"))
    assert held == [True, False]
    assert not images._decoding_large.locked()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match=r"pipe\.jpg is a device, a pipe or a socket"):
        read_photo(tmp_path / "pipe.jpg")


def png_header(width: int, height: int) -> bytes:
    """A grey PNG whose pixels are missing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [header, b"IDAT"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
