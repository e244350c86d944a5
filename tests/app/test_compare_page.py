"""The Compare page without a browser, on detectors whose answers are made by hand."""

import gc
import json
import re
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import detectors, photos
from app.compare import links, scoring
from app.components import photo_pair
from obcn.errors import UserError
from tests.app.helpers import BINS, REGRESSION, model, photo_bytes, scored

MAIN = Path(__file__).parents[2] / "app" / "main.py"
DOG, CAT = [20.0, 30.0, 100.0, 90.0], [110.0, 20.0, 180.0, 120.0]
CODECS = {"regression": REGRESSION, "obcn": BINS, "flat": REGRESSION, "other bins": BINS}

Answers = dict[str, tuple[list, list[str], list[float]]]


@pytest.fixture
def page(monkeypatch, tmp_path) -> Callable[..., AppTest]:
    """Opens the page on one sample photo with the given answers of each model, and words of the address."""
    (tmp_path / "pets.jpg").write_bytes(photo_bytes())
    (tmp_path / "zebra.jpg").write_bytes(photo_bytes(width=240))
    truth = {
        "images": [{"id": 1, "file_name": "pets.jpg", "width": 200, "height": 150}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [22, 30, 80, 60]}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    monkeypatch.setattr(photos, "SAMPLES", tmp_path)

    def open_page(answers: Answers, **address: str | list[str]) -> AppTest:
        models = {name: model(name, "obcn" if CODECS[name] is BINS else "regression") for name in answers}
        results = {name: scored(*answers[name], CODECS[name]) for name in answers}
        monkeypatch.setattr(detectors, "available_models", lambda: models)
        monkeypatch.setattr(detectors, "unreadable_models", list)
        monkeypatch.setattr(scoring, "scores", lambda photo, model, device: results[model.name])
        monkeypatch.setattr(scoring, "stored_scores", lambda photo, model, device: results[model.name])
        app = AppTest.from_file(str(MAIN), default_timeout=120)
        for name, value in address.items():
            app.query_params[name] = value
        return app.run()

    return open_page


BOTH: Answers = {
    "regression": ([DOG, CAT], ["dog", "cat"], [0.9, 0.6]),
    "obcn": ([DOG, CAT], ["dog", "cat"], [0.8, 0.7]),
}


def html_of(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def figures_of(app: AppTest) -> list[dict]:
    """The histograms."""
    return [figure for figure in _every_figure(app) if any(trace["type"] == "bar" for trace in figure["data"])]


def sides_of(app: AppTest) -> list[str]:
    """What is written on the four sides of the box, in the order left, top, right, bottom."""
    (figure,) = (
        figure for figure in _every_figure(app) if figure["layout"].get("shapes") and figure not in figures_of(app)
    )
    assert len(figure["layout"]["shapes"]) == 4, "a band for each side"
    return [note["text"] for note in figure["layout"]["annotations"]]


def _every_figure(app: AppTest) -> list[dict]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def stage_one(figure: dict) -> list[dict]:
    return [trace for trace in figure["data"] if trace["type"] == "bar" and trace["name"] == "stage 1"]


def downloads_of(app: AppTest) -> set[str]:
    return {button.label for button in app.get("download_button")}


def component(app: AppTest, name: str) -> dict:
    """What a widget of our own was given."""
    drawn = next(element for element in app.get("bidi_component") if element.proto.component_name == name)
    return json.loads(drawn.proto.json)


def panels_of(app: AppTest) -> dict[str, dict]:
    """What the photos were given: panel by model."""
    return {panel["model"]: panel for panel in component(app, "obcn_photo_pair")["panels"]}


def test_a_sample_opens_with_its_best_object_and_everything_about_it(page) -> None:
    app = page(BOTH)
    assert not app.exception
    assert app.selectbox(key="object").value == 0
    assert app.selectbox(key="object").options == ["1 of 2: dog", "2 of 2: cat"]
    figures = figures_of(app)
    assert len(figures) == 4, "the histograms"
    assert all(re.fullmatch(r"±\d+\.\d px", side) for side in sides_of(app))
    answers = ["obcn, expectation", "obcn, argmax", "regression", "truth"]
    assert [box["line"]["label"] for box in component(app, "obcn_verdicts")["boxes"]] == answers
    assert [step["name"] for step in component(app, "obcn_refinement")["steps"]] == ["candidate", "stage 1", "stage 2"]
    assert [figure["layout"]["title"]["text"][3] for figure in figures[:4]] == ["x", "y", "w", "h"]
    page_html = html_of(app)
    assert "<b>0.90</b> <small>class score</small>" in page_html
    assert "<b>0.80</b> <small>class score</small></span><span><b>0.79</b> <small>rank</small>" in page_html
    assert "IoU with truth" in page_html
    assert "IoU with each other" in page_html
    assert {"Report as HTML", "Detections as JSON", "Detections as CSV"} <= downloads_of(app)


def test_boxes_carry_what_a_click_on_them_calls_their_object(page) -> None:
    """An index would mean another object once the threshold has changed."""
    app = page(BOTH)
    for panel in panels_of(app).values():
        (dog, cat) = panel["boxes"]
        app.query_params["object"] = cat["place"]
        assert app.run().selectbox(key="object").value == cat["object"] == 1
        app.query_params["object"] = dog["place"]
        assert app.run().selectbox(key="object").value == dog["object"] == 0


def test_only_a_first_visit_is_told_what_to_look_at(page) -> None:
    app = page(BOTH)
    (guide,) = (note for note in app.info if "New here?" in note.value)
    assert "regression's fits it by IoU **0.9" in guide.value
    app.query_params["photo"] = "zebra"
    app.run()
    assert not app.info, "whoever has chosen another photo knows the way"
    assert not page(BOTH, photo="pets").info, "nor who came by a link"


def test_a_link_to_a_model_that_is_not_here_says_which_file_it_wants(page, tmp_path) -> None:
    wanted = tmp_path / "run" / "best.safetensors"
    app = page(BOTH, models=["obcn", "run/best", "elsewhere/last"], weights=[str(wanted)])
    assert not app.exception
    assert app.multiselect(key="models").value == ["obcn"]
    by_name, without = (warning.value.replace("\\", "") for warning in app.sidebar.warning)
    assert "**run/best**" in by_name
    assert f"it wants the file {wanted}." in by_name
    assert "**elsewhere/last**" in without
    assert [button.label for button in app.button if button.label.startswith("Load")] == ["Load run/best"]
    assert app.query_params["weights"][-1] == str(wanted), "the link still carries it"
    app.button(key="load-run/best").click().run()
    assert "not a folder" in app.error[0].value
    assert len(app.sidebar.warning) == 2, "it is still wanted"


def test_a_link_to_a_models_file_can_load_it(page, tmp_path, monkeypatch) -> None:
    wanted = tmp_path / "run" / "best.safetensors"
    app = page(BOTH, models=["obcn", "run/best"], weights=[str(wanted)])
    here = {**detectors.available_models(), "run/best": replace(model("run/best", "obcn"), path=wanted)}
    monkeypatch.setattr(detectors, "add_folder", lambda path: ["run/best"] * (path == wanted))
    monkeypatch.setattr(detectors, "available_models", lambda: here)
    for name in ("scores", "stored_scores"):
        monkeypatch.setattr(scoring, name, lambda *_: scored(*BOTH["obcn"], BINS))
    app.button(key="load-run/best").click().run()
    assert not app.exception
    assert app.multiselect(key="models").value == ["obcn", "run/best"]
    assert not app.sidebar.warning
    assert app.query_params["weights"] == ["nowhere/obcn.safetensors", str(wanted)]


@pytest.mark.parametrize("chosen", [["regression"], ["regression", "obcn"]])
def test_whoever_chooses_models_is_done_with_those_of_their_link(page, chosen) -> None:
    """Mutant: what a link once asked for is missed for ever, and its file comes back into the address."""
    app = page(BOTH, models=["obcn", "run/best"], weights=["run/best.safetensors"])
    assert len(app.sidebar.warning) == 1
    app.multiselect(key="models").set_value(chosen).run()
    assert not app.exception
    assert not app.sidebar.warning
    assert "run/best.safetensors" not in app.query_params["weights"]


@pytest.mark.parametrize("models", [["obcn"], ["obcn", "new/best"]])
def test_another_link_wants_only_its_own_models(page, models) -> None:
    app = page(BOTH, models=["obcn", "old/best"], weights=["old/best.safetensors"])
    app.switch_page("loss_lab/loss_lab.py").run()
    app.switch_page("compare/compare.py")
    app.query_params["models"] = models
    app.run()
    assert not app.exception
    assert app.multiselect(key="models").value == ["obcn"]
    assert ["new/best" in warning.value for warning in app.sidebar.warning] == [True] * (len(models) - 1)
    assert "old/best.safetensors" not in app.query_params["weights"]


def test_another_object_from_the_list(page) -> None:
    app = page(BOTH)
    before = stage_one(figures_of(app)[0])
    app.selectbox(key="object").set_value(1).run()
    assert not app.exception
    assert app.selectbox(key="object").value == 1
    assert any("this :yellow-background[cat]" in heading.value for heading in app.subheader)
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
    assert after["obcn"]["subtitle"] == "argmax · 2 stages"
    assert after["obcn"]["boxes"][0]["box"] != before["obcn"]["boxes"][0]["box"]
    assert after["regression"] == before["regression"]


def test_one_stage_leaves_the_second_out(page) -> None:
    app = page(BOTH)
    app.radio(key="stages").set_value(1).run()
    assert not app.exception
    assert [step["name"] for step in component(app, "obcn_refinement")["steps"]] == ["candidate", "stage 1"]
    notes = [note["text"] for note in figures_of(app)[0]["layout"]["annotations"]]
    assert "stage 2 · not used now" in notes


def test_an_object_that_only_regression_reports_shows_obcns_best_candidate(page) -> None:
    app = page({"regression": ([DOG], ["dog"], [0.9]), "obcn": ([DOG], ["dog"], [0.2])})
    assert not app.exception
    assert app.selectbox(key="object").options == ["1 of 1: dog, only regression"]
    assert any("obcn does not report this dog" in note.value for note in app.info)
    assert len(figures_of(app)) == 4
    assert panels_of(app)["obcn"]["boxes"] == []


def test_an_object_that_obcn_did_not_see_at_all(page) -> None:
    app = page({"regression": ([DOG], ["dog"], [0.9]), "obcn": ([], [], [])})
    assert not app.exception
    assert any("obcn saw no dog here" in note.value for note in app.info)
    assert [box["name"] for box in component(app, "obcn_verdicts")["boxes"]] == ["regression (IoU 0.95)", "truth"]
    assert "Report as HTML" in downloads_of(app)


def test_an_object_that_only_obcn_found(page) -> None:
    app = page({"regression": ([], [], []), "obcn": ([CAT], ["cat"], [0.9])})
    assert not app.exception
    assert app.selectbox(key="object").options == ["1 of 1: cat, only obcn"]
    assert "saw nothing here" in html_of(app)
    assert len(figures_of(app)) == 4


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


def test_several_uploads_can_be_stepped_through(page) -> None:
    app = page(BOTH)
    files = [(f"{name}.png", photo_bytes("PNG", width), "image/png") for name, width in (("one", 320), ("two", 340))]
    app.file_uploader(key="upload").set_value(files).run()
    assert not app.exception
    strip = next(
        json.loads(drawn.proto.json)
        for drawn in app.get("bidi_component")
        if drawn.proto.component_name == "obcn_sample_strip" and json.loads(drawn.proto.json)["row"]
    )
    assert [photo["label"] for photo in strip["photos"]] == ["one.png", "two.png"]
    assert strip["chosen"] == strip["photos"][0]["name"], "the first of them is shown"
    assert component(app, "obcn_photo_pair")["width"] == 320
    app.file_uploader(key="upload").set_value(files[1:]).run()
    assert component(app, "obcn_photo_pair")["width"] == 340, "the one that was shown is gone"
    app.file_uploader(key="upload").set_value([files[1], ("three.png", photo_bytes("PNG", 360), "image/png")]).run()
    assert component(app, "obcn_photo_pair")["width"] == 360, "a new one is shown"


def test_argmax_has_one_line_whichever_rule_is_in_use(page) -> None:
    app = page(BOTH)
    assert panels_of(app)["obcn"]["line"] == "obcn"
    assert [outline["line"] for outline in panels_of(app)["obcn"]["outlines"]] == ["truth", "argmax"]
    app.radio(key="rule").set_value("argmax").run()
    assert panels_of(app)["obcn"]["line"] == "argmax"
    assert [outline["line"] for outline in panels_of(app)["obcn"]["outlines"]] == ["truth", "obcn"]
    assert panels_of(app)["regression"]["line"] == "regression"


def test_an_upload_replaces_the_sample(page) -> None:
    app = page(BOTH)
    app.file_uploader(key="upload").set_value([("mine.png", photo_bytes("PNG"), "image/png")]).run()
    assert not app.exception
    assert panels_of(app)["regression"]["outlines"] == [], "nobody knows an upload's truth"
    assert "IoU with truth" not in html_of(app)


@pytest.mark.parametrize("data", [b"not a photo at all", photo_bytes()[:400]])
def test_an_upload_that_cannot_be_read_gets_one_clear_line_and_a_sample_instead(page, data) -> None:
    app = page(BOTH)
    app.file_uploader(key="upload").set_value([("holiday.jpg", data, "image/jpeg")]).run()
    for shown in (app, page(BOTH, **app.query_params)):
        assert not shown.exception
        assert not shown.error
        (warning,) = shown.warning
        assert "holiday.jpg" in warning.value
        assert "\n" not in warning.value
        assert component(shown, "obcn_sample_strip")["chosen"] == "pets", "there is a way out"
        assert photo_size(shown) == (200, 150)


def test_one_content_under_two_names_stays_two_uploads(page) -> None:
    uploads = links._Uploads()
    mine, yours = uploads.keep("mine.png", b"a photo"), uploads.keep("yours.png", b"a photo")
    assert uploads.get(mine) == ("mine.png", b"a photo")
    assert uploads.get(yours) == ("yours.png", b"a photo")
    assert uploads.keep("mine.png", b"a photo") == mine


def test_a_drawn_photo_can_be_forgotten() -> None:
    photo = photos.read_sample.__wrapped__(photos.sample_paths()[0])
    uri, again = photo_pair._data_uri(photo), photos.read_sample.__wrapped__(photos.sample_paths()[0])
    assert photo_pair._data_uri(again) is uri, "one picture for one file"
    gone = weakref.ref(photo)
    del photo
    gc.collect()
    assert gone() is None


def test_a_checkpoint_that_is_broken_is_named_and_the_others_stay(page, monkeypatch) -> None:
    app = page(BOTH)
    monkeypatch.setattr(detectors, "unreadable_models", lambda: ["dfl.json is not a card"])
    app.run()
    assert not app.exception
    assert "not a card" in app.warning[0].value
    assert len(figures_of(app)) == 4


def test_without_checkpoints_the_page_says_which_commands_make_them(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(detectors, "SHIPPED_CHECKPOINTS", tmp_path)
    detectors._added.clear()
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not app.exception
    assert "There is no checkpoint yet" in app.info[0].value
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

    def fail(photo, model, device):
        raise UserError(f"{model.name}.safetensors is not a safetensors checkpoint")

    monkeypatch.setattr(scoring, "stored_scores", lambda photo, model, device: None)
    monkeypatch.setattr(scoring, "scores", fail)
    app.run()
    assert not app.exception
    (error,) = app.error
    assert "is not a safetensors checkpoint" in error.value
    assert "obcn_photo_pair" not in [element.proto.component_name for element in app.get("bidi_component")]


def test_the_names_of_believers_are_shown_as_they_are(page, monkeypatch) -> None:
    monkeypatch.setitem(CODECS, "*starred*", BINS)
    app = page({name: ([DOG], ["dog"], [0.9]) for name in ("obcn", "*starred*")}, models=["obcn", "*starred*"])
    (choice,) = app.get("button_group")
    assert [option.content for option in choice.proto.options] == ["obcn", "\\*starred\\*"]
    choice.set_value("*starred*").run()
    assert any("What \\*starred\\* believes" in heading.value for heading in app.subheader)


FOUR: Answers = {
    "regression": ([DOG, CAT], ["dog", "cat"], [0.9, 0.6]),
    "obcn": ([DOG, CAT], ["dog", "cat"], [0.8, 0.7]),
    "flat": ([DOG], ["dog"], [0.7]),
    "other bins": ([CAT], ["cat"], [0.9]),
}


def test_any_number_of_models_side_by_side(page) -> None:
    app = page(FOUR)
    assert list(panels_of(app)) == ["regression", "obcn"], "what a newcomer sees"
    app.multiselect(key="models").set_value(list(FOUR)).run()
    assert not app.exception
    drawn = panels_of(app)
    assert list(drawn) == list(FOUR)
    assert [len(panel["boxes"]) for panel in drawn.values()] == [2, 2, 1, 1]
    assert app.selectbox(key="object").options == [
        "1 of 2: dog, only regression and obcn and flat",
        "2 of 2: cat, only regression and obcn and other bins",
    ]
    assert "lowest IoU of two" in html_of(app)


def test_whose_belief_is_asked_where_there_is_a_choice(page) -> None:
    app = page(FOUR)
    assert not app.get("button_group"), "one of the two has distributions"
    app.multiselect(key="models").set_value(["obcn", "other bins"]).run()
    assert any("What obcn believes" in heading.value for heading in app.subheader)
    app.get("button_group")[0].set_value("other bins").run()
    assert not app.exception
    assert any("What other bins believes" in heading.value for heading in app.subheader)
    app.selectbox(key="object").set_value(1).run()
    assert any("other bins saw no dog" in note.value for note in app.info)


def test_nobody_is_asked_who_does_not_know_the_class(page, monkeypatch) -> None:
    app = page(FOUR)
    app.multiselect(key="models").set_value(["obcn", "other bins"]).run()
    app.get("button_group")[0].set_value("other bins").run()
    know_no_dog = {"other bins": model("other bins", "obcn", classes=("cat",)), "obcn": model("obcn", "obcn")}
    monkeypatch.setattr(detectors, "available_models", lambda: know_no_dog)
    app.selectbox(key="object").set_value(1).run()
    assert not app.exception
    assert any("What obcn believes" in heading.value for heading in app.subheader)


@pytest.mark.parametrize("alone", list(FOUR))
def test_one_model_alone(page, alone) -> None:
    app = page(FOUR, models=[alone])
    assert not app.exception
    assert list(panels_of(app)) == [alone]
    assert len(figures_of(app)) == (4 if CODECS[alone] is BINS else 0)
    assert not any("Why do they differ" in text.value for text in app.markdown), "there is nobody to differ from"


def test_no_model_at_all_is_asked_for(page) -> None:
    app = page(BOTH)
    app.multiselect(key="models").set_value([]).run()
    assert not app.exception
    assert "Choose at least one model" in app.info[0].value


def test_temperature_moves_the_heads_with_distributions_and_not_regression(page) -> None:
    app = page(BOTH)
    before, spread = panels_of(app), stage_one(figures_of(app)[0])
    app.select_slider(key="temperature").set_value(4.0).run()
    assert not app.exception
    after = panels_of(app)
    assert after["regression"] == before["regression"]
    assert after["obcn"]["boxes"][0]["box"] != before["obcn"]["boxes"][0]["box"]
    assert "temperature 4" in after["obcn"]["subtitle"]
    assert stage_one(figures_of(app)[0]) != spread


def test_a_link_brings_the_view_back(page) -> None:
    app = page(FOUR)
    app.multiselect(key="models").set_value(["regression", "obcn", "flat"]).run()
    app.radio(key="rule").set_value("argmax").run()
    app.radio(key="stages").set_value(1).run()
    app.slider(key="score").set_value(0.3).run()
    app.select_slider(key="temperature").set_value(2.0).run()
    app.selectbox(key="object").set_value(1).run()
    link = dict(app.query_params)
    assert link.pop("weights"), "the files of the models, none of which ships"
    assert link == {"photo": "pets", "object": "cat@145,70"}
    # The browser writes the widgets' values there.
    widgets = {"rule": "argmax", "stages": "1", "score": "0.3", "temperature": "2"}
    other = page(FOUR, **app.query_params, **widgets, models=["regression", "obcn", "flat"])
    assert not other.exception
    assert panels_of(other) == panels_of(app)
    assert other.selectbox(key="object").value == 1
    assert other.slider(key="score").value == 0.3
    assert figures_of(other) == figures_of(app)


def test_a_link_to_an_upload_works_while_the_server_keeps_it(page) -> None:
    app = page(BOTH)
    app.file_uploader(key="upload").set_value([("mine.png", photo_bytes("PNG", 320, 80), "image/png")]).run()
    link = dict(app.query_params)
    assert link["photo"].startswith("upload:")
    again = page(BOTH, **link)
    assert not again.exception
    assert photo_size(again) == (320, 80)
    links._uploads.clear()
    gone = page(BOTH, **link)
    assert not gone.exception
    assert "no longer kept" in gone.warning[0].value
    assert photo_size(gone) == (200, 150)


def test_removing_an_upload_brings_the_sample_back(page) -> None:
    app = page(BOTH)
    app.file_uploader(key="upload").set_value([("mine.png", photo_bytes("PNG", 320, 80), "image/png")]).run()
    app.file_uploader(key="upload").set_value([]).run()
    assert not app.exception
    assert photo_size(app) == (200, 150)


def photo_size(app: AppTest) -> tuple[int, int]:
    data = component(app, "obcn_photo_pair")
    return data["width"], data["height"]


def test_a_link_to_a_photo_of_a_data_set(page, tmp_path) -> None:
    app = page(BOTH, data=str(tmp_path / "truth.json"), photos=str(tmp_path), image="pets.jpg", object="cat@145,70")
    assert not app.exception
    assert not app.warning
    assert panels_of(app)["obcn"]["outlines"][0]["label"] == "truth: dog"
    assert app.selectbox(key="object").value == 1


@pytest.mark.parametrize(
    "address",
    [
        {"photo": "../../etc/passwd"},
        {"photo": "upload:0"},
        {"photo": ""},
        {"image": "x.jpg"},
        {"data": "/nowhere", "photos": "nonsense", "image": "x.jpg"},
        {"data": "\0", "photos": "\0", "image": "\0"},
        {"data": "~nosuchuser/x", "photos": "~nosuchuser/x", "image": "x.jpg"},
        {"photos": ".", "image": "x" * 300},
        {"object": "dog@nan,inf"},
        {"object": "💥"},
        {"models": ["a", "b"]},
        {"models": ""},
        {"rule": "random", "stages": "9", "score": "many", "temperature": "hot", "belief": "nobody", "nms": "-1"},
        {"score": "7", "stages": "0", "temperature": "0"},
    ],
    ids=str,
)
def test_a_link_with_nonsense_in_it_opens_a_sane_page(page, address) -> None:
    app = page(BOTH, **address)
    assert not app.exception
    assert not app.error
    if address == {"models": ""}:
        assert "Choose at least one model" in app.info[0].value
    else:
        assert len(figures_of(app)) == 4
        assert photo_size(app) == (200, 150)


def test_one_sentence_says_why_the_models_differ(page) -> None:
    app = page({"regression": ([[30.0, 30.0, 130.0, 90.0]], ["dog"], [0.9]), "obcn": ([DOG], ["dog"], [0.8])})
    (sentence,) = [text.value for text in app.markdown if "Why do they differ" in text.value]
    assert (
        "regression and obcn differ in width, by" in sentence
        or "regression and obcn differ in centre x, by" in sentence
    )
