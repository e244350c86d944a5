"""The Explore page without a browser, on record files made by hand."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import detectors
from app.explore.tiles import thumbnail
from app.records import choice, found, run
from app.uploads import UploadFolder
from obcn.checkpoints import Card, Evaluation
from obcn.errors import UserError
from obcn.records.files import RecordWriter, count_rows, info_size, read_info, read_records
from tests.app.helpers import model as model_file
from tests.app.test_paths import IMPOSSIBLE
from tests.synthetic_records import make_info, scene_row, write_scene

PAGE = str(Path(__file__).parents[2] / "app" / "explore" / "explore.py")
CAT, DOG = (0, 0, 40, 40), (60, 60, 180, 180)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Neither the record files nor the data of this checkout are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(found, "SHIPPED", tmp_path / "shipped")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two photos, one of them empty; COCO boxes; records of two heads."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (200, 200), "gray").save(photos / name)
    truth = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 200, "height": 200} for k in (1, 2)],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 40]},
            {"id": 3, "image_id": 1, "category_id": 2, "bbox": [60, 60, 120, 120]},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(truth))
    write(tmp_path / "regression.parquet", "regression", cat=(0, 0, 40, 20))
    write(tmp_path / "bins.parquet", "bins", cat=CAT)
    return tmp_path


def write(path: Path, model: str, cat=CAT, ids=(7, 3), photo: int = 1) -> Path:
    rows = [
        {"photo": photo, "truth": CAT, "id": ids[0], "box": cat, "score": 0.9},
        {"photo": photo, "truth": DOG, "id": ids[1], "category": 2, "box": DOG, "score": 0.8},
    ]
    return write_scene(path, rows, 2, model)


def opened(**address: str | list[str]) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=60)
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def tiles(app: AppTest) -> list[dict]:
    (grid,) = (item for item in app.get("bidi_component") if item.proto.component_name.endswith("obcn_photo_grid"))
    return json.loads(grid.proto.json)["tiles"]


BOTH = ["bins.parquet", "regression.parquet"]


def test_tiles_show_both_heads_the_truth_and_the_gain_in_words(folder) -> None:
    app = opened(records=BOTH, folder="photos", truth="val.json", head="bins")
    cat, dog = tiles(app)
    assert (cat["title"], cat["verdict"], cat["mood"]) == ("cat", "+0.50 better", "better")
    assert (dog["title"], dog["verdict"]) == ("dog", "even")
    assert [value for _, value in cat["values"]] == ["1.00", "0.50"]
    assert [box["line"] for box in cat["boxes"]] == ["truth", "against", "head"]
    assert cat["picture"].startswith("data:image/jpeg")
    assert cat["link"] == "./?data=val.json&photos=photos&image=1.png&object=cat%4020%2C20"


def test_the_address_says_what_is_shown_and_filters_narrow_it(folder) -> None:
    app = opened(records=BOTH, head="bins", classes="dog", sort="where it loses", show="photos")
    assert app.multiselect(key="classes").value == ["dog"]
    assert [tile["title"] for tile in tiles(app)] == ["2 objects"]
    app.slider(key="gain").set_value((0.2, 1.0)).run()
    assert "None of the 1 photos passes" in app.info[0].value
    app.button[0].click().run()
    assert app.multiselect(key="classes").value == []
    assert len(tiles(app)) == 1


def test_one_record_file_can_be_browsed_without_photos(folder) -> None:
    app = opened(records=["bins.parquet"])
    assert [tile["values"] for tile in tiles(app)] == [[["head", "1.00"]], [["head", "1.00"]]]
    assert all(tile["note"] == "no folder of photos named" and not tile["link"] for tile in tiles(app))
    assert "There are no pictures" in app.warning[0].value


def test_without_annotations_a_link_carries_the_record_file(folder) -> None:
    app = opened(records=["bins.parquet"], folder="photos")
    assert tiles(app)[0]["link"] == "./?data=bins.parquet&photos=photos&image=1.png&object=dog%40120%2C120"


def test_a_data_set_alone_shows_its_true_boxes_and_the_photo_without_an_object(folder) -> None:
    app = opened(truth="val.json", folder="photos", show="photos")
    assert [(tile["title"], len(tile["boxes"])) for tile in tiles(app)] == [("2 objects", 2), ("no objects", 0)]


def test_a_folder_with_boxes_of_its_own_says_which_they_are(folder) -> None:
    (folder / "photos" / "_annotations.coco.json").write_bytes((folder / "val.json").read_bytes())
    app = opened(folder="photos")
    assert app.text_input(key="truth").placeholder.endswith("photos/_annotations.coco.json")
    assert len(tiles(app)) == 2


def test_with_nothing_there_the_commands_are_shown(monkeypatch) -> None:
    monkeypatch.setattr(found, "DATA_SETS", ())
    app = opened()
    assert "nothing to explore" in app.info[0].value
    assert "obcn eval" in app.code[0].value


def test_what_lies_in_the_usual_folder_is_found(folder) -> None:
    (folder / "runs/records").mkdir(parents=True)
    write(folder / "runs/records/mine.parquet", "mine")
    app = opened()
    assert app.multiselect(key="records").value == ["runs/records/mine.parquet"]
    assert len(tiles(app)) == 2


def test_of_what_is_found_one_data_set_is_shown_at_first(folder) -> None:
    """Files of other data have no object in common: together they would be an error."""
    other = folder / "runs/app-records/other-1"
    later = folder / "runs/app-records/later-2"
    for place in (other, later):
        place.mkdir(parents=True)
        write(place / "mine.parquet", "mine", photo=1 if place == later else 2)
    os.utime(other, (1, 1))
    assert opened().multiselect(key="records").value == ["runs/app-records/later-2/mine.parquet"]
    (folder / "runs/records").mkdir()
    write(folder / "runs/records/main.parquet", "main")
    app = opened()
    assert app.multiselect(key="records").value == ["runs/records/main.parquet"]
    assert len(app.multiselect(key="records").options) == 3


def test_files_that_are_no_records_are_named_and_left_out(folder) -> None:
    (folder / "broken.parquet").write_bytes(b"PAR1 but no more")
    whole = (folder / "bins.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(pa.table({"a": [1]}), folder / "other.parquet")
    (folder / "empty").mkdir()
    app = opened(records=["broken.parquet", "cut.parquet", "other.parquet", "gone.parquet", "empty", "bins.parquet"])
    warnings = " ".join(warning.value for warning in app.sidebar.warning).replace("\\", "")
    for words in (
        "broken.parquet is not a Parquet file",
        "cut.parquet is not a Parquet file",
        "other.parquet is a Parquet file but holds no records",
        "gone.parquet: no such file",
        "empty holds no .parquet file",
    ):
        assert words in warnings
    assert len(tiles(app)) == 2


def test_rows_that_are_damaged_are_one_line(folder) -> None:
    content = bytearray((folder / "bins.parquet").read_bytes())
    content[4:400] = bytes(396)
    (folder / "bins.parquet").write_bytes(content)
    app = opened(records=["bins.parquet"])
    assert "bins.parquet is damaged" in app.error[0].value


def rewritten(path: Path, column: str, value: object) -> None:
    """Give every row of a record file this value."""
    table = pq.read_table(path)
    place, field = table.column_names.index(column), table.schema.field(column)
    values = pa.array([value] * len(table)).cast(field.type)
    pq.write_table(table.set_column(place, field, values), path)


@pytest.mark.parametrize("show", ["objects", "photos", "mistakes"])
@pytest.mark.parametrize("column", ["file_name", "image_width", "truth_x1", "box_x1", "score"])
def test_records_without_what_every_row_of_them_has_are_one_line(folder, column, show) -> None:
    rewritten(folder / "bins.parquet", column, None)
    app = opened(records=["bins.parquet"], folder="photos", show=show)
    assert f"column {column}, row 0: None is not" in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize("show", ["objects", "photos"])
def test_of_a_photo_that_is_smaller_than_records_say_what_is_there_is_shown(folder, show) -> None:
    """Mutant: Pillow makes up the rest, or refuses to."""
    for column in ("image_width", "image_height"):
        rewritten(folder / "bins.parquet", column, 100_000)
    app = opened(records=["bins.parquet"], folder="photos", show=show, picture="whole photo")
    assert {tile["note"] for tile in tiles(app)} == {""}
    assert all(tile["picture"].startswith("data:image/jpeg") for tile in tiles(app))


def test_no_part_of_a_photo_is_empty(folder) -> None:
    """Records may place an object beyond a photo that is smaller than they say."""
    assert thumbnail(folder / "photos/1.png", (5_000.0, 5_000.0, 6_000.0, 6_000.0), 0).startswith("data:image/jpeg")


def test_records_of_other_data_are_refused_and_of_some_of_it_shortened(folder) -> None:
    write(folder / "other.parquet", "other", photo=2)
    app = opened(records=["bins.parquet", "other.parquet"], head="bins")
    assert "share no object" in app.error[0].value
    write(folder / "other.parquet", "other", ids=(7, 99))
    app.run()
    assert not app.error
    assert "1 of the 2 objects of bins are not in the record file of other" in app.warning[0].value
    assert len(tiles(app)) == 1


def test_a_class_that_one_model_never_finds_is_a_miss_of_its(folder) -> None:
    rows = [
        {"photo": 1, "truth": CAT, "id": 7},
        {"photo": 1, "truth": DOG, "id": 3, "category": 2, "box": DOG, "score": 0.8},
    ]
    write_scene(folder / "blind.parquet", rows, 2, "blind")
    app = opened(records=["bins.parquet", "blind.parquet"], head="blind", classes="cat")
    assert [tile["values"] for tile in tiles(app)] == [[["head", "nothing"], ["against", "1.00"]]]
    assert tiles(app)[0]["verdict"] == "-1.00 worse"


def test_false_alarms_alone_have_photos_and_no_object(folder) -> None:
    write_scene(folder / "alarms.parquet", [{"photo": 1, "box": CAT, "score": 0.9}], 1, "alarms")
    app = opened(records=["alarms.parquet"], folder="photos")
    assert "There are no objects here" in app.info[0].value
    app.segmented_control(key="show").set_value("photos").run()
    (tile,) = tiles(app)
    assert (tile["title"], tile["values"]) == ("no objects", [["head", "0 found, 1 false"]])


def test_a_single_object_on_a_page_of_photos(folder) -> None:
    row = {"photo": 1, "truth": CAT, "id": 7, "box": CAT, "score": 0.9}
    write_scene(folder / "single.parquet", [row], 1, "single")
    (tile,) = tiles(opened(records=["single.parquet"], folder="photos", show="photos"))
    assert (tile["title"], len(tile["boxes"])) == ("1 object", 2)


def test_a_head_that_predicts_the_sides_is_browsed_by_its_own_entropy(folder) -> None:
    sides = ("left", "top", "right", "bottom")
    row = {"photo": 1, "truth": CAT, "id": 7, "box": CAT, "score": 0.9}
    row["columns"] = {f"stage1_entropy_{side}": 0.5 for side in sides}
    with RecordWriter(folder / "sides.parquet", make_info(1, "sides", 2, coordinates=sides)) as writer:
        writer.add(scene_row(row))
    (tile,) = tiles(opened(records=["sides.parquet"], folder="photos", sort="least certain"))
    assert tile["title"] == "cat"


def test_a_data_set_without_a_box_has_photos_and_no_object(folder) -> None:
    content = json.loads((folder / "val.json").read_text())
    (folder / "bare.json").write_text(json.dumps(content | {"annotations": []}))
    app = opened(truth="bare.json", folder="photos")
    assert "There are no objects here" in app.info[-1].value
    app.segmented_control(key="show").set_value("photos").run()
    assert [tile["title"] for tile in tiles(app)] == ["no objects", "no objects"]


def test_a_photo_that_is_gone_leaves_a_tile_with_words(folder) -> None:
    (folder / "photos/1.png").unlink()
    app = opened(records=["bins.parquet"], folder="photos")
    assert {tile["note"] for tile in tiles(app)} == {"1.png is not in photos"}
    (folder / "photos/1.png").write_bytes(b"no photo")
    app.run()
    assert {tile["note"] for tile in tiles(app)} == {"1.png cannot be read"}


def test_a_photo_of_a_hundred_objects_fills_pages_and_one_tile(folder) -> None:
    rows = [
        {"photo": 1, "truth": box, "id": k, "box": box, "score": 0.5}
        for k in range(100)
        for box in [(k % 10 * 20, k // 10 * 20, k % 10 * 20 + 15, k // 10 * 20 + 15)]
    ]
    write_scene(folder / "crowd.parquet", rows, 1, "crowd")
    app = opened(records=["crowd.parquet"], folder="photos", sort="file name", page="5")
    assert len(tiles(app)) == 100 - 4 * 24
    app.segmented_control(key="show").set_value("photos").run()
    (tile,) = tiles(app)
    assert (tile["title"], len(tile["boxes"])) == ("100 objects", 200)


def test_fewer_pages_lead_back_to_the_first(folder) -> None:
    app = opened(records=BOTH, page="9")
    assert len(tiles(app)) == 2


def test_a_click_opens_the_photo_in_compare(folder, monkeypatch) -> None:
    went = []
    monkeypatch.setattr("streamlit.switch_page", lambda page, query_params: went.append((page, query_params)))
    app = opened(records=["bins.parquet"], folder="photos", truth="val.json")
    dog, cat = tiles(app)
    app.session_state["tile-opened"] = cat["link"]
    app.selectbox(key="sort").set_value("smallest").run()  # another tile stands there now
    wanted = {"data": ["val.json"], "photos": ["photos"], "image": ["1.png"], "object": ["cat@20,20"]}
    assert went == [("compare/compare.py", wanted)]
    assert tiles(app) == [cat, dog]
    for words in ("", "1", "no link"):
        app.session_state["tile-opened"] = words
        app.run()
        assert not app.exception
    assert len(went) == 1


def test_a_link_to_a_weak_object_lowers_compares_threshold(folder) -> None:
    rows = [
        {"photo": 1, "truth": CAT, "id": 7, "box": CAT, "score": 0.33},
        {"photo": 1, "truth": DOG, "id": 3, "category": 2},
    ]
    write_scene(folder / "weak.parquet", rows, 1, "weak")
    weak, missed = tiles(opened(records=["weak.parquet"], folder="photos", sort="highest IoU"))
    assert weak["link"].endswith("&score=0.30")
    assert "score" not in missed["link"]


def test_a_new_order_or_filter_begins_at_the_first_page(folder) -> None:
    rows = [
        {"photo": 1, "truth": (k, 0, k + 50, 50), "id": k, "box": (k, 0, k + 50, 50), "score": 0.5 + k / 200}
        for k in range(60)
    ]
    write_scene(folder / "many.parquet", rows, 1, "many")
    app = opened(records=["many.parquet"], folder="photos", page="3", sort="lowest score")
    assert len(tiles(app)) == 60 - 2 * 24
    app.selectbox(key="sort").set_value("highest score").run()
    assert app.session_state["page"] == 1
    assert len(tiles(app)) == 24


def test_bins_are_judged_against_regression_at_first(folder) -> None:
    for model, stages in (("a", 1), ("b", 1), ("plain", 0)):
        row = {"photo": 1, "truth": CAT, "id": 7, "box": CAT, "score": 0.9}
        write_scene(folder / f"{model}.parquet", [row], 1, model, stages)
    app = opened(records=["b.parquet", "a.parquet", "plain.parquet"])
    assert (app.selectbox(key="head").value, app.selectbox(key="against").value) == ("b", "plain")


def test_an_uploaded_record_file_is_chosen_too(folder) -> None:
    app = opened(records=["bins.parquet"])
    file = ("mine.parquet", (folder / "regression.parquet").read_bytes(), "application/octet-stream")
    app.file_uploader(key="records-upload").set_value([file]).run()
    assert not app.exception
    first, second = app.multiselect(key="records").value
    assert (first, Path(second).name) == ("bins.parquet", "mine.parquet")
    assert [len(tile["values"]) for tile in tiles(app)] == [2, 2]
    assert app.selectbox(key="head").options == ["bins", "regression"]


def test_an_upload_that_cannot_be_kept_is_one_line(folder, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise UserError("this server cannot keep the file (No space left on device); try again later")

    monkeypatch.setattr(UploadFolder, "_keep", full)
    app = opened(records=["bins.parquet"])
    app.file_uploader(key="records-upload").set_value([("mi\1ne.parquet", b"PAR1", "application/octet-stream")]).run()
    assert not app.exception
    assert [error.value for error in app.error] == [
        "mi\\_ne.parquet\\: this server cannot keep the file (No space left on device); try again later"
    ]
    assert app.multiselect(key="records").value == ["bins.parquet"]


def test_an_upload_that_would_take_too_much_memory_is_one_line_and_goes(folder, monkeypatch) -> None:
    """Mutant: two million rows alike are 0.3 MB on the disk, and 350 MB for every visitor once they are read."""
    uploads = UploadFolder("obcn-test-", 10**6)
    monkeypatch.setattr(choice, "_uploads", lambda: uploads)
    path = folder / "regression.parquet"
    rows, said = count_rows(path), info_size(path)
    app = opened(records=["bins.parquet"])
    for most_rows, most_said, content, words in (
        (rows - 1, said, path.read_bytes(), f"it has {rows} rows, {rows - 1} at most are taken; take fewer photos, or"),
        (rows, said - 1, path.read_bytes(), f"its card and classes have {said:,} bytes, {said - 1:,} at most are"),
        (rows, said, b"PAR1", "it is not a Parquet file; `obcn eval"),
    ):
        monkeypatch.setattr(choice, "MOST_ROWS", most_rows)
        monkeypatch.setattr(choice, "MOST_SAID", most_said)
        file = ("mine.parquet", content, "application/octet-stream")
        app.file_uploader(key="records-upload").set_value([file]).run()
        assert not app.exception
        (error,) = (error.value.replace("\\", "") for error in app.error)
        assert error.startswith(f"mine.parquet: {words}")
        assert "\n" not in error
        assert str(uploads.folder) not in error
        assert app.multiselect(key="records").value == ["bins.parquet"]
        assert not list(uploads.folder.iterdir())


@pytest.mark.parametrize("word", IMPOSSIBLE)
def test_words_that_are_no_paths_are_one_line_each(folder, word) -> None:
    app = opened(records=[word, "bins.parquet"], folder=word)
    assert "cannot be read" in app.sidebar.warning[0].value
    assert "cannot be read" in app.main.warning[0].value
    assert len(tiles(app)) == 2
    assert "cannot be read" in opened(records=["bins.parquet"], truth=word).error[0].value


def test_annotations_that_are_not_there_are_not_taken_for_a_record_file(folder) -> None:
    app = opened(truth="gone.json", folder="photos")
    assert app.error[0].value.replace("\\", "") == "gone.json cannot be read: No such file or directory"


def test_a_command_that_nobody_can_have_typed_names_no_data() -> None:
    info = make_info().model_copy(update={"command": "obcn eval --annotations 'val.json"})
    assert choice.source_of(info) == ("", "")


def test_a_data_set_in_the_home_folder_is_found(folder, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    info = make_info().model_copy(update={"command": "obcn eval --annotations ~/val.json --images ~/photos"})
    assert choice.source_of(info) == (str(folder / "val.json"), str(folder / "photos"))


def signed(path: Path, card: Card) -> None:
    """Make a record file say that a model with this card wrote it."""
    info = read_info(path).model_copy(update={"card": card.model_dump(mode="json")})
    table = read_records(path).replace_schema_metadata({b"obcn.records": info.model_dump_json().encode()})
    pq.write_table(table, path)


def test_a_tile_opens_the_model_that_wrote_the_records_and_no_namesake(folder, monkeypatch) -> None:
    shipped = model_file("regression", "regression")
    training = shipped.card.training.model_copy(update={"seed": 1})
    namesake = replace(
        shipped, name="regression (run/best)", card=shipped.card.model_copy(update={"training": training})
    )
    models = {item.name: item for item in (replace(shipped, name="the same again"), shipped, namesake)}
    monkeypatch.setattr(detectors, "available_models", lambda: models)
    measured = Evaluation(command="obcn eval", data="val", images=1, metrics={"AP": 40.0})
    signed(folder / "regression.parquet", shipped.card.model_copy(update={"evaluation": measured}))
    app = opened(records=["regression.parquet"], folder="photos")
    assert tiles(app)[0]["link"].endswith("&models=regression&image=1.png&object=cat%4020%2C20")
    assert not app.main.caption[0].value.startswith("Compare opens without")
    del models["regression"], models["the same again"]
    app.run()
    assert "models=" not in tiles(app)[0]["link"]
    assert app.main.caption[0].value.startswith("Compare opens without regression:")


def test_an_upload_is_written_once(folder) -> None:
    app = opened(records=["bins.parquet"])
    content = write(folder / "other.parquet", "other").read_bytes()
    file = ("again.parquet", content, "application/octet-stream")
    app.file_uploader(key="records-upload").set_value([file]).run()
    path = Path(app.multiselect(key="records").value[1])
    assert [other.name for other in path.parent.iterdir()] == ["again.parquet"]
    os.utime(path, (1, 1))
    other = opened(records=["bins.parquet"])
    other.file_uploader(key="records-upload").set_value([file]).run()
    assert path.stat().st_mtime == 1, "a table of it that somebody looks at stays good"


@pytest.mark.parametrize("show", ["objects", "mistakes"])
def test_tiles_show_what_is_around_the_boxes_or_the_whole_photo(folder, show: str) -> None:
    """Mutant: whole photos are never shown."""
    rows = [
        {"photo": 1, "truth": DOG, "id": 3, "category": 2, "box": DOG, "score": 0.8},
        {"photo": 1, "truth": CAT, "id": 7},
        {"photo": 2, "box": CAT, "category": 2, "score": 0.9},
    ]
    write_scene(folder / "wrong.parquet", rows, 2, "bins")
    cropped, whole = (
        tiles(opened(records=["wrong.parquet"], folder="photos", truth="val.json", show=show, picture=picture))
        for picture in ("around the object", "whole photo")
    )
    assert cropped
    for tile, of_whole in zip(cropped, whole, strict=True):
        assert of_whole["view"][:2] == [0, 0]
        assert tile["view"] != of_whole["view"]
        assert tile["boxes"] == of_whole["boxes"]


def test_mistakes_by_kind_with_what_they_cost(folder) -> None:
    rows = [
        {"photo": 1, "truth": DOG, "id": 3, "category": 2},
        {"photo": 1, "box": DOG, "category": 1, "score": 0.9},
        {"photo": 1, "box": (0, 0, 40, 15), "category": 1, "score": 0.7},
        {"photo": 1, "truth": CAT, "id": 7},
        {"photo": 2, "box": CAT, "category": 2, "score": 0.8},
    ]
    write_scene(folder / "wrong.parquet", rows, 2, "bins")
    app = opened(records=["wrong.parquet"], folder="photos", truth="val.json", show="mistakes")
    drawn = tiles(app)
    assert [(tile["title"], tile["detail"]) for tile in drawn] == [
        ("cat", "classification · 1.png"),
        ("dog", "background · 2.png"),
        ("cat", "localisation · 1.png"),
    ]
    assert drawn[0]["values"] == [["head", "0.90, IoU 1.00 with dog"]]
    assert "object=cat%40120%2C120" in drawn[0]["link"], "Compare opens at the box"
    table = next(item.proto.body for item in app.get("html") if "costs AP50" in item.proto.body)
    assert '<th scope="row">classification</th><td>1</td><td>50.0</td></tr>' in table
    assert any("**classification**: on an object, of another class" in caption.value for caption in app.caption)
    filtered = opened(
        records=["wrong.parquet"], folder="photos", truth="val.json", show="mistakes", kinds=["background"]
    )
    assert [tile["detail"] for tile in tiles(filtered)] == ["background · 2.png"]
    scored = opened(records=["wrong.parquet"], folder="photos", truth="val.json", show="mistakes", scores=["0.75", "1"])
    assert [tile["title"] for tile in tiles(scored)] == ["cat", "dog"]


def test_models_that_fit_the_data_are_offered_and_no_others(folder, monkeypatch) -> None:
    known = {
        "regression": model_file("regression", "regression", ("zebra",)),
        "obcn": model_file("obcn", "obcn", ("cat", "dog", "zebra")),
        "mine/best": model_file("mine/best", "obcn", ("cat", "dog")),
        "mine/last": model_file("mine/last", "obcn", ("cat", "dog")),
        "half": model_file("half", "obcn", ("cat",)),
    }
    monkeypatch.setattr(detectors, "available_models", lambda: known)
    monkeypatch.setattr(run, "stamp", lambda path: 0)
    app = opened(folder="photos", truth="val.json")
    assert app.multiselect(key="run-models").options == ["mine/best", "mine/last", "obcn", "half"]
    assert app.multiselect(key="run-models").value == ["mine/best", "obcn"]
    assert any("know none of the classes: regression" in caption.value for caption in app.caption)
    monkeypatch.setattr(detectors, "available_models", lambda: {"regression": known["regression"]})
    app = opened(folder="photos", truth="val.json")
    assert "None of the models knows a class" in app.info[0].value


def test_the_failure_of_another_visitors_run_is_not_told(folder, monkeypatch) -> None:
    monkeypatch.setattr(detectors, "available_models", lambda: {"obcn": model_file("obcn", "obcn", ("cat", "dog"))})
    monkeypatch.setattr(run, "stamp", lambda path: 0)
    monkeypatch.setattr(run, "detector_name", lambda path: Path(path).stem)
    first = opened(folder="photos", truth="val.json")
    next(button for button in first.button if button.label.startswith("Run the models")).click().run()
    for started in run._known().runs.values():
        started.join()
    first.run()
    assert any("nowhere" in error.value for error in first.error), "there is no such checkpoint"
    assert [button.label for button in first.button if button.label == "Go on"] == ["Go on"]
    other = opened(folder="photos", truth="val.json")
    assert not other.error
    assert any(button.label.startswith("Run the models") for button in other.button)
    run._known.clear()
