"""Models that a visitor adds: real files in, names out."""

import os
import shutil
from pathlib import Path

import pytest

from app import detectors
from app.detectors import (
    add_folder,
    add_upload,
    available_models,
    claim_uploads,
    first_models,
    link_to_upload,
    model_of_card,
    unreadable_models,
)
from obcn import checkpoints
from obcn.checkpoints import SHIPPED_CHECKPOINTS, Evaluation, card_path, read_card, save_checkpoint
from obcn.errors import UserError
from obcn.models.detector import build_detector
from tests.app.helpers import card


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path) -> Path:
    """No model added yet, and ``tmp_path/shipped`` in place of checkpoints/."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(detectors, "SHIPPED_CHECKPOINTS", shipped)
    monkeypatch.chdir(
        tmp_path
    )  # `obcn train` writes into runs/ of the folder that it is started in, the app looks there
    detectors._added.clear()
    detectors.st.session_state.clear()
    yield shipped
    detectors._added.clear()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A small real checkpoint, never trained."""
    path = tmp_path_factory.mktemp("made") / "best.safetensors"
    described = card("regression")
    save_checkpoint(path, build_detector(described.config, described.classes), described)
    return path


def put(checkpoint: Path, folder: Path, name: str = "best") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    there = folder / f"{name}.safetensors"
    shutil.copy(checkpoint, there)
    shutil.copy(card_path(checkpoint), card_path(there))
    return there


def test_shipped_models_come_first_and_the_pair_before_all(checkpoint, fresh, tmp_path) -> None:
    for name in ("obcn", "regression", "dfl"):
        put(checkpoint, fresh, name)
    assert list(available_models()) == ["regression", "obcn", "dfl"]
    add_folder(put(checkpoint, tmp_path / "run").parent)
    assert len(available_models()) == 4
    assert list(available_models())[:3] == ["regression", "obcn", "dfl"]


def test_every_checkpoint_with_a_card_in_a_folder_is_offered_under_its_own_name(checkpoint, tmp_path) -> None:
    put(checkpoint, tmp_path / "run", "best")
    put(checkpoint, tmp_path / "run", "last")
    shutil.copy(checkpoint, tmp_path / "run" / "state.safetensors")  # a training run's, without a card
    names = add_folder(tmp_path / "run")
    assert names == ["run/best", "run/last"]
    models = available_models()
    assert [models[name].path.name for name in names] == ["best.safetensors", "last.safetensors"]
    assert models["run/best"].card == read_card(checkpoint)
    assert add_folder(tmp_path / "run") == names, "the same files again are the same models"
    other = put(checkpoint, tmp_path / "other")
    assert add_folder(other) == ["other/best"], "a file alone"


def test_two_starts_of_the_server_give_the_same_names_in_any_order(checkpoint, tmp_path) -> None:
    files = [put(checkpoint, tmp_path / folder) for folder in ("a/run", "b/run", "b/other")]
    wanted = {"a/run/best": files[0], "b/run/best": files[1], "other/best": files[2]}
    for order in (files, files[::-1]):
        detectors._added.clear()
        for file in order:
            add_folder(file)
        assert {name: model.path for name, model in available_models().items()} == wanted


def test_what_was_trained_into_runs_is_offered_by_itself(checkpoint, fresh, tmp_path) -> None:
    put(checkpoint, fresh, "regression")
    put(checkpoint, tmp_path / "runs" / "mine", "last")
    put(checkpoint, tmp_path / "runs" / "mine", "best")
    shutil.copy(checkpoint, tmp_path / "runs" / "mine" / "state.safetensors")
    card_path(put(checkpoint, tmp_path / "runs" / "old")).write_text("{}")
    assert list(available_models()) == ["regression", "mine/best", "mine/last"]
    assert unreadable_models() == [], "nobody asked for the damaged one"
    assert add_folder(tmp_path / "runs" / "mine") == ["mine/best", "mine/last"], "they are the same models"


