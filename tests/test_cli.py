"""The ``obcn`` command as a user runs it: its words in, real files in, real files out.

Most run in this process, which has loaded PyTorch already; what only a process of its own shows has one.
"""

import io
import json
import resource
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from obcn.cli import main
from obcn.commands.options import decode_by
from obcn.offsets import RegressionCodec, RepooledCodec

SAMPLES = Path(__file__).resolve().parents[1] / "app" / "samples"


def obcn(*arguments: object) -> subprocess.CompletedProcess[str]:
    words, code = ["obcn", *map(str, arguments)], 0
    with patch.object(sys, "argv", words), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def obcn_process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "obcn.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def assert_one_line_error(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("obcn: ")
    for word in words:
        assert word in lines[0]


@pytest.fixture
def small_coco(tmp_path: Path) -> tuple[Path, Path]:
    """Two of the app's samples with their truth, as a COCO folder and file of their own."""
    truth = json.loads((SAMPLES / "truth.json").read_text())
    images = truth["images"][:2]
    kept = {image["id"] for image in images}
    truth |= {"images": images, "annotations": [box for box in truth["annotations"] if box["image_id"] in kept]}
    annotations = tmp_path / "truth.json"
    annotations.write_text(json.dumps(truth))
    return SAMPLES, annotations


@pytest.fixture
def small_voc(tmp_path: Path, small_coco: tuple[Path, Path]) -> Path:
    """The same two samples as a VOC folder."""
    truth = json.loads(small_coco[1].read_text())
    names = {category["id"]: category["name"] for category in truth["categories"]}
    root = tmp_path / "voc"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for image in truth["images"]:
        objects = ""
        for box in truth["annotations"]:
            if box["image_id"] == image["id"]:
                x, y, width, height = box["bbox"]
                objects += (
                    f"<object><name>{names[box['category_id']]}</name><difficult>0</difficult><bndbox>"
                    f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + width}</xmax><ymax>{y + height}</ymax>"
                    "</bndbox></object>"
                )
        size = f"<size><width>{image['width']}</width><height>{image['height']}</height></size>"
        text = f"<annotation><filename>{image['file_name']}</filename>{size}{objects}</annotation>"
        stem = Path(image["file_name"]).stem
        (root / "Annotations" / f"{stem}.xml").write_text(text)
        (root / "JPEGImages" / image["file_name"]).write_bytes((SAMPLES / image["file_name"]).read_bytes())
    listing = "\n".join(Path(image["file_name"]).stem for image in truth["images"])
    (root / "ImageSets" / "Main" / "val.txt").write_text(listing + "\n")
    return root


@pytest.mark.parametrize("command", ["train", "eval", "predict"])
def test_help_shows_an_example(command: str) -> None:
    result = obcn(command, "--help")
    assert result.returncode == 0
    assert f"Example: obcn {command}" in result.stdout


def test_predict_finds_the_cat_and_draws_it(tmp_path: Path) -> None:
    photo = SAMPLES / "kitten.jpg"
    result = obcn("predict", photo, "--model", "obcn", "--json", tmp_path / "rows.json", "--save", tmp_path / "drawn")
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows[0]["category"] == "cat"
    assert rows[0]["category_id"] == 2
    assert rows[0]["file_name"] == "kitten.jpg"
    assert rows[0]["score"] >= 0.5
    drawn = np.asarray(Image.open(tmp_path / "drawn" / "kitten.png"))
    original = np.asarray(Image.open(photo).convert("RGB"))
    assert drawn.shape == original.shape
    assert (drawn != original).any()


def test_predict_decodes_as_asked(tmp_path: Path) -> None:
    boxes = {}
    for decode in ("argmax", "expectation"):
        file = tmp_path / f"{decode}.json"
        assert obcn("predict", SAMPLES / "kitten.jpg", "--decode", decode, "--json", file).returncode == 0
        boxes[decode] = json.loads(file.read_text())[0]["bbox"]
    assert boxes["argmax"] != boxes["expectation"]


