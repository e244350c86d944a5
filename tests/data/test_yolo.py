"""YOLO data sets as Ultralytics' tools and Roboflow write them, and as people break them."""

import os
from pathlib import Path

import pytest
import yaml
from PIL import Image

from obcn.data import load_data_config, read_annotations, read_validation
from obcn.data.sources import YoloData
from obcn.data.yolo import read_yolo
from obcn.errors import UserError

SIZE = (200, 100)
CENTRED = "1 0.5 0.5 0.5 0.4"


def write_photo(path: Path, label: str | None = None, **options: object) -> Path:
    """A photo in a folder called images, with its labels in the folder beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE).save(path, **options)
    if label is not None:
        place = Path(str(path.parent).replace("images", "labels")) / f"{path.stem}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(label)
    return path


def write_data(folder: Path, **keys: object) -> Path:
    content = {"path": ".", "train": "images/train", "val": "images/val", "names": {0: "cat", 1: "dog"}} | keys
    path = folder / "data.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photo(tmp_path / "images/train/a.jpg", CENTRED)
    write_photo(tmp_path / "images/train/deep/b.png", "0 0.1 0.2 0.2 0.4\n\n1 0.9 0.9 0.2 0.2\n")
    write_photo(tmp_path / "images/val/c.webp", CENTRED)
    write_photo(tmp_path / "images/val/empty.jpg")
    return tmp_path


def val_boxes(folder: Path, label: str) -> list[list[float]]:
    (folder / "labels/val/c.txt").write_text(label)
    val = read_validation(load_data_config(write_data(folder)))
    return [pytest.approx(box["bbox"]) for box in val.coco["annotations"]]


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_annotations(load_data_config(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def bad_label(folder: Path, label: str | bytes) -> str:
    (folder / "labels/val/c.txt").write_bytes(label if isinstance(label, bytes) else label.encode())
    message = refusal(write_data(folder))
    assert str(folder / "labels/val/c.txt") in message
    return message


def test_reads_boxes_in_pixels_and_classes_by_number(folder):
    train, val = read_annotations(load_data_config(write_data(folder)))
    assert train.classes == val.classes == ("cat", "dog")
    assert [image["file_name"] for image in train.images] == ["a.jpg", "deep/b.png"]
    assert [(image["width"], image["height"]) for image in train.images] == [SIZE, SIZE]
    assert train.folder == folder / "images/train"
    target = train.target(train.images[1])
    assert target["labels"].tolist() == [1, 2]
    assert target["boxes"].tolist() == [pytest.approx([0, 0, 40, 40]), pytest.approx([160, 80, 200, 100])]
    (box,) = val.boxes_of(val.images[0])
    assert box["bbox"] == pytest.approx([50, 30, 100, 40])
    assert box["area"] == pytest.approx(4000)
    assert val.boxes_of(val.images[1]) == []
    assert val.photo(val.images[0]).size == SIZE


def test_format_may_be_said(folder):
    assert isinstance(load_data_config(write_data(folder, format="yolo")), YoloData)


def test_keys_of_other_tools_are_passed_over(folder):
    data = load_data_config(write_data(folder, nc=2, test="images/test", download="x.zip", roboflow={"version": 1}))
    assert len(read_validation(data)) == 2


def test_names_as_a_list_and_as_numbers_in_quotes(folder):
    assert load_data_config(write_data(folder, names=["cat", "dog"])).classes == ("cat", "dog")
    assert load_data_config(write_data(folder, names={"1": "dog", "0": "cat"})).classes == ("cat", "dog")
    assert load_data_config(write_data(folder, names=[0, 1])).classes == ("0", "1")


def test_path_starts_at_the_file_and_may_be_left_out(folder):
    away = folder / "elsewhere"
    away.mkdir()
    assert len(read_validation(load_data_config(write_data(away, path="..")))) == 2
    assert len(read_validation(load_data_config(write_data(away, path=str(folder))))) == 2
    assert len(read_validation(load_data_config(write_data(folder, path=None)))) == 2


def test_roboflow_says_one_folder_up_and_means_beside(tmp_path):
    for split in ("train", "valid"):
        write_photo(tmp_path / split / "images" / "a.jpg", CENTRED)
    train, val = read_annotations(
        load_data_config(write_data(tmp_path, path=None, train="../train/images", val="../valid/images"))
    )
    assert len(train.coco["annotations"]) == len(val.coco["annotations"]) == 1
    # Where there is a folder one up, it is the one that is meant.
    inner = tmp_path / "inner"
    write_photo(inner / "train" / "images" / "b.jpg", CENTRED)
    data = load_data_config(write_data(inner, path=None, train="../train/images", val="../valid/images"))
    assert [image["file_name"] for image in read_annotations(data)[0].images] == ["a.jpg"]


def test_a_listing_names_photos_from_its_own_folder(folder):
    (folder / "lists").mkdir()
    away = write_photo(folder / "away/images/d.jpg", CENTRED)
    (folder / "lists/val.txt").write_text(f"../images/val/c.webp\n\n./../images/train/a.jpg\n{away}\n")
    val = read_validation(load_data_config(write_data(folder, val="lists/val.txt")))
    assert [image["file_name"] for image in val.images] == [
        "images/val/c.webp",
        "images/train/a.jpg",
        "away/images/d.jpg",
    ]
    assert len(val.coco["annotations"]) == 3
    assert all(val.path(image).is_file() for image in val.images)


def test_several_places_are_taken_together(folder):
    train, _ = read_annotations(load_data_config(write_data(folder, train=["images/train", "images/val"])))
    assert [image["id"] for image in train.images] == [1, 2, 3, 4]
    assert [box["id"] for box in train.coco["annotations"]] == [1, 2, 3, 4]
    assert {image["file_name"] for image in train.images} >= {"train/a.jpg", "val/c.webp"}


def test_labels_lie_beside_the_last_folder_called_images_or_beside_the_photo(tmp_path):
    write_photo(tmp_path / "images/set/images/a.jpg")
    (tmp_path / "images/set/labels").mkdir()
    (tmp_path / "images/set/labels/a.txt").write_text(CENTRED)
    write_photo(tmp_path / "flat/b.jpg")
    (tmp_path / "flat/b.txt").write_text(CENTRED)
    data = load_data_config(write_data(tmp_path, train="images/set/images", val="flat"))
    assert [len(part.coco["annotations"]) for part in read_annotations(data)] == [1, 1]


def test_a_photo_that_lies_on_its_side_has_the_size_that_viewers_show(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    write_photo(folder / "images/val/c.jpg", exif=exif)
    (folder / "images/val/c.webp").unlink()
    val = read_validation(load_data_config(write_data(folder)))
    (turned, _) = val.images
    assert (turned["width"], turned["height"]) == (100, 200)
    assert val.photo(turned).size == (100, 200)
    assert val.boxes_of(turned)[0]["bbox"] == pytest.approx([25, 60, 50, 80])


def test_an_outline_becomes_the_box_around_it(folder):
    assert val_boxes(folder, "0 0.1 0.5 0.4 0.2 0.3 0.9") == [[20, 20, 60, 70]]


def test_a_line_twice_is_one_object_and_rounding_stays_in_the_photo(folder):
    assert val_boxes(folder, f"{CENTRED}\n{CENTRED}\n1.0 0.95 0.5 0.101 0.4") == [
        [50, 30, 100, 40],
        [179.9, 30, 20.1, 40],
    ]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("1 0.5 0.5 0.5\n", "line 1: 4 numbers; a box has 5"),
        ("1 0.5 0.5 0.5 0.4 0.9", "6 numbers"),
        (f"{CENTRED}\n2 0.5 0.5 0.5 0.4", "line 2: class 2 is not in names, which are numbered from 0 to 1"),
        ("-1 0.5 0.5 0.5 0.4", "class -1"),
        ("0.5 0.5 0.5 0.5 0.4", "class 0.5"),
        ("nan 0.5 0.5 0.5 0.4", "class nan"),
        ("1 100 50 100 40", "100 is not from 0 to 1; give fractions"),
        ("1 nan 0.5 0.5 0.4", "nan is not from 0 to 1"),
        ("1 0.5 0.5 0.5 inf", "inf is not from 0 to 1"),
        ("1 0.5 0.5 -0.005 0.4", "width or height is -0.005"),
        ("dog 0.5 0.5 0.5 0.4", "'dog 0.5 0.5 0.5 0.4' is not made of numbers"),
        (b"\xff\xfe\x00", "is not a text file"),
    ],
)
def test_a_damaged_label_file_is_named_with_its_line(folder, label, words):
    assert words in bad_label(folder, label)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"path": "gone"}, "gone: no such folder; a relative path in a data file starts at the file's own folder"),
        ({"val": "images/gone"}, "images/gone: no such folder of photos, nor a .txt file that lists some"),
        ({"val": "labels"}, "labels holds no photo (.bmp, .gif"),
        ({"val": "data.yaml"}, "data.yaml: no such folder"),
        ({"val": "none.txt"}, "none.txt lists no photo"),
        ({"val": "bad.txt"}, "bad.txt lists 2 photo(s) that are not there, first "),
        ({"val": ["images/val", "images"]}, "is named twice in"),
        ({"val": "bare"}, "has a label file: that of "),
        ({"val": "broken"}, "is not an image that can be read"),
        ({"names": ["cat", "cat"]}, "yolo.names: 'cat' stands there twice"),
        ({"names": {1: "cat", 2: "dog"}}, "yolo.names: classes must be numbered from 0 without a gap"),
        ({"names": []}, "yolo.names"),
        ({"names": "cat"}, "yolo.names"),
        ({"nc": 3}, "nc is 3, but there are 2 names"),
        ({"kpt_shape": [17, 3]}, "labels with keypoints are not read"),
        ({"val": None}, "yolo.val is missing"),
        ({"train": []}, "yolo.train"),
    ],
)
def test_what_is_wrong_is_one_line(folder, keys, words):
    (folder / "none.txt").write_text("\n")
    (folder / "bad.txt").write_text("gone.jpg\nalso_gone.jpg\nimages/val/c.webp\n")
    write_photo(folder / "bare/x.jpg")
    (folder / "broken").mkdir()
    (folder / "broken/x.jpg").write_text("no photo")
    (folder / "broken/x.txt").write_text("")
    assert words in refusal(write_data(folder, **keys))


def test_hidden_and_other_files_are_no_photos(folder):
    (folder / "images/val/._c.jpg").write_bytes(b"what macOS leaves")
    (folder / "images/val/notes.md").write_text("")
    assert len(read_validation(load_data_config(write_data(folder)))) == 2


def test_a_link_called_images_leads_to_photos_not_to_labels(folder):
    os.symlink(folder / "images/val", folder / "raw", target_is_directory=True)
    (folder / "linked").mkdir()
    os.symlink(folder / "raw", folder / "linked/images", target_is_directory=True)
    (folder / "linked/labels").mkdir()
    (folder / "linked/labels/c.txt").write_text(f"{CENTRED}\n0 0.5 0.5 0.1 0.1")
    assert len(read_validation(load_data_config(write_data(folder, val="linked/images"))).coco["annotations"]) == 2


@pytest.mark.parametrize("place", ["x" * 5000, "nul\0"])
def test_a_place_that_no_folder_can_have(folder, place):
    with pytest.raises(UserError, match=r"no such folder of photos|damaged|cannot"):
        read_yolo([folder / place], ("dog",))
