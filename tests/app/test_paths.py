"""Words that are no paths, which visitors type and links carry."""

import os
from pathlib import Path

import pytest

from app.paths import existing, typed_path
from obcn.errors import UserError

# None of them can be asked whether it is a folder: the system refuses each in a way of its own.
IMPOSSIBLE = ["~nosuchuser/x", "x" * 300, "nul\0"]


@pytest.mark.parametrize("word", IMPOSSIBLE)
def test_what_cannot_be_a_path_is_told(word) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        typed_path(word)
    assert existing(word) is None


def test_a_place_that_may_not_be_looked_at_is_told(monkeypatch, tmp_path) -> None:
    def refuse(path: Path, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(UserError, match="Permission denied"):
        typed_path(str(tmp_path))


def test_what_is_not_there_is_a_path_all_the_same(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert typed_path("~/nowhere/a.txt") == tmp_path / "nowhere/a.txt"
    assert existing("~/nowhere") is None
    assert existing("") is None
    assert existing("~") == tmp_path


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_what_has_no_end_is_refused(tmp_path, name) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a device, a pipe or a socket; name a file"):
        typed_path(str(tmp_path / name))
