"""A hosted server reads no path that a visitor names; one's own server reads them all."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import detectors, hosting
from app.compare import scoring
from app.explore.tiles import pictures_of
from app.paths import typed_path
from app.photos import sample_paths
from app.sources import photo_from_source
from obcn.errors import UserError
from tests.app.test_errors_page import write
from tests.app.test_navigation import MAIN, VIEWS
from tests.app.watching import lay_out, watched

# Every parameter of a link that names a file or a folder, by page.
LINKS = {
    "compare": {"data": "secret/truth.json", "photos": "secret", "image": "dog.jpg"},
    "explore": {"records": "secret/a.parquet", "truth": "secret/truth.json", "folder": "secret"},
    "errors": {"files": "secret/a.parquet"},
    "models": {"checkpoints": "secret"},
}


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """A folder with photos, their truth, a record file and a checkpoint; what is opened in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring, "scores", _fail)
    with watched(lay_out(tmp_path / "secret")) as opened:
        yield opened


@pytest.fixture
def hosted(monkeypatch) -> None:
    monkeypatch.setenv(hosting.VARIABLE, "1")
    monkeypatch.setattr(hosting, "_offered", set())


def visit(view: str, link: Mapping[str, str]) -> AppTest:
    """A page opened by a link."""
    page = AppTest.from_file(str(MAIN), default_timeout=300)
    page.switch_page(f"{view}/{view}.py")
    for name, value in link.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def all_of(page: AppTest) -> str:
    """Whatever a page sends to the browser: words, HTML, figures, controls and what our own components are given."""
    return " ".join(str(getattr(node, "proto", "")) for part in (page.main, page.sidebar) for node in part)


@pytest.mark.parametrize("view", VIEWS)
def test_no_link_reads_a_path_of_a_hosted_server(secret, hosted, view) -> None:
    """Whatever a parameter means on one page, it is given to all."""
    page = visit(view, {name: word for link in LINKS.values() for name, word in link.items()})
    assert secret == []
    assert [field.label for field in page.text_input] == []
    assert "secret" not in all_of(page)


@pytest.mark.parametrize("view", LINKS)
def test_ones_own_server_reads_what_the_same_links_name(secret, view) -> None:
    page = visit(view, LINKS[view])
    assert secret != []
    # Compare's photo alone comes from there.
    assert ("secret" in all_of(page)) == (view != "compare")


def test_what_is_offered_is_read_and_what_a_link_below_leads_to_is_not(tmp_path, hosted) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    (offered / "out").symlink_to("/etc")
    hosting.offer(offered)
    assert typed_path(str(offered / "photo.jpg")) == offered / "photo.jpg"
    for word in (str(tmp_path), str(offered / ".."), str(offered / "out" / "passwd"), "~", "/etc/passwd", "x" * 300):
        with pytest.raises(UserError, match="reads no other path"):
            typed_path(word)


def test_the_photo_of_a_link_does_not_climb_out_of_its_folder(tmp_path, hosted) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    shutil.copy(sample_paths()[0], tmp_path / "other.jpg")
    shutil.copy(sample_paths()[0], offered / "own.jpg")
    hosting.offer(offered)
    assert photo_from_source("", str(offered), "own.jpg").image.size
    for name in ("../other.jpg", str(tmp_path / "other.jpg")):
        with pytest.raises(UserError, match="reads no other path"):
            photo_from_source("", str(offered), name)


def test_a_hosted_server_shows_what_its_owner_laid_out(tmp_path, monkeypatch, hosted) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/records").mkdir(parents=True)
    write("a.parquet", "regression")
    shutil.move("a.parquet", "runs/records")
    page = visit("explore", {})
    assert page.multiselect("records").value == ["runs/records/a.parquet"]
    assert not page.error


@pytest.mark.parametrize("host", [True, False])
def test_no_stranger_is_told_where_a_broken_file_lies(tmp_path, monkeypatch, host) -> None:
    """Mutant: a model that cannot be read, or a photo that is not there, shows every visitor a path of the server."""
    monkeypatch.setenv(hosting.VARIABLE, "1" if host else "")
    monkeypatch.setattr(hosting, "_offered", set())
    lay_out(folder := tmp_path / "owners")
    hosting.offer(folder)
    broken = folder / "broken.safetensors"
    broken.write_bytes(b"")
    shutil.copy(folder / "regression.json", folder / "broken.json")
    (folder / "regression.json").write_text("{}")
    files = {"regression": folder / "regression.safetensors", "broken": broken}
    models, problems = detectors._readable(files)
    with pytest.raises(UserError) as caught:
        scoring._detector(models["broken"], "cpu")
    row = {"file_name": "gone.jpg", "image_width": 9, "image_height": 9}
    ((_, note),) = pictures_of(folder, [row], [(0.0, 0.0, 9.0, 9.0)])
    for words, beginning in (
        (problems[0], "regression.json is not the card"),
        (str(caught.value), "broken.safetensors is not a safetensors checkpoint"),
        (note, "gone.jpg is not in "),
    ):
        assert (str(tmp_path) in words) == (not host)
        assert beginning in words
    assert not host or note.endswith(" owners")


def _fail(*_: object) -> None:
    raise UserError("no network runs here")
