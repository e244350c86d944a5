"""A newcomer's first detector: photos and classes of one's own, from a shipped checkpoint, by the command."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from obcn.checkpoints import find_checkpoint, initialise_from, load_checkpoint, read_card
from obcn.cli import app
from obcn.config import ScheduleConfig, load_config
from obcn.engine.schedule import too_short
from obcn.errors import UserError

CLASSES = {4: "disc", 9: "box"}


def draw_split(folder: Path, split: str, count: int) -> None:
    """Photos of one disc and one box, and their COCO file."""
    (folder / split).mkdir()
    images, boxes = [], []
    for number in range(count):
        photo = Image.new("RGB", (160, 120), (60 + 3 * number, 110, 90))
        draw = ImageDraw.Draw(photo)
        for place, category in enumerate(CLASSES):
            x, y, size = 12 + 76 * place + number % 5, 20 + (7 * number) % 30, 48 + 3 * (number % 4)
            (draw.ellipse if category == 4 else draw.rectangle)((x, y, x + size - 1, y + size - 1), fill=(230, 200, 40))
            box = [x, y, size, size]
            boxes.append({"id": len(boxes), "image_id": 100 + number, "category_id": category, "bbox": box})
        photo.save(folder / split / f"{number}.png")
        images.append({"id": 100 + number, "file_name": f"{number}.png", "width": 160, "height": 120})
    categories = [{"id": number, "name": name} for number, name in CLASSES.items()]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / f"{split}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """data.yaml with 8 training and 3 validation photos; own.yaml, the shipped detector's config for small photos."""
    folder = tmp_path_factory.mktemp("own")
    draw_split(folder, "train", 8)
    draw_split(folder, "val", 3)
    (folder / "data.yaml").write_text(
        "format: coco\ntrain: {images: train, annotations: train.json}\nval: {images: val, annotations: val.json}\n"
    )
    config = read_card(find_checkpoint("obcn")).config.model_dump(mode="json")
    config["input"] |= {"min_size": 160, "max_size": 160, "train_min_sizes": [160]}
    config["schedule"] |= {"batch_size": 2}
    (folder / "own.yaml").write_text(json.dumps(config))
    return folder


def obcn(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(photos) -> tuple[Path, Result]:
    output = photos / "my run"
    run = ("--output", output, "--init", "obcn", "--epochs", 8, "--validate-every", 8, "--device", "cpu")
    return output, obcn("train", photos / "own.yaml", "--data", photos / "data.yaml", *run)


@pytest.mark.slow
def test_a_few_photos_and_a_shipped_start_give_boxes(trained, photos, tmp_path):
    output, _ = trained
    card = read_card(output / "best.safetensors")
    assert card.classes == ("disc", "box")
    assert card.evaluation.metrics["AP50"] > 30


@pytest.mark.slow
def test_the_run_says_what_it_does_before_it_does_it(trained, photos):
    _, result = trained
    opening = result.stderr.splitlines()[:4]
    assert "on cpu: 8 photos to train on, 3 to validate, 2 class(es): disc, box" in opening[0]
    assert "8 epochs of 4 steps, 2 photos each, the first 3 steps to warm up; into" in opening[1]
    assert opening[2].startswith("starts from obcn; its classes are others (person, cat,")
    assert opening[2].endswith("class scores start fresh too")
    assert "too short" not in result.stderr


@pytest.mark.slow
def test_the_run_ends_with_its_checkpoint_and_what_to_do_with_it(trained, photos):
    output, result = trained
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"done: {output / 'best.safetensors'} (AP ")
    assert lines[1] == f"  obcn eval --model '{output / 'best.safetensors'}' --data {photos / 'data.yaml'}"
    assert lines[2] == f"  obcn predict PHOTO... --model '{output / 'best.safetensors'}' --save drawn"
    assert lines[3] == f"  obcn app --model '{output / 'best.safetensors'}'"


