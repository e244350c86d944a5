"""Files that commands write; what goes wrong is one line."""

from pathlib import Path

from obcn.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write a text file and the folders above it.

    Raises:
        UserError: it cannot be written.
    """
    make_folder(path.parent)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from error
