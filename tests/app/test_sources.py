import json
import os
from pathlib import Path

import pytest
from PIL import Image

from app.sources import photo_from_source, read_source, source_stamp
from obcn.errors import UserError
from tests.app.test_paths import IMPOSSIBLE
from tests.synthetic_records import write_scene

BOX = [10, 20, 40, 60]
SIZE = "<size><width>200</width><height>150</height></size>"
XML = "<annotation><filename>{name}</filename>" + SIZE + "{objects}</annotation>"
DOG = "<object><name>dog</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>"


@pytest.fixture
def coco(tmp_path: Path) -> tuple[str, str]:
    """Three photos, of which one has no object and one is not there."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "empty.jpg", "unlisted.jpg"):
        Image.new("RGB", (200, 150), "gray").save(folder / name)
    names = ("a.jpg", "empty.jpg", "gone.jpg")
    content = {
        "images": [{"id": k, "file_name": name, "width": 200, "height": 150} for k, name in enumerate(names)],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 3, "bbox": [10, 20, 30, 40]},
            {"id": 2, "image_id": 0, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(content))
    return str(tmp_path / "val.json"), str(folder)


@pytest.fixture
def voc(tmp_path: Path) -> str:
    root = tmp_path / "voc"
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    for name, objects in (("one", DOG), ("two", "")):
        Image.new("RGB", (200, 150)).save(root / "JPEGImages" / f"{name}.jpg")
        (root / "Annotations" / f"{name}.xml").write_text(XML.format(name=f"{name}.jpg", objects=objects))
    (root / "ImageSets/Main/val.txt").write_text("two\n")
    return str(root)


@pytest.fixture
def yolo(tmp_path: Path) -> str:
    root = tmp_path / "yolo"
    for folder in ("images/val", "labels/val"):
        (root / folder).mkdir(parents=True)
    for name in ("one", "two"):
        Image.new("RGB", (200, 150)).save(root / "images/val" / f"{name}.jpg")
    (root / "labels/val/one.txt").write_text("0 0.125 0.26666667 0.15 0.26666667\n")
    (root / "data.yaml").write_text("train: images/val\nval: images/val\nnames: [dog]\n")
    return str(root / "data.yaml")


def test_a_coco_photo_brings_the_boxes_that_count(coco) -> None:
    photo = photo_from_source(*coco, "a.jpg")
    assert photo.truth.names == ("dog",)
    assert photo.truth.boxes.tolist() == [BOX]
    assert photo is photo_from_source(*coco, "a.jpg")


def test_a_photo_without_an_object_has_an_empty_truth(coco, voc) -> None:
    assert photo_from_source(*coco, "empty.jpg").truth.boxes.shape == (0, 4)
    assert photo_from_source(voc, "", "two.jpg").truth.names == ()


def test_changed_annotations_are_read_anew(coco) -> None:
    data = Path(coco[0])
    before = photo_from_source(*coco, "a.jpg")
    data.write_text(data.read_text().replace('"dog"', '"wolf"'))
    assert before.truth.names == ("dog",)
    assert photo_from_source(*coco, "a.jpg").truth.names == ("wolf",)


def test_a_changed_voc_file_is_read_anew(voc) -> None:
    assert photo_from_source(voc, "", "one.jpg").truth.names == ("dog",)
    file = Path(voc) / "Annotations" / "one.xml"
    file.write_text(file.read_text().replace("dog", "wolf"))
    assert photo_from_source(voc, "", "one.jpg").truth.names == ("wolf",)


@pytest.mark.parametrize("split", ["", "/ImageSets/Main/val.txt"])
def test_a_voc_photo_brings_its_boxes_also_by_way_of_a_split(voc, split) -> None:
    photo = photo_from_source(voc + split, "", "one.jpg")
    assert photo.truth.names == ("dog",)
    assert photo.truth.boxes.tolist() == [BOX]


def test_a_yolo_photo_brings_its_boxes(yolo) -> None:
    photo = photo_from_source(yolo, "", "one.jpg")
    assert photo.truth.names == ("dog",)
    assert photo.truth.boxes.tolist() == [pytest.approx(BOX, abs=1e-4)]
    assert photo_from_source(yolo, "elsewhere", "two.jpg").truth.names == (), "the data file knows its photos"
    assert [image["file_name"] for image in read_source(yolo, "").images] == ["one.jpg", "two.jpg"]


def test_changed_yolo_labels_are_read_anew(yolo) -> None:
    before = photo_from_source(yolo, "", "one.jpg")
    label = Path(yolo).parent / "labels/val/one.txt"
    later = source_stamp(yolo) + 10**9
    label.write_text("0 0.5 0.5 0.1 0.1\n0 0.2 0.2 0.1 0.1\n")
    os.utime(label, ns=(later, later))
    assert source_stamp(yolo) == later
    assert len(before.truth.names) == 1
    assert len(photo_from_source(yolo, "", "one.jpg").truth.names) == 2
    label.unlink()
    os.utime(label.parent, ns=(later + 10**9,) * 2)
    assert source_stamp(yolo) == later + 10**9


def test_a_data_file_of_coco_or_voc_means_its_validation_photos(tmp_path, coco, voc) -> None:
    data = tmp_path / "coco.yaml"
    split = "{images: photos, annotations: val.json}"
    data.write_text(f"format: coco\ntrain: {split}\nval: {split}\n")
    assert photo_from_source(str(data), "", "a.jpg").truth.names == ("dog",)
    assert read_source(str(data), "") is read_source(*coco)
    assert source_stamp(str(data)) == source_stamp(coco[0])
    data = tmp_path / "voc.yaml"
    data.write_text("format: voc\ntrain: {root: voc, split: val}\nval: {root: voc, split: val}\n")
    assert [image["file_name"] for image in read_source(str(data), "").images] == ["two.jpg"]
    assert photo_from_source(str(data), "", "one.jpg").truth.names == ("dog",)


def test_a_split_lists_its_photos_and_the_folder_all(voc) -> None:
    assert [image["file_name"] for image in read_source(voc, "").images] == ["one.jpg", "two.jpg"]
    assert [image["file_name"] for image in read_source(f"{voc}/ImageSets/Main/val.txt", "").images] == ["two.jpg"]


def test_a_record_file_tells_the_truth_of_its_photos(tmp_path, coco) -> None:
    rows = [
        {"photo": 1, "truth": BOX, "id": 5, "box": BOX, "score": 0.9},
        {"photo": 1, "truth": (0, 0, 5, 5), "id": 6, "category": 2},
        {"photo": 1, "truth": (0, 0, 9, 9), "id": 7, "difficult": True},
        {"photo": 2, "truth": (1, 1, 9, 9), "id": 8},
    ]
    records = write_scene(tmp_path / "r.parquet", rows, 2)
    Image.new("RGB", (200, 200)).save(Path(coco[1]) / "1.png")
    photo = photo_from_source(str(records), coco[1], "1.png")
    assert photo.truth.names == ("cat", "dog")
    assert photo.truth.boxes.tolist() == [BOX, [0, 0, 5, 5]]
    with pytest.raises(UserError, match=r"no row of a\.jpg"):
        photo_from_source(str(records), coco[1], "a.jpg")


@pytest.mark.parametrize("listed", ["", "/ImageSets/Main/val.txt"])
def test_any_changed_file_of_a_voc_folder_changes_its_stamp(voc, listed) -> None:
    data = voc + listed
    assert [image["file_name"] for image in read_source(data, "").images][-1] == "two.jpg"
    before = source_stamp(data)
    changed = Path(voc) / "Annotations" / "two.xml"
    changed.write_text(XML.format(name="two.jpg", objects=DOG))
    os.utime(changed, ns=(before + 10**9,) * 2)
    assert source_stamp(data) == before + 10**9
    assert read_source(data, "").boxes_of({"id": len(read_source(data, "").images)}), "read anew"
    os.utime(changed.parent, ns=(before + 2 * 10**9,) * 2)  # a file came or went
    assert source_stamp(data) == before + 2 * 10**9


def test_a_changed_split_changes_its_stamp(voc) -> None:
    split = Path(voc) / "ImageSets/Main/val.txt"
    later = source_stamp(str(split)) + 10**9
    os.utime(split, ns=(later, later))
    assert source_stamp(str(split)) == later


def test_without_annotations_there_is_no_truth(coco) -> None:
    assert photo_from_source("", coco[1], "a.jpg").truth is None


def test_photos_that_are_gone_can_still_be_listed(coco) -> None:
    assert [image["file_name"] for image in read_source(*coco).images] == ["a.jpg", "empty.jpg", "gone.jpg"]


def refusal(data: str, photos: str, image: str) -> str:
    with pytest.raises(UserError) as caught:
        photo_from_source(data, photos, image)
    return str(caught.value)


@pytest.mark.parametrize("word", IMPOSSIBLE)
def test_words_that_are_no_paths_are_told(coco, word) -> None:
    data, photos = coco
    assert "cannot be read" in refusal(word, photos, "a.jpg")
    assert "cannot be read" in refusal(data, word, "a.jpg")
    assert "cannot be read" in refusal(f"{word}/ImageSets/Main/val.txt", "", "a.jpg")


def test_a_name_that_no_photo_can_have_is_told(coco) -> None:
    assert "cannot be read" in refusal(*coco, "x" * 300)


def test_what_is_wrong_is_said(coco, voc, tmp_path) -> None:
    data, photos = coco
    assert "gone.jpg: no such file" in refusal(data, photos, "gone.jpg")
    assert "does not list unlisted.jpg" in refusal(data, photos, "unlisted.jpg")
    assert "names no photo" in refusal(data, photos, "")
    assert "say where the photos lie" in refusal(data, "", "a.jpg")
    assert "no such folder of photos" in refusal(data, f"{photos}/nowhere", "a.jpg")
    assert "nowhere.json cannot be read: No such file" in refusal(str(tmp_path / "nowhere.json"), photos, "a.jpg")
    (tmp_path / "not.json").write_text("{")
    assert "not JSON" in refusal(str(tmp_path / "not.json"), photos, "a.jpg")
    (Path(voc) / "Annotations" / "one.xml").write_text("<annotation>")
    assert "not a VOC annotation" in refusal(voc, "", "one.jpg")
    Path(photos, "a.jpg").write_bytes(b"no photo")
    assert "not an image" in refusal(data, photos, "a.jpg")
    with pytest.raises(UserError, match="not a VOC folder"):
        read_source(photos, photos)