def test_an_onnx_file_beside_a_checkpoint_of_its_name_takes_no_name_away(
    checkpoint, fresh, tmp_path, monkeypatch
) -> None:
    """Mutant: it hides the shipped one from all, or the page ends in a traceback."""
    monkeypatch.setattr(checkpoints, "SHIPPED_CHECKPOINTS", fresh)
    monkeypatch.setattr(detectors, "_card", lambda path, *_: read_card(checkpoint))
    files = {"obcn": put(checkpoint, fresh, "obcn"), "run/obcn": put(checkpoint, tmp_path / "run", "obcn")}
    add_folder(files["run/obcn"])
    for name, path in list(files.items()):
        files[f"{name}.onnx"] = exported = path.with_suffix(".onnx")
        exported.touch()
        assert add_folder(exported) == [f"{name}.onnx"]
    assert {name: model.path for name, model in available_models().items()} == files
    assert add_folder(tmp_path / "run") == ["run/obcn.onnx", "run/obcn"]


def test_a_folder_of_shipped_models_adds_nothing(checkpoint, fresh) -> None:
    put(checkpoint, fresh, "regression")
    assert add_folder(fresh) == ["regression"]
    assert list(available_models()) == ["regression"]


def test_folders_without_a_model_are_refused(checkpoint, tmp_path) -> None:
    with pytest.raises(UserError, match="not a folder"):
        add_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"\.safetensors file with its card"):
        add_folder(tmp_path)
    bad = put(checkpoint, tmp_path / "bad")
    card_path(bad).write_text('{"name": "half a card"}')
    with pytest.raises(UserError, match="is not the card of a checkpoint"):
        add_folder(tmp_path / "bad")


def test_an_added_model_whose_files_go_away_is_dropped_without_a_word(checkpoint, tmp_path) -> None:
    for number in range(2):
        there = put(checkpoint, tmp_path / "run")
        assert add_folder(there.parent) == ["run/best"]
        (there, card_path(there))[number].unlink()
        assert available_models() == {}
        assert unreadable_models() == [], "nobody could make a complaint go away"


def test_a_model_is_known_by_its_whole_card_but_what_is_added_later(checkpoint, fresh, tmp_path) -> None:
    put(checkpoint, fresh, "regression")
    other = put(checkpoint, tmp_path / "run")
    card_path(other).write_text(card_path(other).read_text().replace('"seed": 0', '"seed": 1'))
    added = add_folder(other.parent)
    assert added == ["run/best"]
    described = read_card(checkpoint)
    assert model_of_card(described.model_dump(mode="json")) == "regression"
    measured = described.model_copy(update={"evaluation": Evaluation(command="", data="", images=1, metrics={})})
    assert model_of_card(measured.model_dump(mode="json")) == "regression"
    traced = described.training.model_copy(update={"start": described.training})
    assert model_of_card(described.model_copy(update={"training": traced}).model_dump(mode="json")) == "regression"
    assert model_of_card(read_card(other).model_dump(mode="json")) == added[0]
    assert model_of_card(described.model_copy(update={"classes": ("cow",)}).model_dump(mode="json")) is None
    assert model_of_card({}) is None


def test_of_copies_of_a_run_a_record_means_the_one_that_it_names(checkpoint, fresh, tmp_path) -> None:
    for folder in ("copy", "mine"):
        add_folder(put(checkpoint, tmp_path / folder).parent)
    card = read_card(checkpoint).model_dump(mode="json")
    assert [model_of_card(card, name) for name in ("mine/best", "copy/best", "elsewhere/best", "")] == [
        "mine/best",
        "copy/best",
        "copy/best",
        "copy/best",
    ]


def test_a_card_that_changes_is_read_again(checkpoint, fresh) -> None:
    there = put(checkpoint, fresh, "regression")
    assert available_models()["regression"].card.classes == ("cat", "dog", "horse")
    card_path(there).write_text(card_path(there).read_text().replace('"horse"', '"zebra"'))
    assert available_models()["regression"].card.classes == ("cat", "dog", "zebra")