def test_eval_of_coco_and_voc_agree(small_coco: tuple[Path, Path], small_voc: Path, tmp_path: Path) -> None:
    images, annotations = small_coco
    coco, voc = tmp_path / "coco.json", tmp_path / "out" / "voc.json"
    by_coco = obcn("eval", "--model", "regression", "--images", images, "--annotations", annotations, "--json", coco)
    assert by_coco.returncode == 0, by_coco.stderr
    assert "AP50" in by_coco.stdout
    by_voc = obcn("eval", "--model", "regression", "--voc", small_voc, "--json", voc)
    assert by_voc.returncode == 0, by_voc.stderr
    first, second = (json.loads(file.read_text())["metrics"] for file in (coco, voc))
    assert {"AP", "AP50", "AP60", "AP70", "AP75", "AP80", "AP90", "APl"} <= set(first)
    assert first == pytest.approx(second)
    assert first["AP50"] > 0


def test_eval_takes_a_data_file(small_coco: tuple[Path, Path], tmp_path: Path) -> None:
    images, annotations = small_coco
    truth = json.loads(annotations.read_text())
    number = {category["id"]: k for k, category in enumerate(truth["categories"])}
    (tmp_path / "yolo/labels/val").mkdir(parents=True)
    (tmp_path / "yolo/images").mkdir()
    shown = [image["file_name"] for image in truth["images"]]
    (tmp_path / "yolo/images/val").mkdir()
    for image in truth["images"]:
        (tmp_path / "yolo/images/val" / image["file_name"]).symlink_to(images / image["file_name"])
        lines = [
            " ".join(
                str(value)
                for value in (
                    number[box["category_id"]],
                    (box["bbox"][0] + box["bbox"][2] / 2) / image["width"],
                    (box["bbox"][1] + box["bbox"][3] / 2) / image["height"],
                    box["bbox"][2] / image["width"],
                    box["bbox"][3] / image["height"],
                )
            )
            for box in truth["annotations"]
            if box["image_id"] == image["id"]
        ]
        (tmp_path / "yolo/labels/val" / f"{Path(image['file_name']).stem}.txt").write_text("\n".join(lines))
    names = ", ".join(category["name"] for category in truth["categories"])
    yolo = tmp_path / "yolo/data.yaml"
    yolo.write_text(f"train: images/val\nval: images/val\nnames: [{names}]\n")
    split = f"{{images: {images}, annotations: {annotations}}}"
    (tmp_path / "coco.yaml").write_text(f"format: coco\nval: {split}\n")
    figures = []
    for data in (yolo, tmp_path / "coco.yaml"):
        result = obcn("eval", "--model", "regression", "--data", data, "--json", data.with_suffix(".json"))
        assert result.returncode == 0, result.stderr
        figures.append(json.loads(data.with_suffix(".json").read_text()))
    assert figures[0]["data"] == str(yolo)
    assert figures[0]["images"] == len(shown) == 2
    assert figures[0]["metrics"] == pytest.approx(figures[1]["metrics"])
    assert figures[0]["metrics"]["AP50"] > 0


def test_predict_takes_a_folder(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "drawn").mkdir(parents=True)
    (photos / "notes.txt").write_text("no photo")
    for place in (photos / "b.JPG", photos / "a.jpg", photos / "drawn" / "c.jpg"):
        place.write_bytes((SAMPLES / "kitten.jpg").read_bytes())
    result = obcn("predict", photos, SAMPLES / "dog.jpg")
    assert result.returncode == 0, result.stderr
    counts = [line for line in result.stdout.splitlines() if line.endswith("object(s)")]
    assert [line.split(":")[0] for line in counts] == [
        str(place) for place in (photos / "a.jpg", photos / "b.JPG", SAMPLES / "dog.jpg")
    ]
    (tmp_path / "none").mkdir()
    assert_one_line_error(obcn("predict", tmp_path / "none"), "itself holds no photo")
    (tmp_path / "above").mkdir()
    photos.rename(tmp_path / "above" / "photos")
    assert_one_line_error(obcn("predict", tmp_path / "above"), f"{tmp_path / 'above' / 'photos'} does: name that")


