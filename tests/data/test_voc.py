"""The VOC reader on good folders, and its one clear line on bad ones."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from obcn.data.annotations import Annotations
from obcn.data.coco import read_coco
from obcn.data.voc import read_voc, read_voc_photos, read_voc_splits
from obcn.errors import UserError

ANIMALS = Path(__file__).resolve().parents[3] / "shared" / "data" / "voc2012-animals"

ENTITY_BOMB = """<?xml version="1.0"?>
<!DOCTYPE bomb [<!ENTITY a "boom"><!ENTITY b "&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""


def obj(name: str, *corners: object, difficult: object = 0) -> str:
    sides = "".join(f"<{side}>{v}</{side}>" for side, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def xml(file_name: str, *objects: str, width: object = 60, height: object = 40) -> str:
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{file_name}</filename>{size}{''.join(objects)}</annotation>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two photos, three objects, one of them difficult."""
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("one", "two"):
        Image.new("RGB", (60, 40)).save(tmp_path / "JPEGImages" / f"{name}.jpg")
    write(tmp_path, "one", xml("one.jpg", obj("dog", 1, 1, 60, 40), obj("cat", 11, 6, 20, 15)))
    write(tmp_path, "two", xml("two.jpg", obj("dog", 2.5, 3, 12.5, 13, difficult=1)))
    (tmp_path / "ImageSets/Main/train.txt").write_text("one\ntwo\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")


def refusal(root: Path, split: str = "train", **options: object) -> str:
    with pytest.raises(UserError) as caught:
        read_voc(root, split, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pixel_convention(root):
    """VOC counts pixels from 1 and includes the last: a box over the whole photo is (0, 0, width, height)."""
    whole, part = (box["bbox"] for box in read_voc(root, "train").coco["annotations"][:2])
    assert whole == [0, 0, 60, 40]
    assert part == [10, 5, 10, 10]


def test_images_and_classes(root):
    annotations = read_voc(root, "train")
    assert annotations.classes == ("cat", "dog")
    assert [(i["file_name"], i["width"], i["height"]) for i in annotations.images] == [
        ("one.jpg", 60, 40),
        ("two.jpg", 60, 40),
    ]
    assert all(annotations.path(image).is_file() for image in annotations.images)
    assert annotations.target(annotations.images[0])["labels"].tolist() == [2, 1]


def test_difficult_is_ignored_and_no_target(root):
    annotations = read_voc(root, "train")
    target = annotations.target(annotations.images[1])
    assert target["labels"].tolist() == []
    assert target["ignored"].tolist() == [[1.5, 2, 12.5, 13]]


@pytest.mark.parametrize("text", ["<difficult></difficult>", ""])
def test_absent_difficult_flag_means_not_difficult(root, text):
    write(root, "two", xml("two.jpg", obj("dog", 2, 3, 12, 13)).replace("<difficult>0</difficult>", text))
    annotations = read_voc(root, "train")
    assert annotations.target(annotations.images[1])["labels"].tolist() == [2]


def test_given_classes_fix_the_order_and_leave_others_out(root):
    assert read_voc(root, "train", ("dog", "cat")).classes == ("dog", "cat")
    only_cats = read_voc(root, "train", ("cat",))
    assert only_cats.classes == ("cat",)
    assert len(only_cats.coco["annotations"]) == 1
    assert len(only_cats) == 2


def test_classes_that_do_not_occur(root):
    message = refusal(root, classes=("horse", "cow"))
    assert "no object of horse, cow; there are: cat, dog" in message


def test_parts_of_a_person_are_no_objects(root):
    part = "<part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>6</xmax><ymax>6</ymax></bndbox></part>"
    person = obj("person", 1, 1, 30, 30).replace("<bndbox>", f"{part}<bndbox>", 1)
    write(root, "one", xml("one.jpg", person))
    annotations = read_voc(root, "train")
    assert annotations.classes == ("dog", "person")
    assert annotations.coco["annotations"][0]["bbox"] == [0, 0, 30, 30]


def test_split_files_with_flags_and_repeats(root):
    """A class's own split file says 1 or -1 after each name."""
    (root / "ImageSets/Main/dog_train.txt").write_text("one  1\n\ntwo -1\none  1\n")
    assert [image["file_name"] for image in read_voc(root, "dog_train").images] == ["one.jpg", "two.jpg"]


def test_splits_of_two_folders_are_taken_together(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("voc2012")
    shutil.copytree(root, other, dirs_exist_ok=True)
    write(other, "two", xml("two.jpg", obj("cow", 1, 1, 30, 40), obj("dog", 1, 1, 9, 9)))
    both = read_voc_splits([(root, "train"), (other, "train")])
    assert both.classes == ("cat", "cow", "dog")
    assert [image["id"] for image in both.images] == [1, 2, 3, 4]
    assert [box["id"] for box in both.coco["annotations"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(both.boxes_of(image)) for image in both.images] == [2, 1, 2, 2]
    assert [both.photo(image).size for image in both.images] == [(60, 40)] * 4
    assert both.path(both.images[3]).samefile(other / "JPEGImages" / "two.jpg")


def test_naming_no_class_is_as_naming_none_in_one_split_and_in_two(root):
    """A split's own classes would number them otherwise than the other's."""
    write(root, "one", xml("one.jpg", obj("cat", 1, 1, 9, 9)))
    write(root, "two", xml("two.jpg", obj("dog", 1, 1, 9, 9)))
    for name in ("one", "two"):
        (root / f"ImageSets/Main/{name}.txt").write_text(name)
    both = read_voc_splits([(root, "one"), (root, "two")], ())
    assert both.classes == read_voc(root, "train", ()).classes == ("cat", "dog")
    assert [both.target(image)["labels"].tolist() for image in both.images] == [[1], [2]]


def test_one_photo_in_two_splits(root):
    (root / "ImageSets/Main/val.txt").write_text("two\n")
    with pytest.raises(UserError, match=r"two\.jpg is in two of the training splits"):
        read_voc_splits([(root, "train"), (root, "val")])


def test_missing_split(root):
    assert "val.txt: no such file" in refusal(root, "val")


def test_missing_root(root):
    assert "nowhere" in refusal(root / "nowhere")


def test_empty_split(root):
    (root / "ImageSets/Main/train.txt").write_text("\n")
    assert refusal(root).endswith("train.txt lists no photo")


def test_no_object_at_all(root):
    for name in ("one", "two"):
        write(root, name, xml(f"{name}.jpg"))
    assert "there are: none" in refusal(root)


def test_missing_xml(root):
    (root / "Annotations/two.xml").unlink()
    assert "two.xml: no such file, though the split lists it" in refusal(root)


@pytest.mark.parametrize("text", ["", "<annotation>", "not XML", '<?xml version="1.0" encoding="klingon"?><a/>'])
def test_damaged_xml(root, text):
    write(root, "two", text)
    assert "two.xml is not a VOC annotation" in refusal(root)


def test_entity_bomb(root):
    write(root, "two", ENTITY_BOMB)
    message = refusal(root)
    assert "two.xml is not a VOC annotation" in message
    assert "EntitiesForbidden" in message


def test_annotation_without_its_picture_names_it(root):
    (root / "JPEGImages/two.jpg").unlink()
    assert "two.xml names two.jpg, which is not in" in refusal(root)


@pytest.mark.parametrize("value", ["wide", "", "nan", "inf"])
def test_size_that_is_no_number(root, value):
    write(root, "two", xml("two.jpg", obj("dog", 1, 1, 5, 5), width=value))
    assert f"two.xml: size/width is {value!r}, not a number" in refusal(root)


@pytest.mark.parametrize("value", ["left", "", "nan"])
def test_corner_that_is_no_number(root, value):
    write(root, "two", xml("two.jpg", obj("dog", 1, value, 5, 5)))
    assert f"two.xml: bndbox/ymin is {value!r}, not a number" in refusal(root)


def test_difficult_that_is_no_number(root):
    write(root, "two", xml("two.jpg", obj("dog", 1, 1, 5, 5, difficult="very")))
    assert "two.xml: difficult is 'very', not a number" in refusal(root)


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "1e300"])
def test_difficult_that_is_neither_0_nor_1(root, value):
    write(root, "two", xml("two.jpg", obj("dog", 1, 1, 5, 5, difficult=value)))
    assert f"two.xml: difficult is {value!r}" in refusal(root)


def test_corner_beyond_all_photos(root):
    write(root, "two", xml("two.jpg", obj("dog", 1, 1, 1e300, 5)))
    assert "two.xml: bndbox/xmax is '1e+300'; no photo reaches beyond 1,000,000 pixels" in refusal(root)


def test_photo_of_no_size_cannot_be_trained_on_but_looked_at(root):
    write(root, "two", xml("two.jpg", obj("dog", 1, 1, 5, 5), width=0, height=0))
    assert "two.xml: the photo is 0 x 0 pixels; write the size of two.jpg" in refusal(root)
    assert len(read_voc_photos(root, ["two"]).coco["annotations"]) == 1


def test_boxes_that_cannot_be_found_are_left_out_with_a_note(root):
    write(root, "one", xml("one.jpg", obj("dog", 9, 9, 8, 20), obj("cat", 61, 5, 70, 9), obj("cat", 11, 6, 20, 15)))
    annotations = read_voc(root, "train")
    assert [box["bbox"] for box in annotations.coco["annotations"]] == [[10, 5, 10, 10], [1.5, 2, 11, 11]]
    thin, outside = annotations.notes
    assert thin.startswith(f"{root}: 1 of 4 boxes have no width or no height and are left out")
    assert outside.startswith(f"{root}: 1 of 4 boxes lie outside their photos and are left out")
    assert read_voc_splits([(root, "train")]).notes == (thin, outside)


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300])
def test_names_that_no_file_can_have(root, name):
    assert f"{name}.txt: no such file" in refusal(root, name)
    write(root, "two", xml(f"{name}.jpg", obj("dog", 1, 1, 5, 5)))
    assert "two.xml names xxx" in refusal(root)
    (root / "ImageSets/Main/train.txt").write_text(f"one\n{name}\n")
    assert "File name too long" in refusal(root)


