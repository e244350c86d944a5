"""What visitors bring is bounded: photos in memory, files on the disk."""

import errno
import io
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from app.photos import Photo, PhotoShelf
from app.uploads import UploadFolder, stored_name
from obcn.errors import UserError
from tests.app.browsing import ROOT

# 300 MB in blocks too small for pages of their own, of which one in a hundred stays.
HOLES = """
import sys
sys.path.insert(0, ".")
from app.malloc import give_back

def megabytes():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1000

blocks = [bytes(30_000) for _ in range(10_000)]
kept = blocks[::100]
del blocks
before = megabytes()
give_back()
print(before - megabytes())
"""


def photo(name: str, side: int) -> Photo:
    return Photo(name, Image.new("RGB", (side, side)), name)


def try_in_vain(uploads: UploadFolder, files: dict[str, bytes]) -> Path:
    """Where files lay that turned out not to be usable."""

    def fail() -> None:
        with uploads.keep_if_usable(files) as folder:
            folders.append(folder)
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
            raise UserError("they are of no use")

    folders: list[Path] = []
    with pytest.raises(UserError, match="of no use"):
        fail()
    return folders[0]


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
    unusable = try_in_vain(uploads, {"e": b"!"})
    assert not unusable.exists()
    assert third.is_dir()
    large = uploads.keep({"d": io.BytesIO(b"z" * 99).getvalue()})
    assert [folder.name for folder in uploads.folder.iterdir()] == [large.name]


def test_what_one_visitor_uploads_in_vain_takes_nothing_from_another() -> None:
    """Mutant: the same bytes cut elsewhere lie in the same folder, or one that was there before is deleted."""
    uploads = UploadFolder("obcn-test-", most_bytes=99)
    files = {"a.json": b"card", "a.bin": b"weights"}
    mine = uploads.keep(files)
    for others in (
        {"a.json": b"cardw", "a.bin": b"eights"},
        {"b.json": b"card", "a.bin": b"weights"},
        {"a.json": b"cardweights"},
        files,
    ):
        assert (try_in_vain(uploads, others) == mine) == (others is files)
        assert {path.name: path.read_bytes() for path in mine.iterdir()} == files
    assert list(uploads.folder.iterdir()) == [mine]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("dog.jpg", "dog.jpg"),
        ("my dög 2.tar.gz", "my dög 2.tar.gz"),
        ("../..\\up/a.b", "a.b"),
        ("nul\0 and \udcff.parquet", "nul_ and _.parquet"),
        ("..", "file"),
        ("", "file"),
        ("a/", "file"),
        ("x" * 5000 + ".parquet", "x" * 180 + ".parquet"),
        ("\N{COLLISION SYMBOL}" * 300, "\N{COLLISION SYMBOL}" * 45),
    ],
)
def test_a_strangers_file_name_is_kept_as_far_as_disks_and_pages_take_it(name, stored) -> None:
    """Mutant: a NUL, half a pair of UTF-16 or a name too long ends in a traceback."""
    assert stored_name(name) == stored
    assert stored_name(stored) == stored
    uploads = UploadFolder("obcn-test-", most_bytes=25)
    assert (uploads.keep({name: b"x"}) / stored).read_bytes() == b"x"


def test_a_full_disk_is_one_line_that_names_no_folder_and_leaves_nothing(monkeypatch) -> None:
    def full(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    uploads = UploadFolder("obcn-test-", most_bytes=25)
    kept = uploads.keep({"b": b"y"})
    monkeypatch.setattr(Path, "write_bytes", full)
    for name, content in (("a", b"x"), ("c", b"y")):
        with pytest.raises(
            UserError, match=r"^this server cannot keep the file \(No space left on device\); try again"
        ):
            uploads.keep({name: content})
    assert list(uploads.folder.iterdir()) == [kept]
    assert [path.name for path in kept.iterdir()] == ["b"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep their own accounts")
def test_free_memory_between_what_is_kept_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