@pytest.mark.slow
def test_class_scores_of_other_classes_are_not_taken_over_though_they_would_fit(trained):
    output, _ = trained
    start = load_file(output / "best.safetensors")
    detector, _ = load_checkpoint(str(output / "best.safetensors"))
    assert any("class_scores" in name for name in initialise_from(detector, str(output / "best.safetensors")))
    detector.classes = ("disc", "ball")
    copied = initialise_from(detector, str(output / "best.safetensors"))
    assert not any("class_scores" in name for name in copied)
    assert any("shared" in name for name in copied)
    assert copied < start.keys()


@pytest.mark.slow
def test_class_scores_of_the_same_classes_come_in_the_order_of_ones_own_data(trained):
    """VOC folders name no order, and are read in that of the alphabet."""
    output, _ = trained
    path = str(output / "best.safetensors")
    detector, _ = load_checkpoint(path)
    weight = detector.roi_heads.box_head.class_scores.weight
    nothing, disc, box = weight.detach().clone()
    detector.classes = ("box", "disc")
    assert any("class_scores" in name for name in initialise_from(detector, path))
    assert torch.equal(weight, torch.stack((nothing, box, disc)))


@pytest.mark.slow
def test_predict_and_eval_give_the_files_own_ids(trained, photos, tmp_path):
    output, _ = trained
    model = ("--model", output / "best.safetensors", "--device", "cpu")
    every = obcn("eval", *model, "--data", photos / "data.yaml", "--detections", tmp_path / "deep" / "all.json")
    assert every.exit_code == 0
    rows = json.loads((tmp_path / "deep" / "all.json").read_text())
    assert {row["image_id"] for row in rows} == {100, 101, 102}
    assert {row["category_id"] for row in rows} == set(CLASSES)

    files = ("--annotations", photos / "val.json", "--json", tmp_path / "some.json", "--score", 0.05)
    obcn("predict", photos / "val" / "2.png", photos / "val" / "1.png", *model, *files)
    some = json.loads((tmp_path / "some.json").read_text())
    assert [row["image_id"] for row in some] == sorted((row["image_id"] for row in some), reverse=True)
    assert {row["image_id"] for row in some} == {102, 101}
    assert all(CLASSES[row["category_id"]] == row["category"] for row in some)


def test_a_schedule_that_cannot_teach_is_said():
    schedule = load_config("compact_obcn").schedule
    from_imagenet = too_short(schedule, epochs=1, steps_per_epoch=15, init=None)
    assert from_imagenet is not None
    assert from_imagenet.startswith("too short to learn much: 15 steps, worth 8 at the full rate")
    assert "--init obcn" in from_imagenet
    assert too_short(schedule, epochs=1, steps_per_epoch=15, init="obcn") is None
    assert too_short(schedule, epochs=5, steps_per_epoch=532, init=None) is None
    short = too_short(ScheduleConfig(milestones=()), epochs=1, steps_per_epoch=2, init="obcn")
    assert short is not None
    assert "give --epochs 3 or more" in short


class TestIds:
    def test_photos_of_one_name_are_told_apart_by_their_folders(self, tmp_path):
        from obcn.data import CocoIds

        images = [
            {"id": number, "file_name": name, "width": 9, "height": 9}
            for number, name in ((7, "a/1.jpg"), (8, "b/1.jpg"), (9, "c/2.jpg"))
        ]
        file = tmp_path / "ids.json"
        categories = [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}]
        file.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
        ids = CocoIds.of_file(file, [Path("b/1.jpg"), Path("elsewhere/2.jpg"), Path("x/a/1.jpg")], ("dog",))
        assert ids == CocoIds((8, 9, 7), {"dog": 2})
        with pytest.raises(UserError, match=r"lists a/1\.jpg, b/1\.jpg: any may be 1\.jpg"):
            CocoIds.of_file(file, [Path("1.jpg")], ("dog",))
        with pytest.raises(UserError, match=r"does not list 3\.jpg"):
            CocoIds.of_file(file, [Path("3.jpg")], ("dog",))
        with pytest.raises(UserError, match="has no class 'cow'"):
            CocoIds.of_file(file, [], ("cow", "cat"))
