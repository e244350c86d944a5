"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from obcn.files import NotWrittenError, write_whole


@pytest.mark.parametrize("path", [".", "", "/"])
def test_a_place_without_a_name_is_a_folder(path: str) -> None:
    with pytest.raises(NotWrittenError, match="is a folder; name a file to write"):
        write_whole(Path(path), "text")
