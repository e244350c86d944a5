"""The Models page without a browser, on the shipped checkpoints and files that visitors bring."""

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import detectors
from obcn.checkpoints import SHIPPED_CHECKPOINTS
from tests.app.test_paths import IMPOSSIBLE

MAIN = Path(__file__).parents[2] / "app" / "main.py"
WEIGHTS = SHIPPED_CHECKPOINTS / "regression.safetensors"
CARD = SHIPPED_CHECKPOINTS / "regression.json"


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch) -> None:
    """Models that one test brings are not there for the next."""
    added = detectors._Added()
    monkeypatch.setattr(detectors, "_added", lambda: added)


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=300)
    app.query_params.update(address)
    return app.switch_page("models/models.py").run()


def brought(*files: tuple[str, bytes]) -> AppTest:
    """The page after these files were put into the uploader together."""
    app = opened()
    app.file_uploader(key="checkpoint").set_value([(name, data, "application/octet-stream") for name, data in files])
    return app.run()


def names_of(app: AppTest) -> list[str]:
    return [heading.value for heading in app.subheader]


def test_the_shipped_models_have_a_card_each() -> None:
    app = opened()
    assert not app.exception
    assert names_of(app)[:2] == ["regression", "obcn"]
    assert any("2 looks, each pooled" in text.value for text in app.markdown)
    assert any("49.5" in html.proto.body for html in app.get("html"))
    assert any(code.value.startswith("obcn train compact") for code in app.code)
    links = [link.proto.query_string for link in app.get("page_link")]
    assert "models=regression&models=obcn" in links


def test_a_folder_in_the_address_is_offered(tmp_path) -> None:
    shutil.copy(WEIGHTS, tmp_path / "mine.safetensors")
    shutil.copy(CARD, tmp_path / "mine.json")
    app = opened(checkpoints=str(tmp_path))
    assert not app.exception
    assert "Ready to compare" in app.success[0].value
    name = f"{tmp_path.name}/mine".replace("_", "\\_")
    assert names_of(app)[0] == name, "what was just brought comes first"


def test_a_run_whose_best_epoch_was_its_last_has_one_card(tmp_path) -> None:
    for name in ("best", "last", "early"):
        shutil.copy(WEIGHTS, tmp_path / f"{name}.safetensors")
        shutil.copy(CARD, tmp_path / f"{name}.json")
    card = json.loads(CARD.read_text())
    card["training"]["epochs"] = 2
    (tmp_path / "early.json").write_text(json.dumps(card))
    app = opened(checkpoints=str(tmp_path))
    assert not app.exception
    folder = tmp_path.name.replace("_", "\\_")
    assert names_of(app)[:2] == [f"{folder}/best", f"{folder}/early"]
    assert f"{folder}/last" not in names_of(app)
    assert [words.value for words in app.caption if "Also as" in words.value] == [
        f"Also as {folder}/last, with the same card."
    ]


@pytest.mark.parametrize("folder", ["nowhere/at/all", "tests"])
def test_a_folder_with_nothing_says_so(folder) -> None:
    app = opened(checkpoints=folder)
    assert not app.exception
    assert folder in app.error[0].value
    assert len(names_of(app)) >= 2


@pytest.mark.parametrize("folder", IMPOSSIBLE)
def test_a_word_that_is_no_path_is_one_line(folder) -> None:
    app = opened(checkpoints=folder)
    assert not app.exception
    assert "cannot be read" in app.error[0].value


def test_two_files_make_a_model() -> None:
    app = brought(("mine.safetensors", WEIGHTS.read_bytes()), ("mine.json", CARD.read_bytes()))
    assert not app.exception
    assert not app.error
    assert "/mine" in app.success[0].value
    assert len(names_of(app)) == len(opened().subheader) + 1, "another visitor is not offered it"


def other_classes() -> bytes:
    card = json.loads(CARD.read_text())
    return json.dumps(card | {"classes": ["cat"]}).encode()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("best.pth", b"PK")], "looks like a pickle"),
        ([("best.safetensors", WEIGHTS.read_bytes())], "without its card"),
        ([("best.safetensors", WEIGHTS.read_bytes()[:5000]), ("best.json", CARD.read_bytes())], "not a safetensors"),
        ([("best.safetensors", WEIGHTS.read_bytes()), ("best.json", b"{}")], "not the card"),
        ([("best.safetensors", WEIGHTS.read_bytes()), ("best.json", other_classes())], "does not fit"),
        ([("best.safetensors", b""), ("best.json", CARD.read_bytes())], "not a safetensors"),
    ],
    ids=["pickle", "no card", "truncated", "no card's content", "another model's card", "empty"],
)
def test_anything_else_is_refused_in_one_line(files, words) -> None:
    app = brought(*files)
    assert not app.exception
    (error,) = app.error
    assert words in error.value.replace("\\", "")
    assert "\n" not in error.value
    assert not app.success
    assert names_of(app) == ["regression", "obcn"]


def test_without_a_checkpoint_the_page_says_how_to_make_one(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(detectors, "SHIPPED_CHECKPOINTS", tmp_path)
    app = opened()
    assert not app.exception
    assert "no model yet" in app.info[0].value
    assert "obcn train" in app.code[0].value
