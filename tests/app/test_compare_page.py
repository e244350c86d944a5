"""The Compare page without a browser, on detectors whose answers are made by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import detectors, photos
from obcn.errors import UserError
from tests.app.helpers import BINS, REGRESSION, card, photo_bytes, scored

MAIN = Path(__file__).parents[2] / "app" / "main.py"
DOG, CAT = [20.0, 30.0, 100.0, 90.0], [110.0, 20.0, 180.0, 120.0]

Answers = dict[str, tuple[list, list[str], list[float]]]


@pytest.fixture
def page(monkeypatch, tmp_path) -> Callable[[Answers], AppTest]:
    """Opens the page on one sample photo with the given answers of each head."""
    (tmp_path / "pets.jpg").write_bytes(photo_bytes())
    truth = {
        "images": [{"id": 1, "file_name": "pets.jpg", "width": 200, "height": 150}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [22, 30, 80, 60]}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    monkeypatch.setattr(photos, "SAMPLES", tmp_path)
    monkeypatch.setattr(detectors, "missing_checkpoints", list)
    monkeypatch.setattr(detectors, "card_of", card)

    def open_page(answers: Answers) -> AppTest:
        codecs = {"regression": REGRESSION, "obcn": BINS}
        results = {head: scored(*answers[head], codecs[head]) for head in codecs}
        monkeypatch.setattr(detectors, "scores", lambda photo, head, device: results[head])
        monkeypatch.setattr(detectors, "stored_scores", lambda photo, head, device: results[head])
        return AppTest.from_file(str(MAIN), default_timeout=60).run()

    return open_page


BOTH: Answers = {
    "regression": ([DOG, CAT], ["dog", "cat"], [0.9, 0.6]),
    "obcn": ([DOG, CAT], ["dog", "cat"], [0.8, 0.7]),
}


def html_of(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def figures_of(app: AppTest) -> list[dict]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def stage_one(figure: dict) -> list[dict]:
    return [trace for trace in figure["data"] if trace["type"] == "bar" and trace["name"] == "stage 1"]


def panels_of(app: AppTest) -> dict[str, dict]:
    """What the photo pair was given: panel by key."""
    pair = next(element for element in app.get("bidi_component") if element.proto.component_name == "obcn_photo_pair")
    return {panel["key"]: panel for panel in json.loads(pair.proto.json)["panels"]}


def test_a_sample_opens_with_its_best_object_and_everything_about_it(page) -> None:
    app = page(BOTH)
    assert not app.exception
    assert app.selectbox(key="object").value == 0
    assert app.selectbox(key="object").options == ["1 of 2: dog", "2 of 2: cat"]
    figures = figures_of(app)
    assert len(figures) == 6, "four histograms, the refinement and the verdicts"
    assert [figure["layout"]["title"]["text"][3] for figure in figures[:4]] == ["x", "y", "w", "h"]
    page_html = html_of(app)
    assert "0.90" in page_html
    assert "0.80" in page_html
    assert "IoU with truth" in page_html
    assert "IoU with each other" in page_html
    assert {button.label for button in app.get("download_button")} == {"Detections as JSON", "Figures as HTML"}


def test_another_object_from_the_list(page) -> None:
    app = page(BOTH)
    before = stage_one(figures_of(app)[0])
    app.selectbox(key="object").set_value(1).run()
    assert not app.exception
    assert app.selectbox(key="object").value == 1
    assert any("this cat" in heading.value for heading in app.subheader)
    assert stage_one(figures_of(app)[0]) != before
    assert "IoU with truth" not in html_of(app), "nobody drew the cat's true box"


def test_the_chosen_object_stays_when_the_threshold_moves(page) -> None:
    app = page(BOTH)
    app.selectbox(key="object").set_value(1).run()
    app.slider(key="score").set_value(0.75).run()
    assert app.selectbox(key="object").options == ["1 of 1: dog"], "the cat is gone"
    app.slider(key="score").set_value(0.3).run()
    assert app.selectbox(key="object").options[app.selectbox(key="object").value] == "2 of 2: cat"


def test_switching_to_argmax_moves_obcns_box_and_not_regressions(page) -> None:
    app = page(BOTH)
    before = panels_of(app)
    app.radio(key="rule").set_value("argmax").run()
    after = panels_of(app)
    assert not app.exception
    assert after["obcn"]["role"] == "argmax"
    assert after["obcn"]["subtitle"] == "argmax · 2 stages"
    assert after["obcn"]["boxes"][0]["box"] != before["obcn"]["boxes"][0]["box"]
    assert after["regression"] == before["regression"]


def test_one_stage_leaves_the_second_out(page) -> None:
    app = page(BOTH)
    app.radio(key="stages").set_value(1).run()
    assert not app.exception
    notes = [note["text"] for note in figures_of(app)[0]["layout"]["annotations"]]
    assert "stage 2 · not used now" in notes


def test_an_object_that_only_regression_reports_shows_obcns_best_candidate(page) -> None:
    app = page({"regression": ([DOG], ["dog"], [0.9]), "obcn": ([DOG], ["dog"], [0.2])})
    assert not app.exception
    assert app.selectbox(key="object").options == ["1 of 1: dog, only Regression"]
    assert any("OBCN does not report this dog" in note.value for note in app.info)
    assert len(figures_of(app)) == 6
    assert panels_of(app)["obcn"]["boxes"] == []


def test_an_object_that_obcn_did_not_see_at_all(page) -> None:
    app = page({"regression": ([DOG], ["dog"], [0.9]), "obcn": ([], [], [])})
    assert not app.exception
    assert any("OBCN saw no dog here" in note.value for note in app.info)
    assert figures_of(app) == []
    assert [button.label for button in app.get("download_button")] == ["Detections as JSON"]


def test_an_object_that_only_obcn_found(page) -> None:
    app = page({"regression": ([], [], []), "obcn": ([CAT], ["cat"], [0.9])})
    assert not app.exception
    assert app.selectbox(key="object").options == ["1 of 1: cat, only OBCN"]
    assert "saw nothing here" in html_of(app)
    assert len(figures_of(app)) == 6


def test_a_photo_with_no_object_says_what_to_try(page) -> None:
    app = page({"regression": ([DOG], ["dog"], [0.12]), "obcn": ([], [], [])})
    assert not app.exception
    (note,) = app.info
    assert "No object scores above 0.50" in note.value
    assert "best guess was dog at 0.12" in note.value
    assert "cat, dog, horse" in note.value
    assert figures_of(app) == []


def test_a_photo_with_nothing_at_all(page) -> None:
    app = page({"regression": ([], [], []), "obcn": ([], [], [])})
    assert not app.exception
    assert "No object" in app.info[0].value


def test_a_hundred_objects(page) -> None:
    boxes = [[x, y, x + 15.0, y + 12.0] for x in range(0, 180, 18) for y in range(0, 135, 14)]
    crowd = (boxes, ["dog"] * len(boxes), [0.9] * len(boxes))
    app = page({"regression": crowd, "obcn": crowd})
    assert not app.exception
    assert len(app.selectbox(key="object").options) == 100
    assert len(panels_of(app)["obcn"]["boxes"]) == 100


def test_an_upload_replaces_the_sample(page) -> None:
    app = page(BOTH)
    app.file_uploader(key="upload").set_value(("mine.png", photo_bytes("PNG"), "image/png")).run()
    assert not app.exception
    assert panels_of(app)["regression"]["outlines"] == [], "nobody knows an upload's truth"
    assert "IoU with truth" not in html_of(app)


@pytest.mark.parametrize("data", [b"not a photo at all", photo_bytes()[:400]])
def test_an_upload_that_cannot_be_read_gets_one_clear_line(page, data) -> None:
    app = page(BOTH)
    app.file_uploader(key="upload").set_value(("holiday.jpg", data, "image/jpeg")).run()
    assert not app.exception
    (error,) = app.error
    assert "holiday.jpg" in error.value
    assert "\n" not in error.value
    assert app.radio(key="rule").value == "expectation", "the controls are still there"


def test_a_checkpoint_that_is_broken_gets_one_clear_line(page, monkeypatch) -> None:
    app = page(BOTH)

    def fail(head):
        raise UserError("obcn.json is not a card")

    monkeypatch.setattr(detectors, "card_of", fail)
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] == ["obcn.json is not a card"]


def test_without_checkpoints_the_page_says_which_commands_make_them(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(detectors, "SHIPPED_CHECKPOINTS", tmp_path)
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not app.exception
    assert "no checkpoint for Regression and OBCN" in app.info[0].value
    assert "obcn train compact_obcn" in app.code[0].value
    assert "obcn train compact_regression" in app.code[0].value


def test_without_samples_the_page_asks_for_a_photo(page, monkeypatch, tmp_path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    app = page(BOTH)
    monkeypatch.setattr(photos, "SAMPLES", empty)
    app.run()
    assert not app.exception
    assert "Drop a photo" in app.info[0].value


def test_a_checkpoint_that_cannot_be_loaded_ends_the_looking(page, monkeypatch) -> None:
    app = page(BOTH)

    def fail(photo, head, device):
        raise UserError(f"{head}.safetensors is not a safetensors checkpoint")

    monkeypatch.setattr(detectors, "stored_scores", lambda photo, head, device: None)
    monkeypatch.setattr(detectors, "scores", fail)
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] == ["regression.safetensors is not a safetensors checkpoint"]
    assert "obcn_photo_pair" not in [element.proto.component_name for element in app.get("bidi_component")]
