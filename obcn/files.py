"""Files that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from obcn.errors import UserError


class NotWrittenError(UserError):
    """A file that could not be written, though what stood in its place still stands."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write into; it takes the place of ``path`` in one move when the block ends well.

    Nobody ever sees half a file, and where writing fails what stood at ``path`` still stands there. The new file is
    as readable as the umask lets new files be.

    Raises:
        NotWrittenError: no room left, no permission, a folder in its place.
    """
    if not path.name:
        raise NotWrittenError(f"{path} is a folder; name a file to write")
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise NotWrittenError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text (as UTF-8) or bytes by :func:`replacing`.

    Raises:
        NotWrittenError: as :func:`replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
