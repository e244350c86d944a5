"""The COCO reader on good files, and its one clear line on bad ones."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from obcn.data.annotations import Annotations
from obcn.data.checks import MIN_SIDE
from obcn.data.coco import read_coco
from obcn.errors import UserError


def good_content() -> dict:
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 60, "height": 40},
            {"id": 3, "file_name": "b.jpg", "width": 30, "height": 50},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 9, "bbox": [1, 2, 10, 20]},
            {"id": 2, "image_id": 7, "category_id": 4, "bbox": [5.5, 6, 7, 8.25], "area": 40, "iscrowd": 0},
            {"id": 3, "image_id": 3, "category_id": 4, "bbox": [0, 0, 30, 50], "iscrowd": 1},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
    }


def read(folder: Path, content: object) -> Annotations:
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    Image.new("RGB", (60, 40)).save(photos / "a.jpg")
    Image.new("RGB", (30, 50)).save(photos / "b.jpg")
    file = folder / "instances.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return read_coco(photos, file)


def refusal(folder: Path, content: object) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, content)
    message = str(caught.value)
    assert "instances.json" in message
    assert "\n" not in message
    return message


def test_reads_images_classes_and_boxes(tmp_path):
    annotations = read(tmp_path, good_content())
    assert len(annotations) == 2
    assert annotations.classes == ("cat", "dog")  # by rising id, whatever the file's order
    first, second = annotations.images
    assert annotations.path(first) == tmp_path / "photos" / "a.jpg"
    assert [box["id"] for box in annotations.boxes_of(first)] == [1, 2]
    assert [box["id"] for box in annotations.boxes_of(second)] == [3]


def test_area_and_crowd_flag_are_filled_in_where_absent(tmp_path):
    boxes = read(tmp_path, good_content()).coco["annotations"]
    assert [box["area"] for box in boxes] == [200, 40, 1500]
    assert [box["iscrowd"] for box in boxes] == [0, 0, 1]


def test_target_has_corners_and_labels_from_one(tmp_path):
    annotations = read(tmp_path, good_content())
    target = annotations.target(annotations.images[0])
    assert target["boxes"].tolist() == [[1, 2, 11, 22], [5.5, 6, 12.5, 14.25]]
    assert target["boxes"].dtype == torch.float32
    assert target["labels"].tolist() == [2, 1]
    assert target["labels"].dtype == torch.int64
    assert target["ignored"].shape == (0, 4)


def test_crowd_is_ignored_and_no_target(tmp_path):
    annotations = read(tmp_path, good_content())
    target = annotations.target(annotations.images[1])
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == (0,)
    assert target["ignored"].tolist() == [[0, 0, 30, 50]]


@pytest.mark.parametrize(
    ("bbox", "problem"),
    [
        ([5, 5, 0, 9], "have no width or no height"),
        ([5, 5, 9, 0], "have no width or no height"),
        ([5, 5, -3, 9], "have no width or no height"),
        ([50, 5, 1e-7, 9], "have no width or no height"),
        ([60, 5, 4, 9], "lie outside their photos"),
        ([5, 40, 4, 9], "lie outside their photos"),
        ([-9, 5, 9, 9], "lie outside their photos"),
        ([5, -20, 9, 9], "lie outside their photos"),
    ],
)
def test_box_that_cannot_be_found_is_left_out_with_a_note(tmp_path, bbox, problem):
    content = good_content()
    content["annotations"][0]["bbox"] = bbox
    annotations = read(tmp_path, content)
    assert annotations.target(annotations.images[0])["labels"].tolist() == [1]
    assert [box["id"] for box in annotations.coco["annotations"]] == [2, 3], "nor is it missed in evaluation"
    (note,) = annotations.notes
    assert note.startswith(f"{tmp_path / 'instances.json'}: 1 of 3 boxes {problem} and are left out")
    assert note.endswith(f"annotation 1 {bbox}")


@pytest.mark.parametrize("bbox", [[55, 35, 30, 30], [-5, -5, 6, 6], [0, 0, 60, 40], [3, 3, 0.2, 30]])
def test_box_that_reaches_into_its_photo_stays(tmp_path, bbox):
    content = good_content()
    content["annotations"][0]["bbox"] = bbox
    annotations = read(tmp_path, content)
    assert len(annotations.coco["annotations"]) == 3
    assert annotations.notes == ()


@pytest.mark.parametrize("side", [400, 100_000])
def test_the_thinnest_box_stays_a_box_at_any_training_size(side):
    """As torchvision resizes it, in float32; it asks every box of a batch for a positive width and height."""
    corner = torch.tensor([side - MIN_SIDE, side], dtype=torch.float32)
    for size in (32, 416, 1333, 4096):
        low, high = corner * (torch.tensor(size, dtype=torch.float32) / side)
        assert low < high


@pytest.mark.parametrize("key", ["iscrowd", "difficult"])
@pytest.mark.parametrize("value", ["0", "1", None, [], -1, 2, 0.5, 10**30, float("nan")])
def test_flag_that_is_neither_0_nor_1(tmp_path, key, value):
    """Text would count as true, and AP would fall without a word."""
    content = good_content()
    content["annotations"][1][key] = value
    assert f"annotations.1.{key}: write the number 0 or 1, not {value!r}" in refusal(tmp_path, content)


@pytest.mark.parametrize("value", [0, 1, False, True, 0.0, 1.0])
def test_flags_may_be_any_kind_of_number(tmp_path, value):
    content = good_content()
    content["annotations"][1]["iscrowd"] = value
    annotations = read(tmp_path, content)
    assert len(annotations.target(annotations.images[0])["ignored"]) == int(value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("annotations", 1, "bbox"), [0, 0, 1e308, 5]),
        (("annotations", 1, "bbox"), [-1e300, 0, 5, 5]),
        (("annotations", 1, "bbox"), [0, 0, 10**400, 5]),
        (("annotations", 1, "area"), -4),
        (("annotations", 1, "area"), 1e308),
        (("annotations", 1, "id"), 10**30),
        (("annotations", 1, "id"), 2**53),
        (("annotations", 1, "id"), -(2**53)),
        (("images", 0, "id"), 10**30),
        (("images", 0, "width"), 1e300),
        (("categories", 0, "id"), -(10**30)),
    ],
)
def test_numbers_beyond_all_reason(tmp_path, place, value):
    content = good_content()
    content[place[0]][place[1]][place[2]] = value
    assert ".".join(map(str, place)) in refusal(tmp_path, content)


@pytest.mark.parametrize(("name", "key"), [("images", "file_name"), ("categories", "name")])
def test_half_a_character(tmp_path, name, key):
    content = good_content()
    content[name][0][key] = "a\udcff.jpg"
    assert rf"{name}.0.{key}: 'a\udcff.jpg' holds half a character" in refusal(tmp_path, content)


@pytest.mark.parametrize("name", ["x" * 5000, "\0", "x" * 300 + ".jpg", ""])
def test_file_name_that_no_photo_can_have(tmp_path, name):
    content = good_content()
    content["images"][0]["file_name"] = name
    message = refusal(tmp_path, content)
    assert "names 1 photo(s) that are not in" in message
    assert len(message) < 500 + len(str(tmp_path)) * 2


def test_photo_of_no_size(tmp_path):
    content = good_content()
    content["images"][1]["height"] = 0
    assert refusal(tmp_path, content).endswith("image 3 is 30 x 0 pixels; write the size of b.jpg")


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "instances.json")
    with pytest.raises(UserError, match=r"instances\.json is no file but a device, a pipe or a socket"):
        read_coco(tmp_path, tmp_path / "instances.json")


def test_a_device_in_place_of_a_file_is_not_read(tmp_path):
    with pytest.raises(UserError, match="/dev/zero is no file"):
        read_coco(tmp_path, Path("/dev/zero"))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "a\udcffb"])
def test_paths_that_cannot_be(tmp_path, name):
    with pytest.raises(UserError, match="no such folder of photos"):
        read_coco(Path(name), tmp_path)
    with pytest.raises(UserError, match="cannot read") as caught:
        read_coco(tmp_path, Path(name))
    str(caught.value).encode()


def test_photo_without_boxes_has_an_empty_target(tmp_path):
    content = good_content()
    content["annotations"] = content["annotations"][:2]
    annotations = read(tmp_path, content)
    assert annotations.target(annotations.images[1])["boxes"].shape == (0, 4)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*absent\.json: No such file"):
        read_coco(tmp_path, tmp_path / "absent.json")


def test_folder_in_place_of_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_coco(tmp_path, tmp_path)


def test_missing_photo_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such folder of photos"):
        read_coco(tmp_path / "nowhere", tmp_path / "absent.json")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe\x00", b"<xml/>", b"[" * 100_000])
def test_not_json(tmp_path, raw):
    file = tmp_path / "instances.json"
    file.write_bytes(raw)
    with pytest.raises(UserError, match=r"instances\.json is not JSON"):
        read_coco(tmp_path, file)


@pytest.mark.parametrize("name", ["images", "annotations", "categories"])
def test_missing_list(tmp_path, name):
    content = good_content()
    del content[name]
    assert f"not a COCO instances file: {name}: " in refusal(tmp_path, content)


@pytest.mark.parametrize("content", [[], 3, None, {"images": {}, "annotations": [], "categories": []}])
def test_json_of_another_kind(tmp_path, content):
    assert "not a COCO instances file" in refusal(tmp_path, content)


@pytest.mark.parametrize("name", ["images", "categories"])
def test_empty_list(tmp_path, name):
    assert name in refusal(tmp_path, good_content() | {name: []})


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("images", "id"),
        ("images", "file_name"),
        ("images", "width"),
        ("images", "height"),
        ("annotations", "id"),
        ("annotations", "image_id"),
        ("annotations", "category_id"),
        ("annotations", "bbox"),
        ("categories", "id"),
        ("categories", "name"),
    ],
)
def test_missing_key_is_named_with_its_place(tmp_path, name, key):
    content = good_content()
    del content[name][1][key]
    assert f"{name}.1.{key}: " in refusal(tmp_path, content)


@pytest.mark.parametrize(
    "bbox", [None, 5, "1 2 3 4", [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, "3", 4], [1, 2, 3, float("nan")]]
)
def test_box_that_is_not_four_numbers(tmp_path, bbox):
    content = good_content()
    content["annotations"][2]["bbox"] = bbox
    assert "annotations.2.bbox" in refusal(tmp_path, content)


def test_record_that_is_none(tmp_path):
    content = good_content()
    content["annotations"].append(None)
    assert "annotations.3: " in refusal(tmp_path, content)


def test_unknown_image_id(tmp_path):
    content = good_content()
    content["annotations"][1]["image_id"] = 99
    assert "annotation 2 is of image 99, which is not listed" in refusal(tmp_path, content)


def test_unknown_category_id(tmp_path):
    content = good_content()
    content["annotations"][1]["category_id"] = 99
    assert "annotation 2 is of category 99, which is not listed" in refusal(tmp_path, content)


@pytest.mark.parametrize(("name", "key"), [("images", "id"), ("categories", "id"), ("categories", "name")])
def test_listed_twice(tmp_path, name, key):
    content = good_content()
    content[name][1][key] = content[name][0][key]
    assert f"{name} lists {content[name][0][key]!r} twice" in refusal(tmp_path, content)


def test_annotation_without_its_picture_names_it(tmp_path):
    content = good_content()
    content["images"].append({"id": 8, "file_name": "gone.jpg", "width": 5, "height": 5})
    assert "1 photo(s) that are not in" in refusal(tmp_path, content)
    assert refusal(tmp_path, content).endswith("gone.jpg")
