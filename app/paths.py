"""Paths that visitors type, that links carry, and that record files name: anything may stand there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from obcn.errors import UserError


def typed_path(word: str) -> Path:
    """The path that a word means, ``~`` expanded; whether anything lies there can be asked of it.

    Raises:
        UserError: an unknown user's home, a name that no file can have, or a place that may not be looked at.
    """
    with reading(word):
        return reachable(Path(word).expanduser())


def reachable(path: Path) -> Path:
    """The same path, which need not exist, once it is sure that the system lets one ask for it.

    Raises:
        UserError: as :func:`typed_path`.
    """
    with reading(path), suppress(FileNotFoundError, NotADirectoryError):
        path.stat()
    return path


def existing(word: str) -> Path | None:
    """The path that a word means, None if nothing lies there that can be looked at."""
    try:
        path = typed_path(word)
    except UserError:
        return None
    return path if word and path.exists() else None


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Tell what the system says of a path as a :class:`UserError`."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