def test_an_upload_is_offered_once(checkpoint) -> None:
    files = checkpoint.read_bytes(), card_path(checkpoint).read_bytes()
    name = add_upload("mine.safetensors", *files)
    assert name.startswith("upload-")
    assert name.endswith("/mine")
    assert add_upload("mine.safetensors", *files) == name
    assert list(available_models()) == [name]
    assert available_models()[name].path.read_bytes() == files[0]
    assert add_upload("mine.safetensors", files[0], files[1] + b"\n") != name


def test_an_upload_is_the_visitors_own_and_theirs_who_have_its_link(checkpoint, fresh, tmp_path) -> None:
    """Mutant: whatever one visitor uploads is listed for all."""
    put(checkpoint, fresh, "regression")
    name = add_upload("mine.safetensors", checkpoint.read_bytes(), card_path(checkpoint).read_bytes())
    uploaded = available_models()[name]
    assert list(detectors.models_of_server()) == ["regression"]
    word = link_to_upload(uploaded)
    assert word == f"{name}.safetensors"
    assert link_to_upload(available_models()["regression"]) is None

    detectors.st.session_state.clear()  # another visitor
    assert list(available_models()) == ["regression"]
    other = put(checkpoint, tmp_path / "other")
    for wrong in (
        "",
        "..",
        f"../{other}",
        str(other),
        f"{word}x",
        word.replace("upload-", ""),
        "upload-0123456789ab/..",
        "a\0b",
    ):
        claim_uploads([wrong])
    assert list(available_models()) == ["regression"]
    claim_uploads([word, word])
    assert available_models() == {"regression": available_models()["regression"], name: uploaded}


def test_uploads_that_cannot_be_used_leave_nothing_behind(checkpoint) -> None:
    weights, described = checkpoint.read_bytes(), card_path(checkpoint).read_bytes()
    odd = described.replace(b'"hidden": ', b'"hidden": -')
    assert odd != described
    for name, content, beside, reason in (
        ("model.pt", weights, described, "pickles are not read"),
        ("model.safetensors", b"\x80\x04 a pickle", described, "not a safetensors checkpoint"),
        ("model.safetensors", weights[:5000], described, "not a safetensors checkpoint"),
        ("model.safetensors", weights, b"{}", "not the card"),
        ("model.safetensors", weights, described.replace(b'"horse"', b'"horse", "cow"'), "does not fit"),
        ("model.safetensors", weights, odd, "cannot be used"),
    ):
        with pytest.raises(UserError, match=reason) as caught:
            add_upload(name, content, beside)
        assert "obcn-models" not in str(caught.value), "no folder of the server's is told"
    assert available_models() == {}
    assert unreadable_models() == []


def test_an_uploads_name_cannot_leave_its_folder(checkpoint) -> None:
    name = add_upload(
        "../../outside/..\\evil.safetensors", checkpoint.read_bytes(), card_path(checkpoint).read_bytes() + b" "
    )
    path = available_models()[name].path
    assert path.name == "evil.safetensors"
    assert path.parent.parent == detectors._added().uploads.folder


def test_the_shipped_checkpoints_are_readable(monkeypatch) -> None:
    monkeypatch.setattr(detectors, "SHIPPED_CHECKPOINTS", SHIPPED_CHECKPOINTS)
    assert {"regression", "obcn"} <= set(available_models())
    assert unreadable_models() == []


def test_models_that_the_server_was_started_with_come_first(checkpoint, fresh, tmp_path, monkeypatch) -> None:
    shipped, mine = put(checkpoint, fresh, "dfl"), put(checkpoint, tmp_path / "run", "best")
    assert first_models() == detectors.FIRST_MODELS
    bad = tmp_path / "bad.safetensors"
    for files, names in (([mine], ("run/best",)), ([shipped, mine], ("dfl", "run/best"))):
        monkeypatch.setenv(detectors.VARIABLE, os.pathsep.join(map(str, files)))
        detectors._added.clear()
        assert first_models() == names
    bad.write_bytes(b"")
    card_path(bad).write_text("{}")
    monkeypatch.setenv(detectors.VARIABLE, str(bad))
    detectors._added.clear()
    assert any("bad.json" in problem for problem in unreadable_models())
