"""The Errors page without a browser, on record files made by hand."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.explore import controls
from app.records import choice, found
from obcn.records.schema import COORDINATES, each
from tests.app.test_paths import IMPOSSIBLE
from tests.synthetic_records import write_matched, write_scene
from tests.tables.test_calibration import stage_columns

MAIN = str(Path(__file__).parents[2] / "app" / "main.py")
ROWS = 40


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """No record file of this checkout is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(found, "SHIPPED", tmp_path / "shipped")


def write(path: str, model: str, num_stages: int = 0, coordinates: tuple[str, ...] = COORDINATES) -> str:
    """Forty cats with random errors, in eight photos."""
    rng = np.random.default_rng(num_stages)
    errors = {name: rng.normal(size=ROWS) for prefix in ("error", "error_px") for name in each(prefix)}
    if num_stages:
        errors |= stage_columns(rng.random(ROWS), rng.random(ROWS) < 0.5, rng.random(ROWS), errors["error_x"])
    if coordinates != COORDINATES:
        # What every box has stays; the head's own numbers have other names.
        renamed = {name: f"{name[:-1]}{coordinates[COORDINATES.index(name[-1])]}" for name in errors}
        errors = {renamed[name]: values for name, values in errors.items()} | {
            name: values for name, values in errors.items() if name.startswith("error_px")
        }
    truths = dict(zip(each("truth", ("x1", "y1", "x2", "y2")), np.full((4, ROWS), [[0], [0], [50], [50]]), strict=True))
    boxes = {f"box_{name[6:]}": values.astype(float) for name, values in truths.items()}
    photos = np.arange(ROWS) // 5
    write_matched(
        Path(path),
        ROWS,
        num_stages,
        model,
        coordinates=coordinates,
        **errors,
        **{name: values.astype(float) for name, values in truths.items()},
        **boxes,
        image_id=photos,
        file_name=np.char.add(photos.astype(str), ".png"),
        image_width=np.full(ROWS, 60),
        image_height=np.full(ROWS, 60),
        category_id=np.ones(ROWS, dtype=int),
        truth_id=np.arange(ROWS) + 1,
        truth_crowd=np.zeros(ROWS, dtype=bool),
        truth_difficult=np.zeros(ROWS, dtype=bool),
        iou=rng.uniform(0.5, 1, ROWS),
        score=rng.random(ROWS),
    )
    return path


def opened(*files: str, **address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=120)
    if files:
        app.query_params["files"] = list(files)
    for key, value in address.items():
        app.query_params[key] = value
    app.switch_page("errors/errors.py").run()
    assert not app.exception
    return app


def sections(app: AppTest) -> list[str]:
    return [heading.value for heading in app.subheader]


def test_every_section_is_drawn_of_two_heads() -> None:
    app = opened(write("a.parquet", "regression"), write("b.parquet", "bins", 1))
    assert sections(app) == ["How far off", "By size", "By class", "Does the head know?", "AP by IoU"]
    assert len(app.get("plotly_chart")) == 4 + 4 + 4 + 4 + 2
    assert not app.error
    assert not app.warning
    assert "regression 40 in 1 photos; bins 40 in 1 photos. **So few" in app.caption[0].value
    popovers = [block.proto.popover.label for block in app.get("popover")]
    assert popovers.count("Export table") == 4
    assert popovers[-2:] == ["Export AP by IoU", "Export AP summary"]


def test_words_that_are_no_paths_are_left_out() -> None:
    app = opened(*IMPOSSIBLE, write("a.parquet", "regression"))
    assert [warning.value.count("cannot be read") for warning in app.sidebar.warning] == [1] * len(IMPOSSIBLE)
    assert len(sections(app)) == 4


def test_regression_alone_has_no_beliefs_to_check() -> None:
    app = opened(write("a.parquet", "regression"))
    assert "Does the head know?" not in sections(app)
    assert len(app.get("plotly_chart")) == 4 + 4 + 4 + 1


