"""Serving strangers: a hosted server shows what its owner laid out and what visitors upload, and reads no other path.

``OBCN_HOSTED=1`` in the server's environment turns it on; docs/serving.md says the rest.
"""

import os
from pathlib import Path

from obcn.errors import UserError

VARIABLE = "OBCN_HOSTED"

# Paths that may be named: they only ever grow, and by what the server itself found or wrote.
_offered: set[Path] = set()


def is_hosted() -> bool:
    """Whether this server is for strangers."""
    return os.environ.get(VARIABLE, "").lower() not in ("", "0", "false", "no")


def offer(path: Path) -> None:
    """Let visitors name this file or folder, and what lies below it."""
    _offered.update((Path(os.path.abspath(path)), path.resolve()))


def refuse_unless_offered(path: Path) -> None:
    """Let a path pass that this server may read. Its words come first: nobody learns what else lies here.

    Raises:
        UserError: the server is hosted, and neither the path nor a folder above it was offered.
    """
    if is_hosted() and not (_is_offered(Path(os.path.abspath(path))) and _is_offered(path.resolve())):
        raise UserError("this server shows what its owner laid out and what visitors upload: it reads no other path")


def _is_offered(path: Path) -> bool:
    return not _offered.isdisjoint((path, *path.parents))