def test_models_lists_what_ships() -> None:
    result = obcn("models")
    assert result.returncode == 0
    for name in ("regression", "obcn", "compact_obcn"):
        assert name in result.stdout


@pytest.mark.slow
def test_a_damaged_photo_among_others_is_named_and_the_others_are_looked_at(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes((SAMPLES / "kitten.jpg").read_bytes()[:2000])
    (photos / "b.jpg").write_bytes((SAMPLES / "kitten.jpg").read_bytes())
    result = obcn("predict", photos, "--json", tmp_path / "rows.json")
    assert result.returncode == 2
    first, second = result.stderr.splitlines()
    assert "a.jpg is damaged or cut short" in first
    assert "1 of 2 photos could not be read" in second
    assert {row["file_name"] for row in json.loads((tmp_path / "rows.json").read_text())} == {"b.jpg"}


def test_a_folder_in_an_outputs_place_is_refused_before_anything_is_looked_at(small_coco, tmp_path: Path) -> None:
    images, annotations = small_coco
    for option in ("--json", "--records", "--detections"):
        result = obcn("eval", "--model", "obcn", "--images", images, "--annotations", annotations, option, tmp_path)
        assert_one_line_error(result, f"{tmp_path} is a folder; name a file")
    assert_one_line_error(obcn("predict", SAMPLES / "kitten.jpg", "--json", tmp_path), f"{tmp_path} is a folder")


def test_eval_of_data_that_leave_out_classes_says_which_to_add(small_coco, tmp_path: Path) -> None:
    images, annotations = small_coco
    content = json.loads(annotations.read_text())
    gone = content["categories"].pop()
    content["annotations"] = [box for box in content["annotations"] if box["category_id"] != gone["id"]]
    (tmp_path / "fewer.json").write_text(json.dumps(content))
    result = obcn("eval", "--model", "obcn", "--images", images, "--annotations", tmp_path / "fewer.json")
    assert f"the data's categories leave out {gone['name']}, which the checkpoint knows; add" in result.stderr
    assert result.returncode == 2


@pytest.mark.slow
def test_predict_on_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("no photo")
    # Whatever a library says on stderr would be a second line.
    assert_one_line_error(obcn_process("predict", file), "notes.jpg", "not an image")


def test_predict_with_an_unknown_model() -> None:
    assert_one_line_error(obcn("predict", SAMPLES / "kitten.jpg", "--model", "yolo"), "yolo", "regression")


def test_predict_with_a_pickle(tmp_path: Path) -> None:
    import torch

    file = tmp_path / "weights.safetensors"
    torch.save({"weight": torch.ones(1)}, file)
    file.with_suffix(".json").write_text((SAMPLES.parents[1] / "checkpoints" / "obcn.json").read_text())
    assert_one_line_error(obcn("predict", SAMPLES / "kitten.jpg", "--model", file), "not a safetensors checkpoint")


def test_more_stages_than_the_head_has() -> None:
    result = obcn("predict", SAMPLES / "kitten.jpg", "--model", "obcn", "--stages", "5")
    assert_one_line_error(result, "2 stage(s)")


def test_eval_with_other_classes(small_coco: tuple[Path, Path]) -> None:
    images, annotations = small_coco
    content = json.loads(annotations.read_text())
    content["categories"][0]["name"] = "zebra"
    annotations.write_text(json.dumps(content))
    result = obcn("eval", "--model", "obcn", "--images", images, "--annotations", annotations)
    assert result.returncode == 2
    assert "classes" in result.stderr
    assert "zebra" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no photos to measure on: give --data, or --images and --annotations, or --voc"),
        (("--data", "a.yaml", "--voc", "b"), "named by --data and by --voc: give one of them"),
        (("--images", "photos"), "belong together: give --annotations too"),
        (("--annotations", "val.json"), "belong together: give --images too"),
        (("--data", "a.yaml", "--split", "test"), "--split is of a VOC folder: give --voc, or"),
        (("--images", "a", "--annotations", "b", "--split", "val"), "give --voc, or leave it out"),
    ],
)
def test_eval_of_photos_that_are_not_clear(options: tuple[str, ...], words: str) -> None:
    assert_one_line_error(obcn("eval", "--model", "obcn", *options), words)