@pytest.mark.slow
def test_a_chosen_bar_offers_its_objects_of_every_head(monkeypatch) -> None:
    went = []
    monkeypatch.setattr("streamlit.switch_page", lambda page, query_params: went.append((page, dict(query_params))))
    app = opened(write("a.parquet", "regression"), write("b.parquet", "bins", 1))
    box = app.selectbox(key="pick-histogram")
    box.select_index(5).run()
    buttons = [button for button in app.button if button.label.startswith("Show")]
    assert [button.key for button in buttons] == ["show-histogram-regression", "show-histogram-bins"]
    open_button = next(button for button in buttons if not button.disabled)
    open_button.click().run()
    ((page, link),) = went
    assert page == controls.PAGE_OF_EXPLORE
    assert link["records"] == ["a.parquet", "b.parquet"]
    assert link["measure"] == "error in x, pixels"


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "offered"), [("pixels", ["bins", "sides"]), ("normalised offset", ["bins"])])
def test_a_bar_offers_the_objects_of_the_heads_that_have_its_error(unit, offered) -> None:
    sides = write("b.parquet", "sides", 1, ("left", "top", "right", "bottom"))
    app = opened(write("a.parquet", "bins", 1), sides, unit=unit)
    app.selectbox(key="pick-histogram").select_index(5).run()
    assert not app.exception
    assert [button.key for button in app.button if button.label.startswith("Show")] == [
        f"show-histogram-{name}" for name in offered
    ]


@pytest.mark.slow
def test_a_class_offers_its_objects_once() -> None:
    app = opened(write("a.parquet", "regression"), write("b.parquet", "bins", 1))
    app.selectbox(key="pick-class").select_index(0).run()
    labels = [button.label for button in app.button if button.label.startswith("Show")]
    assert labels == ["Show these 40 objects in Explore"]


def test_without_a_record_file_the_commands_are_shown() -> None:
    app = opened()
    assert "no errors to show yet" in app.info[0].value
    assert "--records" in app.code[0].value
    assert [link.proto.label for link in app.get("page_link")] == ["Run models in Explore"]


def test_files_without_errors_are_named_and_the_others_drawn() -> None:
    write_scene(Path("missed.parquet"), [{"photo": 1, "truth": (0, 0, 9, 9), "id": 1}], 1, "blind")
    Path("broken.parquet").write_bytes(b"no parquet")
    app = opened("missed.parquet", "broken.parquet", write("a.parquet", "regression"))
    assert "no detection matched" in app.warning[0].value
    assert "broken" in app.sidebar.warning[0].value
    assert "How far off" in sections(app)


def test_records_of_other_photos_stand_side_by_side() -> None:
    """Errors compare whatever is given; only Explore needs the same objects."""
    write("a.parquet", "regression")
    rows = [{"photo": 99, "truth": (0, 0, 40, 40), "id": 7, "box": (0, 0, 40, 30), "score": 0.9}]
    rows[0]["columns"] = {name: 0.5 for prefix in ("error", "error_px") for name in each(prefix)}
    write_scene(Path("other.parquet"), rows, 9, "other")
    app = opened("a.parquet", "other.parquet")
    assert "different photos" in app.warning[0].value
    app.selectbox(key="pick-histogram").select_index(3).run()
    assert not app.error
    assert {button.key for button in app.button if button.label.startswith("Show")} == {
        "show-histogram-regression",
        "show-histogram-other",
    }


def test_records_just_made_in_explore_are_found(monkeypatch) -> None:
    made = write("runs/app-records/val-1/mine.parquet", "bins", 1)
    write("runs/records/other.parquet", "regression")
    app = AppTest.from_file(MAIN, default_timeout=120)
    # What Explore leaves behind: a data set alone, and what ran on it.
    app.session_state["records-shared"] = {"records": [], "truth": "val.json", "folder": "photos"}
    app.session_state["records-made"] = [made, "runs/app-records/val-1/not-yet.parquet"]
    app.switch_page("errors/errors.py").run()
    assert not app.exception
    assert app.multiselect(key="files").value == [made]
    assert "How far off" in sections(app)


@pytest.mark.slow
def test_a_first_visit_finds_what_ships_and_is_told_so(monkeypatch, tmp_path) -> None:
    for name, stages in (("regression", 0), ("obcn", 1)):
        write(f"shipped/{choice.MANY}/{name}.parquet", name, stages)
    app = opened()
    assert "example that ships" in app.info[0].value
    assert sections(app)[0] == "How far off"
    write("runs/records/mine.parquet", "mine")
    app = opened()
    assert not app.info, "one's own come first"
    assert app.multiselect(key="files").value == ["runs/records/mine.parquet"]
