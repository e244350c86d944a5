"""Files that commands write; what goes wrong is one line."""

from pathlib import Path

from obcn.errors import UserError
from obcn.files import write_whole


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all, and the folders above it.

    Raises:
        UserError: it cannot be written.
    """
    make_folder(path.parent)
    write_whole(path, text + "\n")


def refuse_folder(*paths: Path | None) -> None:
    """Refuse what could not be written in the end, before long work begins.

    Raises:
        UserError: one is a folder.
    """
    for path in paths:
        if path is not None and path.is_dir():
            raise UserError(f"{path} is a folder; name a file to write")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from error