@pytest.mark.parametrize("options", [("--stages", "2"), ("--stages", "1"), ("--decode", "argmax")])
def test_a_head_without_distributions_takes_no_word_on_them(options: tuple[str, str]) -> None:
    result = obcn("predict", SAMPLES / "kitten.jpg", "--model", "regression", *options)
    assert_one_line_error(result, options[0], "regresses", "leave it out")


def test_regression_in_two_looks_takes_the_first_alone() -> None:
    codec = RepooledCodec((RegressionCodec(), RegressionCodec()))
    detector = SimpleNamespace(codec=codec)
    decode_by(detector, None, 1)
    assert detector.codec == codec.decoding(num_stages=1) != codec


def test_train_with_an_unknown_key(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("name: mine\nlearning: 3\n")
    result = obcn("train", config, "--data", tmp_path / "data.yaml", "--output", tmp_path / "run")
    assert_one_line_error(result, "mine.yaml", "unknown key 'learning'")


def test_train_without_a_data_file(tmp_path: Path) -> None:
    result = obcn("train", "compact_obcn", "--data", tmp_path / "data.yaml", "--output", tmp_path / "run")
    assert_one_line_error(result, "data.yaml")


def test_two_photos_of_one_name_are_not_drawn_over_each_other(tmp_path: Path) -> None:
    other = tmp_path / "kitten.png"
    Image.open(SAMPLES / "kitten.jpg").save(other)
    result = obcn("predict", SAMPLES / "kitten.jpg", other, "--save", tmp_path / "drawn")
    assert_one_line_error(result, "one name")


def test_a_photo_is_not_drawn_over(tmp_path: Path) -> None:
    photo = tmp_path / "kitten.png"
    Image.open(SAMPLES / "kitten.jpg").save(photo)
    before = photo.read_bytes()
    assert_one_line_error(obcn("predict", photo, "--save", tmp_path), "write over the photos")
    assert photo.read_bytes() == before


def test_a_card_holds_no_other_reading_than_the_models_own() -> None:
    result = obcn("eval", "--model", "obcn", "--voc", "nowhere", "--decode", "argmax", "--write-card")
    assert_one_line_error(result, "--write-card without --decode")


def test_predict_onto_a_full_disk(tmp_path: Path) -> None:
    """Mutant: a traceback, and half of a picture. A limit on the size of files stands for the disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        result = obcn("predict", SAMPLES / "dog.jpg", "--model", "regression", "--save", tmp_path / "drawn")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_one_line_error(result, f"cannot write {tmp_path / 'drawn' / 'dog.png'}", "File too large")
    assert list((tmp_path / "drawn").iterdir()) == []


def test_predict_into_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    result = obcn("predict", SAMPLES / "kitten.jpg", "--json", blocker / "rows.json")
    assert_one_line_error(result, "cannot make the folder")


def test_a_regression_head_cannot_rank_by_what_it_does_not_know() -> None:
    result = obcn("predict", SAMPLES / "dog.jpg", "--model", "regression", "--rank-by", "certainty")
    assert_one_line_error(result, "--rank-by certainty", "regresses")


def test_boxes_that_vote_lie_elsewhere_and_unsure_ones_rank_lower(tmp_path: Path) -> None:
    rows = {}
    for name, options in (
        ("plain", ("--rank-by", "score", "--merge-by", "suppression")),
        ("voting", ("--rank-by", "score", "--merge-by", "voting")),
        ("certainty", ("--rank-by", "certainty", "--merge-by", "suppression")),
    ):
        found = tmp_path / f"{name}.json"
        result = obcn("predict", SAMPLES / "dog.jpg", "--model", "obcn", "--json", found, *options)
        assert result.returncode == 0, result.stderr
        rows[name] = json.loads(found.read_text())[0]
    assert rows["voting"]["score"] == rows["plain"]["score"]
    assert rows["voting"]["bbox"] != rows["plain"]["bbox"]
    assert rows["certainty"]["score"] < rows["plain"]["score"]


def test_version_is_said() -> None:
    assert obcn_process("--version").stdout.strip().startswith("obcn ")


@pytest.mark.slow
def test_analyse_runs_a_script_from_any_folder(tmp_path: Path) -> None:
    # It runs as the main module, with a path of its own.
    result = obcn_process("analyse", "loss-gradients", "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "--output" in result.stdout
    assert_one_line_error(obcn("analyse", "nothing"), "no analysis 'nothing'", "ap-by-iou")


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_analyse_says_of_each_script_what_it_gives(words: tuple[str, ...]) -> None:
    result = obcn("analyse", *words)
    assert result.stdout.startswith("Usage: obcn analyse NAME")
    listed = [line.split(maxsplit=1) for line in result.stdout.splitlines() if line.startswith("  ")]
    said = dict(listed)
    assert said["ap-by-iou"] == "Draw AP against the IoU threshold, and print what bad boxes cost."
    assert len(said) == len(listed) == 12


def test_analyse_takes_a_name_with_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr("runpy.run_module", lambda module, **_: ran.append(module))
    monkeypatch.setattr("sys.path", [*sys.path])
    assert obcn("analyse", "ap_by_iou", "my.parquet").returncode == 0
    assert ran == ["analysis.ap_by_iou"]


def test_no_help_offers_to_change_the_shell() -> None:
    assert "completion" not in obcn("--help").stdout


def test_app_refuses_a_model_without_its_card(tmp_path: Path) -> None:
    (tmp_path / "lone.safetensors").write_bytes(b"")
    assert_one_line_error(obcn("app", "--model", tmp_path / "lone.safetensors"), "lone.safetensors", "card (.json)")


def test_what_is_shown_has_no_say_in_where_boxes_lie(tmp_path: Path) -> None:
    """Mutant: only the boxes above --score vote."""
    boxes = []
    for score in ("0.05", "0.9"):
        found = tmp_path / f"{score}.json"
        result = obcn("predict", SAMPLES / "dog.jpg", "--model", "obcn", "--score", score, "--json", found)
        assert result.returncode == 0, result.stderr
        boxes.append(json.loads(found.read_text())[0]["bbox"])
    assert boxes[0] == boxes[1]


def test_models_shows_the_card_of_one_checkpoint() -> None:
    from obcn.checkpoints import SHIPPED_CHECKPOINTS, read_card

    path = SHIPPED_CHECKPOINTS / "obcn.safetensors"
    result = obcn("models", path)
    assert result.returncode == 0, result.stderr
    lines = dict(line.split(":", 1) for line in result.stdout.splitlines())
    card = read_card(path)
    assert card.evaluation is not None
    assert lines["checkpoint"].strip() == "obcn"
    assert "Offset bins" in lines["head"]
    assert lines["classes"].split(", ")[-1] == card.classes[-1]
    assert f"AP {card.evaluation.metrics['AP']:.1f}, AP50 " in lines["evaluated"]
    assert_one_line_error(obcn("models", path, "--say", "resize=letterbox"), "--say", "name one")
    assert_one_line_error(obcn("models", "notes.txt"), "no checkpoint 'notes.txt'")


def test_models_names_are_whole_in_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    output = obcn("models").stdout
    for name in ("regression", "obcn", "compact_regression", "compact_obcn"):
        assert any(f" {name} " in line for line in output.splitlines()), name
