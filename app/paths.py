"""Paths that visitors type, that links carry, and that record files name: anything may stand there."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.hosting import refuse_unless_offered
from obcn.errors import UserError


def typed_path(word: str) -> Path:
    """The path that a word means, ``~`` expanded; whether anything lies there can be asked of it.

    Raises:
        UserError: an unknown user's home, a name that no file can have, a place that may not be looked at, or what is
            neither a file nor a folder; on a hosted server, what was not offered.
    """
    with reading(word):
        return reachable(Path(word).expanduser())


def reachable(path: Path) -> Path:
    """The same path, which need not exist, once it is sure that one may ask for it, and that it has an end.

    Raises:
        UserError: as :func:`typed_path`.
    """
    with reading(path), suppress(FileNotFoundError, NotADirectoryError):
        refuse_unless_offered(path)
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UserError(f"{path} is a device, a pipe or a socket; name a file or a folder")
    return path


def existing(word: str) -> Path | None:
    """The path that a word means, None if nothing lies there that can be looked at."""
    try:
        path = typed_path(word)
    except UserError:
        return None
    return path if word and path.exists() else None


def from_here(path: Path) -> str:
    """A path as one would type it where the server was started, if it lies below."""
    here = Path.cwd().resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Tell what the system says of a path as a :class:`UserError`."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
