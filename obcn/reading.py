"""Files from outside: only regular ones are opened, and only as much is read as such a file may hold."""

import errno
import os
import stat
from pathlib import Path

from obcn.errors import UserError


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file; a device or a pipe would never end.

    Args:
        path: of the file; a link to one will do.
        limit: bytes that no such file exceeds.

    Raises:
        UserError: a device, a pipe or a socket, or more than ``limit`` bytes.
        OSError: what the system says: missing, a folder, no permission.
    """
    try:
        found = os.stat(path)
    except ValueError as error:  # a name that no file can have: with a NUL, or with half a character
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise UserError(f"{path} is no file but a device, a pipe or a socket; name a file")
    if found.st_size > limit:
        size, most = found.st_size / 1e6, limit / 1e6
        raise UserError(f"{path} has {size:,.0f} MB, and no such file has more than {most:,.0f}; is it the right one?")
    with open(path, "rb") as file:
        return file.read(found.st_size)