def test_an_endless_annotation_is_not_read(root):
    (root / "Annotations/two.xml").unlink()
    (root / "Annotations/two.xml").symlink_to("/dev/zero")
    assert "two.xml is no file but a device" in refusal(root)


def test_object_without_a_name(root):
    write(root, "two", xml("two.jpg", obj("", 1, 1, 5, 5)))
    assert "two.xml: an object has no name" in refusal(root)


def named_boxes(annotations: Annotations) -> dict[tuple[str, str], list[list[float]]]:
    names = {category["id"]: category["name"] for category in annotations.categories}
    found: dict[tuple[str, str], list[list[float]]] = {}
    for image in annotations.images:
        for box in annotations.boxes_of(image):
            found.setdefault((image["file_name"], names[box["category_id"]]), []).append(box["bbox"])
    return {key: sorted(boxes) for key, boxes in found.items()}


@pytest.mark.skipif(not ANIMALS.is_dir(), reason="the animals of VOC 2012 are not here")
@pytest.mark.parametrize("split", ["train", "val"])
def test_both_readers_agree_on_real_files(split):
    coco = read_coco(ANIMALS / "JPEGImages", ANIMALS / "annotations" / f"instances_{split}.json")
    voc = read_voc(ANIMALS, split)
    assert {(i["file_name"], i["width"], i["height"]) for i in coco.images} == {
        (i["file_name"], i["width"], i["height"]) for i in voc.images
    }
    expected, actual = named_boxes(coco), named_boxes(voc)
    assert expected.keys() == actual.keys()
    assert sum(map(len, actual.values())) == len(coco.coco["annotations"]) > 1000
    for key, boxes in expected.items():
        assert actual[key] == [pytest.approx(box, abs=1e-6) for box in boxes]
