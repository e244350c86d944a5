"""What visitors bring is bounded: photos in memory, files on the disk."""

import io

import pytest
from PIL import Image

from app.photos import Photo, PhotoShelf
from app.uploads import UploadFolder


def photo(name: str, side: int) -> Photo:
    return Photo(name, Image.new("RGB", (side, side)), name)


def test_a_photo_stays_one_object_until_others_need_its_room() -> None:
    shelf, reads = PhotoShelf(most_pixels=250), []

    def get(name: str, side: int = 10) -> Photo:
        return shelf.get(name, lambda: (reads.append(name), photo(name, side))[1])

    first = get("a")
    assert get("b") is not first
    assert get("a") is first
    get("c")  # 300 pixels: b was used longest ago
    assert get("a") is first
    get("b")
    assert reads == ["a", "b", "c", "b"]
    huge = get("huge", 40)
    assert get("huge", 40) is huge, "the last one stays, whatever its size"
    assert get("a") is not first
    small = PhotoShelf(most=2)
    kept = small.get("a", lambda: photo("a", 1))
    for name in "bc":
        small.get(name, lambda: photo("other", 1))
    assert small.get("a", lambda: photo("a", 1)) is not kept


def test_a_photo_that_cannot_be_read_leaves_nothing(monkeypatch) -> None:
    shelf = PhotoShelf()
    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: 1 // 0)
    assert shelf.get("a", lambda: photo("a", 1)).name == "a"


def test_uploaded_files_appear_under_their_names_and_the_oldest_go() -> None:
    uploads = UploadFolder("obcn-test-", most_bytes=25)
    first = uploads.keep({"../../a.json": b"0123456789", "a.bin": b""})
    assert first.parent == uploads.folder
    assert (first / "a.json").read_bytes() == b"0123456789"
    assert uploads.keep({"../../a.json": b"0123456789", "a.bin": b""}) == first
    second = uploads.keep({"b": b"x" * 10})
    uploads.keep({"a.json": b"0123456789", "a.bin": b""})
    third = uploads.keep({"c": b"y" * 10})
    assert first.is_dir()
    assert not second.exists()
    uploads.drop(third)
    assert not third.exists()
    large = uploads.keep({"d": io.BytesIO(b"z" * 99).getvalue()})
    assert [folder.name for folder in uploads.folder.iterdir()] == [large.name]
