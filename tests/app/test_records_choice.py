"""Which record files and data sets the pages start from."""

import json

import pytest

from app.records import choice
from app.records.choice import MANY, SAMPLES, own_data
from app.records.found import SHIPPED, is_shipped
from obcn.checkpoints import SHIPPED_CHECKPOINTS, read_card
from obcn.engine.evaluate import average_precision
from obcn.records.coco import coco_of_records
from obcn.records.files import read_info
from obcn.resources import ROOT
from tests.synthetic_records import make_info


@pytest.mark.parametrize("name", ["regression", "obcn"])
def test_the_records_that_ship_are_those_of_the_shipped_checkpoints(name) -> None:
    path = SHIPPED / MANY / f"{name}.parquet"
    info = read_info(path)
    assert (info.model, info.photos) == (name, 700)
    card = read_card(SHIPPED_CHECKPOINTS / f"{name}.safetensors")
    assert info.card["training"] == card.training.model_dump(mode="json")
    measured = json.loads((ROOT / "results" / MANY / f"{name}.json").read_text())["metrics"]
    found = average_precision(*coco_of_records(path))
    assert {figure: found[figure] for figure in measured} == pytest.approx(measured, abs=1e-3)
    assert read_info(SHIPPED / SAMPLES / f"{name}.parquet").model == name


def test_the_records_that_ship_stay_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*.parquet")) < 3_000_000


def test_the_samples_photos_are_found_from_anywhere(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, photos = choice.source_of(read_info(SHIPPED / SAMPLES / "obcn.parquet"))
    assert data == str(ROOT / "app" / "samples" / "truth.json")
    assert photos == str(ROOT / "app" / "samples")


def test_only_what_ships_is_called_so(tmp_path) -> None:
    assert is_shipped(SHIPPED / MANY / "obcn.parquet")
    assert not is_shipped(tmp_path / "obcn.parquet")
    assert not is_shipped("runs/records/obcn.parquet")


def test_a_folder_of_a_whole_data_set_brings_its_boxes(tmp_path) -> None:
    for name in ("voc/Annotations", "voc/JPEGImages", "yolo", "roboflow", "plain"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "yolo" / "data.yaml").touch()
    (tmp_path / "roboflow" / "_annotations.coco.json").touch()
    voc, yolo, roboflow, plain = (str(tmp_path / name) for name in ("voc", "yolo", "roboflow", "plain"))
    assert own_data("", voc) == (voc, "")
    assert own_data("", yolo) == (f"{yolo}/data.yaml", "")
    assert own_data("", roboflow) == (f"{roboflow}/_annotations.coco.json", roboflow)
    assert own_data("", plain) == ("", plain)
    assert own_data("val.json", voc) == ("val.json", voc), "what is said counts"
    assert own_data("", f"{voc}/nowhere") == ("", f"{voc}/nowhere")


def test_a_record_files_model_goes_by_the_name_that_it_has_here(monkeypatch) -> None:
    info = make_info().model_copy(update={"model": "compact_obcn (argmax, K = 1)"})
    monkeypatch.setattr(choice, "model_of_card", lambda card, called: {"compact_obcn": "obcn"}[called])
    assert choice._as_known_here(info).model == "obcn (argmax, K = 1)"
    monkeypatch.setattr(choice, "model_of_card", lambda card, called: None)
    assert choice._as_known_here(info) == info
