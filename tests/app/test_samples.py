"""The sample photos: each may be shipped, can be read, and has truth that fits it."""

import re
from pathlib import Path

import pytest
from torchvision.ops import box_iou

from app.compare.links import FIRST_SAMPLE
from obcn.checkpoints import load_for_inference
from obcn.data import read_photo
from obcn.data.coco import read_coco
from obcn.explain import select

SAMPLES = Path(__file__).parents[2] / "app" / "samples"
PHOTOS = sorted(SAMPLES.glob("*.jpg"))
CLASSES = ("person", "cat", "cow", "dog", "horse", "sheep")
FIELDS = ("Title", "Author", "Source", "Licence", "Changes")


@pytest.fixture(scope="module")
def truth():
    return read_coco(SAMPLES, SAMPLES / "truth.json")


@pytest.fixture(scope="module")
def licences() -> dict[str, dict[str, str]]:
    """Photo name -> the fields of its section in LICENCES.md."""
    _, *parts = re.split(r"^## (\S+)\n", (SAMPLES / "LICENCES.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    fields = [dict(re.findall(r"^- (\w+): (.+)$", body, flags=re.MULTILINE)) for body in parts[1::2]]
    return dict(zip(parts[::2], fields, strict=True))


def test_photos_truth_and_licences_are_of_the_same_files(truth, licences):
    names = [photo.name for photo in PHOTOS]
    assert len(names) >= 5
    assert sorted(image["file_name"] for image in truth.images) == names
    assert sorted(licences) == names


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_licence_is_free_and_complete(photo, licences):
    entry = licences[photo.name]
    assert tuple(entry) == FIELDS
    assert entry["Licence"] in ("CC0-1.0", "public domain")


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_photo_has_the_size_that_the_truth_says(photo, truth):
    (image,) = [image for image in truth.images if image["file_name"] == photo.name]
    size = read_photo(photo).size
    assert size == (image["width"], image["height"])
    assert max(size) <= 1024


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_boxes_lie_inside_the_photo(photo, truth):
    (image,) = [image for image in truth.images if image["file_name"] == photo.name]
    boxes = truth.boxes_of(image)
    assert boxes
    for box in boxes:
        x, y, width, height = box["bbox"]
        assert x >= 0
        assert y >= 0
        assert width > 0
        assert height > 0
        assert x + width <= image["width"]
        assert y + height <= image["height"]
        assert box["area"] == width * height
        assert box["iscrowd"] == 0


def test_truth_has_the_shipped_classes_and_an_example_of_each(truth):
    assert truth.classes == CLASSES
    assert [category["id"] for category in truth.categories] == [1, 2, 3, 4, 5, 6]
    assert {box["category_id"] for box in truth.coco["annotations"]} == {1, 2, 3, 4, 5, 6}
    numbers = [box["id"] for box in truth.coco["annotations"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.slow
def test_the_first_sample_shows_the_idea_best_with_the_shipped_pair(truth):
    """Of those without a wrong class: OBCN gains as much as on any, each stage gains, and the mean beats argmax."""
    gains = {}
    detectors = {name: load_for_inference(name)[0] for name in ("regression", "obcn")}
    for image in truth.images:
        target = truth.target(image)
        names = [truth.classes[label - 1] for label in target["labels"].tolist()]
        photo = read_photo(truth.path(image))
        found = {
            name: select(detector.score(photo), detector.codec, detector.thresholds).above(0.5)
            for name, detector in detectors.items()
        }
        if any(sorted(each.names) != sorted(names) for each in found.values()):
            continue
        fits = {name: float(box_iou(each.boxes, target["boxes"]).max(1).values.mean()) for name, each in found.items()}
        gains[Path(image["file_name"]).stem] = fits["obcn"] - fits["regression"]
        if image["file_name"] == f"{FIRST_SAMPLE}.jpg":
            obcn = found["obcn"]
            steps = [*obcn.boxes_after_stages(), obcn.boxes]
            stages = [float(box_iou(boxes, target["boxes"])) for boxes in steps]
            argmax = float(box_iou(obcn.boxes_by("argmax"), target["boxes"]))
            assert stages == sorted(stages)
            assert argmax < stages[-1] - 0.02
    assert gains[FIRST_SAMPLE] > max(gains.values()) - 0.005
    assert gains[FIRST_SAMPLE] > 0.03


def test_folder_stays_small():
    assert sum(file.stat().st_size for file in SAMPLES.iterdir()) <= 1_500_000
