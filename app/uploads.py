"""Uploaded files that other parts read by path: on this server's disk, bounded, and gone when the server is."""

import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from obcn.errors import UserError

# Bytes that a name may have on the disk before its ending; the system takes 255 with it.
_LONGEST = 180


def stored_name(name: str) -> str:
    """A stranger's file name as disks and pages take it: its last part, with no control character, not too long.

    >>> stored_name("../../a\\0b.parquet")
    'a_b.parquet'
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(letter if letter.isprintable() else "_" for letter in last).strip(". ")
    stem, dot, ending = printable.rpartition(".")
    if not dot:
        stem, ending = ending, ""
    return (stem.encode()[:_LONGEST].decode(errors="ignore") or "file") + dot + ending[:12]


class UploadFolder:
    """Uploads under names made of their content; where they grow beyond a size, those that came first go.

    Attributes:
        folder: that holds them.
    """

    def __init__(self, prefix: str, most_bytes: int) -> None:
        """Make the folder.

        Args:
            prefix: of its name, below the system's temporary folder.
            most_bytes: that all uploads may have together; the last one stays, whatever its size.
        """
        self._home = tempfile.TemporaryDirectory(prefix=prefix)
        self.folder = Path(self._home.name)
        self._most_bytes = most_bytes
        self._sizes: OrderedDict[Path, int] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, files: Mapping[str, bytes]) -> Path:
        """Write files that belong together into a folder of their own, the same one for the same names and content.

        Args:
            files: contents by file name; they are stored as :func:`stored_name` has them.

        Returns:
            The folder. Each file in it appears whole, for somebody may be reading or uploading the same.

        Raises:
            UserError: the disk is full.
        """
        folder, _ = self._keep(files)
        return folder

    @contextmanager
    def keep_if_usable(self, files: Mapping[str, bytes]) -> Iterator[Path]:
        """As :meth:`keep`, for as long as it takes to try the files: where that raises, what it wrote is deleted.

        A folder that was there before stays, for it is another visitor's.
        """
        folder, is_new = self._keep(files)
        try:
            yield folder
        except BaseException:
            if is_new:
                self._drop(folder)
            raise

    def _keep(self, files: Mapping[str, bytes]) -> tuple[Path, bool]:
        """The folder, and whether this call made it."""
        folder = self.folder / _folder_name(files)
        with self._lock:
            is_new = folder not in self._sizes
            try:
                folder.mkdir(exist_ok=True)
                for name, content in files.items():
                    _write(folder / stored_name(name), content)
            except OSError as error:
                if is_new:
                    shutil.rmtree(folder, ignore_errors=True)
                # Nobody learns where it lies.
                raise UserError(f"this server cannot keep the file ({error.strerror}); try again later") from error
            self._sizes[folder] = sum(path.stat().st_size for path in folder.iterdir())
            self._sizes.move_to_end(folder)
            while len(self._sizes) > 1 and sum(self._sizes.values()) > self._most_bytes:
                oldest, _ = self._sizes.popitem(last=False)
                shutil.rmtree(oldest, ignore_errors=True)
        return folder, is_new

    def _drop(self, folder: Path) -> None:
        with self._lock:
            self._sizes.pop(folder, None)
            shutil.rmtree(folder, ignore_errors=True)


def _folder_name(files: Mapping[str, bytes]) -> str:
    """What models are called by, with their file; no two uploads that differ in anything share it."""
    digest = sha256()
    for name, content in files.items():
        # Lengths say where one ends and the next begins.
        for part in (stored_name(name).encode(), content):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return f"upload-{digest.hexdigest()[:12]}"


def _write(path: Path, content: bytes) -> None:
    if not path.is_file():
        temporary = path.with_name(secrets.token_hex(8))
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
