"""What is opened in a folder that no visitor of a hosted server may look into."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from app.photos import sample_paths
from obcn.checkpoints import SHIPPED_CHECKPOINTS
from obcn.records import files
from tests.app.test_errors_page import write

# What watches files, which cannot be taken away again once it is there.
_watched: dict[str, list[str]] = {}


def lay_out(folder: Path) -> Path:
    """Make a folder with photos, their truth, a record file and a checkpoint."""
    folder.mkdir()
    for path in (*sample_paths(), sample_paths()[0].with_name("truth.json")):
        shutil.copy(path, folder)
    write(str(folder / "a.parquet"), "regression")
    for path in SHIPPED_CHECKPOINTS.glob("regression.*"):
        shutil.copy(path, folder)
    return folder


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """The files in a folder that are opened meanwhile, as they are."""
    opened = _watched[str(folder)] = []
    read = files.pq.ParquetFile
    try:
        # Python does not hear of what pyarrow opens.
        with patch.object(files.pq, "ParquetFile", lambda path: (_watch("open", (path,)), read(path))[1]):
            yield opened
    finally:
        del _watched[str(folder)]


def _watch(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        for folder, opened in _watched.items():
            if path.startswith(f"{folder}{os.sep}"):
                opened.append(path)


sys.addaudithook(_watch)
