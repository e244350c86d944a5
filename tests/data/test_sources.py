"""The small YAML that says where data lie."""

import json
from pathlib import Path

import pytest
from PIL import Image

from obcn.data import load_data_config, read_annotations, read_validation
from obcn.data.sources import CocoData, VocData
from obcn.errors import UserError

COCO = """
format: coco
train: {images: photos, annotations: train.json}
val: {images: /elsewhere/photos, annotations: sub/val.json}
"""
VOC = """
format: voc
train: {root: devkit, split: train}
val: {root: ../other, split: val}
classes: [dog, cat]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "data.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        load_data_config(written(folder, text))
    assert "data.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_relative_paths_start_at_the_yaml(tmp_path, monkeypatch):
    data = load_data_config(written(tmp_path, COCO))
    assert isinstance(data, CocoData)
    assert data.train.images == tmp_path / "photos"
    assert data.train.annotations == tmp_path / "train.json"
    assert data.val.images == Path("/elsewhere/photos")
    assert data.val.annotations == tmp_path / "sub" / "val.json"
    monkeypatch.chdir(tmp_path.parent)
    relative = load_data_config(Path(tmp_path.name) / "data.yaml")
    assert relative.train.images.resolve() == (tmp_path / "photos").resolve()


def test_voc(tmp_path):
    data = load_data_config(written(tmp_path, VOC))
    assert isinstance(data, VocData)
    assert (data.train[0].root, data.train[0].split) == (tmp_path / "devkit", "train")
    assert data.val.root == tmp_path / "../other"
    assert data.classes == ("dog", "cat")


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*gone\.yaml: No such file"):
        load_data_config(tmp_path / "gone.yaml")


@pytest.mark.parametrize("text", ["format: [", "\tformat: coco", "", "- 1"])
def test_not_a_data_file(tmp_path, text):
    assert refusal(tmp_path, text)


def test_unknown_key_is_named(tmp_path):
    assert "unknown key 'coco.train.image_dir'" in refusal(
        tmp_path, COCO.replace("images: photos", "image_dir: photos")
    )
    assert "unknown key 'coco.test'" in refusal(tmp_path, COCO + "test: {}\n")


def test_missing_key_is_named(tmp_path):
    assert "voc.val.split is missing" in refusal(tmp_path, VOC.replace(", split: val", ""))


@pytest.mark.parametrize("text", ["format: tfrecord", "train: {}\nval: {}", "[1, 2]", "format: [coco]"])
def test_a_file_of_no_known_kind_learns_what_each_needs(tmp_path, text):
    message = refusal(tmp_path, text)
    for words in ("format: coco; train and val, each with images and annotations", "root and split", "train, val and"):
        assert words in message


@pytest.mark.parametrize("text", ["val: images", "train: [a, b]\nval: c\nnc: 2", "format: yolo\nval: c\nnames:"])
def test_a_yolo_file_without_names_is_told_to_add_them(tmp_path, text):
    assert "the class names are missing; add them, as in names: [cat, dog]" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "format: coco\nval: {images: photos, annotations: val.json}",
        "format: voc\nval: {root: voc, split: val}",
        "names: [dog]\nval: images\ntrain:",
    ],
)
def test_what_is_only_evaluated_needs_no_training_photos(tmp_path, text):
    data = load_data_config(written(tmp_path, text))
    with pytest.raises(UserError, match="the data file has no train: add it"):
        read_annotations(data)
    with pytest.raises(UserError, match=r"photos|voc|images"):
        read_validation(data)


def test_keys_of_the_other_format(tmp_path):
    assert "unknown key 'voc.val.images'" in refusal(tmp_path, COCO.replace("format: coco", "format: voc"))


def test_reads_both_coco_splits(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for split, side in (("train", 20), ("val", 30)):
        Image.new("RGB", (side, side)).save(photos / f"{split}.png")
        content = {
            "images": [{"id": 1, "file_name": f"{split}.png", "width": side, "height": side}],
            "annotations": [],
            "categories": [{"id": 1, "name": "dog"}],
        }
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    text = COCO.replace("/elsewhere/", "").replace("sub/", "")
    train, val = read_annotations(load_data_config(written(tmp_path, text)))
    assert [a.images[0]["file_name"] for a in (train, val)] == ["train.png", "val.png"]


def test_voc_validation_takes_its_classes_from_training(tmp_path):
    """A validation split that happens to lack a class, or to have one more, has the same labels all the same."""
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (tmp_path / folder).mkdir(parents=True)
    for split, names in (("train", ("dog", "ant")), ("val", ("dog", "bee"))):
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
            for name in names
        )
        size = "<size><width>9</width><height>9</height></size>"
        (tmp_path / f"Annotations/{split}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
        (tmp_path / f"ImageSets/Main/{split}.txt").write_text(split)
        Image.new("RGB", (9, 9)).save(tmp_path / f"JPEGImages/{split}.jpg")
    text = "format: voc\ntrain: {root: ., split: train}\nval: {root: ., split: val}\n"
    train, val = read_annotations(load_data_config(written(tmp_path, text)))
    assert train.classes == val.classes == ("ant", "dog")
    assert val.target(val.images[0])["labels"].tolist() == [2]
