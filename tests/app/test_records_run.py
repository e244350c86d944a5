"""Record files written in the background, by a small random detector on noise."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import detectors
from app.detectors import ModelFile
from app.records import run as running
from app.records.run import Job, Run, done_before, of_classes, photos_to_run, runs_of, write
from obcn.checkpoints import save_checkpoint
from obcn.data import Annotations
from obcn.errors import UserError
from obcn.records.files import read_info, read_records
from tests.test_records import OFFSETS, make_card, make_detector

PAGE = str(Path(__file__).parents[2] / "app" / "explore" / "explore.py")
PHOTOS = 5
VOC = (
    "<annotation><size><width>128</width><height>96</height></size><object><name>{name}</name><bndbox>"
    "<xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object></annotation>"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> ModelFile:
    card = make_card(OFFSETS["bins"])
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, make_detector(card), card)
    return ModelFile("tiny", path, card)


@pytest.fixture
def job(model, tmp_path, monkeypatch) -> Job:
    """Five photos, two to a part, of which a sixth is gone; a box of a class that the model does not know."""
    monkeypatch.setattr(running, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(running, "PART", 2)
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        Image.fromarray(rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    content = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 128, "height": 96} for k in range(PHOTOS + 1)],
        "annotations": [
            {"id": 1 + k, "image_id": k, "category_id": category, "bbox": [9 * k, 8, 40, 40]}
            for k, category in enumerate((3, 3, 8, 3, 3, 3))
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 8, "name": "tiger"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(content))
    data, photos = str(tmp_path / "val.json"), str(tmp_path)
    return Job.of(model, data, photos, photos_to_run(data, photos)[0])


class EnoughError(Exception):
    pass


def stop_at(number: int):
    def count(done: int) -> None:
        if done >= number:
            raise EnoughError

    return count


def rows(job: Job) -> list[dict]:
    return read_records(job.path).to_pylist()


def test_a_run_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(job, tmp_path, monkeypatch):
    with pytest.raises(EnoughError):
        write(job, on_photos=stop_at(3))
    assert not job.path.exists()
    assert done_before(job, PHOTOS) == 2
    assert [file.suffix for file in job.path.parent.rglob("*") if file.is_file()] == [".part"], "no half part is left"
    seen: list[int] = []
    write(job, on_photos=seen.append)
    assert seen == [2, 3, 4, 4, 5, 5], "what was done is not done again"
    stopped = rows(job)
    assert [file.name for file in job.path.parent.iterdir()] == [job.path.name]

    job.path.unlink()
    write(job)
    assert rows(job) == stopped


def test_what_a_crash_leaves_is_not_taken_for_a_part(job):
    """A process that is killed leaves the file that it was writing to, under another name."""
    parts = job.path.with_suffix(".parts")
    parts.mkdir(parents=True)
    (parts / "00000000.part.tmp").write_bytes(b"PAR1 and then the power went")
    assert done_before(job, PHOTOS) == 0
    write(job)
    assert read_info(job.path).photos == PHOTOS


def test_the_file_says_how_it_was_made(job):
    write(job)
    info = read_info(job.path)
    assert info.data == job.data
    assert info.command.startswith("obcn eval --model ")
    assert f"--images {job.photos} --annotations {job.data}" in info.command
    assert {row["category"] for row in rows(job) if row["truth_id"] is not None} == {"dog"}
    assert {row["file_name"] for row in rows(job)} <= {f"{k}.png" for k in range(PHOTOS)}


def test_other_weights_annotations_or_photos_are_another_file(job, model, tmp_path):
    def path():
        return Job.of(model, job.data, job.photos, photos_to_run(job.data, job.photos)[0]).path

    assert path() == job.path
    (tmp_path / "4.png").unlink()
    fewer = path()
    assert fewer != job.path
    data = tmp_path / "val.json"
    data.write_text(data.read_text() + "\n")
    assert path() not in (job.path, fewer)


def test_a_changed_annotation_of_a_voc_folder_is_another_file(model, tmp_path):
    annotation = tmp_path / "Annotations" / "one.xml"
    for folder in (annotation.parent, tmp_path / "JPEGImages"):
        folder.mkdir()
    Image.new("RGB", (128, 96)).save(tmp_path / "JPEGImages" / "one.jpg")
    annotation.write_text(VOC.format(name="dog"))
    before, _ = photos_to_run(str(tmp_path), "")
    job = Job.of(model, str(tmp_path), "", before)
    annotation.write_text(VOC.format(name="wolf"))
    os.utime(annotation, ns=(time.time_ns() + 10**9,) * 2)
    after, _ = photos_to_run(str(tmp_path), "")
    assert (before.classes, after.classes) == (("dog",), ("wolf",))
    assert Job.of(model, str(tmp_path), "", after).path != job.path


def test_photos_that_are_gone_are_counted_and_without_any_there_is_no_run(job, tmp_path):
    assert photos_to_run(job.data, job.photos)[1] == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="none of the photos"):
        photos_to_run(job.data, str(empty))


def test_a_data_set_is_seen_with_the_classes_of_the_detector():
    coco = {
        "images": [],
        "annotations": [{"id": k, "image_id": 1, "category_id": k, "bbox": [0, 0, 1, 1]} for k in (3, 8)],
        "categories": [{"id": 3, "name": "dog"}, {"id": 8, "name": "tiger"}],
    }
    seen = of_classes(Annotations(None, coco), ("cat", "dog"))
    assert {category["name"]: category["id"] for category in seen.categories} == {"dog": 3, "cat": 9}
    assert [box["category_id"] for box in seen.coco["annotations"]] == [3]
    with pytest.raises(UserError, match="there are: dog, tiger"):
        of_classes(Annotations(None, coco), ("horse",))


def test_a_run_can_be_stopped_and_resumed(job, monkeypatch):
    run = Run(job, PHOTOS)
    assert (run.state, run.done) == ("new", 0)
    reached, may_go = threading.Event(), threading.Event()

    def held(job, device, on_photos):
        def count(done: int) -> None:
            if done == 3:
                reached.set()
                may_go.wait(60)
            on_photos(done)

        write(job, device, count)

    with monkeypatch.context() as patch:
        patch.setattr(running, "write", held)
        run.start("cpu")
        assert reached.wait(120)
        assert run.active
        run.start("cpu")  # a second visitor's click starts nothing
        run.stop()
        may_go.set()
        run.join()
    assert (run.state, run.done) == ("stopped", 2)
    assert Run(job, PHOTOS).state == "stopped", "a new server finds it stopped too"
    run.start("cpu")
    run.join()
    assert (run.state, run.done) == ("done", PHOTOS)
    assert Run(job, PHOTOS).state == "done"


def test_a_run_whose_file_was_deleted_or_written_by_another_is_not_what_it_was(job):
    write(job)
    (run,) = runs_of([job], PHOTOS)
    assert run.state == "done"
    assert runs_of([job], PHOTOS) == [run], "the same for every visitor"
    job.path.unlink()
    (fresh,) = runs_of([job], PHOTOS)
    assert (fresh.state, fresh.done) == ("new", 0)
    write(job)
    assert runs_of([job], PHOTOS)[0].state == "done"


def test_a_run_that_waits_can_be_stopped(job):
    with Run._turn:
        run = Run(job, PHOTOS)
        run.start("cpu")
        run.stop()
        run.join()
    assert run.state == "stopped"
    assert not job.path.exists()


def test_a_photo_that_cannot_be_read_ends_the_run_in_one_line_until_it_is_mended(job, tmp_path):
    good = (tmp_path / "4.png").read_bytes()
    (tmp_path / "4.png").write_bytes(b"no photo")
    run = Run(job, PHOTOS)
    run.start("cpu")
    run.join()
    assert run.state == "failed"
    assert "4.png is not an image" in run.error
    (tmp_path / "4.png").write_bytes(good)
    run.start("cpu")
    run.join()
    assert (run.state, run.error) == ("done", "")


def test_the_page_runs_models_on_a_data_set_and_shows_what_they_found(job, model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detectors, "available_models", lambda: {"tiny": model})
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.query_params.update({"truth": job.data, "folder": job.photos})
    app.run()
    assert not app.exception
    assert "1 more photos are named" in app.caption[0].value
    (run,) = running.runs_of([job], PHOTOS)
    button(app, "Run the models on these photos").click().run()
    run.join()
    app.run()
    button(app, "Show what they found").click().run()
    assert not app.exception
    assert app.multiselect(key="records").value == [str(job.path)]
    assert app.selectbox(key="head").value == "tiny"


def button(app: AppTest, label: str):
    return next(item for item in app.button if item.label == label)
