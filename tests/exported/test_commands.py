import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.ops import batched_nms, clip_boxes_to_image
from typer.testing import CliRunner

import obcn
from obcn.cli import app
from obcn.engine.evaluate import average_precision
from obcn.errors import UserError
from obcn.models.scoring import photo_tensor
from obcn.opening import hints_path
from obcn.records.coco import coco_of_records
from obcn.records.files import read_info
from tests.exported.modules import CLASSES

Files = Callable[..., Path]


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def plain_rows(file: Path, photo: Path, image_id: int) -> list[dict]:
    """COCO rows of the file's own output, by onnxruntime and torchvision's NMS alone."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    image = Image.open(photo)
    (given,) = session.run(None, {"image": photo_tensor(image)[None].numpy()})
    rows = torch.from_numpy(given[0]).T
    boxes = torch.cat((rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2), 1)
    cells, labels = torch.where(rows[:, 4:] > 0.001)
    boxes, scores = clip_boxes_to_image(boxes[cells], image.size[::-1]), rows[cells, labels + 4]
    seen = ((boxes[:, 2:] - boxes[:, :2]) >= 0.01).all(1)
    boxes, scores, labels = boxes[seen], scores[seen], labels[seen]
    kept = batched_nms(boxes, scores, labels, 0.7)[:300]
    return [
        {"image_id": image_id, "category_id": label + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for (x1, y1, x2, y2), label, score in zip(
            boxes[kept].double().tolist(), labels[kept].tolist(), scores[kept].tolist(), strict=True
        )
    ]


@pytest.fixture(scope="session")
def annotated(exported: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos of noise with objects near boxes that the YOLO form finds,."""
    folder = tmp_path_factory.mktemp("annotated")
    generator = np.random.default_rng(1)
    coco: dict[str, list] = {"images": [], "annotations": []}
    coco["categories"] = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    for number in range(1, 4):
        noise = Image.fromarray(generator.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        photo = folder / f"{number}.png"
        noise.resize((160, 128), Image.Resampling.BICUBIC).save(photo)
        coco["images"].append({"id": number, "file_name": photo.name, "width": 160, "height": 128})
        for row in plain_rows(exported("yolo"), photo, number)[:24:3]:
            x, y, width, height = row["bbox"]
            box = [x, y, width * generator.uniform(0.6, 1), height * generator.uniform(0.8, 1)]
            entry = {"id": len(coco["annotations"]) + 1, "image_id": number, "category_id": row["category_id"]}
            coco["annotations"].append(entry | {"bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    (folder / "instances.json").write_text(json.dumps(coco))
    return folder


def pycocotools_ap(annotations: Path, rows: list[dict]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        judge = COCOeval(truth, truth.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return 100 * float(judge.stats[0])


def test_ap_of_eval_of_its_records_and_of_pycocotools_on_the_plain_output_are_one(
    exported: Files, annotated: Path, tmp_path: Path
):
    file, truth = exported("yolo"), annotated / "instances.json"
    records, figures = tmp_path / "r.parquet", tmp_path / "f.json"
    run("eval", "--model", file, "--images", annotated, "--annotations", truth, "--records", records, "--json", figures)
    measured = json.loads(figures.read_text())["metrics"]["AP"]
    assert measured == average_precision(*coco_of_records(records))["AP"]
    plain = [row for number in range(1, 4) for row in plain_rows(file, annotated / f"{number}.png", number)]
    assert measured == pycocotools_ap(truth, plain)
    assert 5 < measured < 95
    info = read_info(records)
    assert (info.version, info.coordinates, info.unit) == (2, ("left", "top", "right", "bottom"), "strides")
    assert (info.model, info.bins) == ("yolo", (16,))


def test_eval_leaves_out_classes_that_the_data_does_not_know(exported: Files, annotated: Path, tmp_path: Path):
    coco = json.loads((annotated / "instances.json").read_text())
    coco["categories"] = coco["categories"][1:]
    coco["annotations"] = [one for one in coco["annotations"] if one["category_id"] > 1]
    (tmp_path / "some.json").write_text(json.dumps(coco))
    found = tmp_path / "found.json"
    words = ["--images", annotated, "--annotations", tmp_path / "some.json", "--detections", found]
    run("eval", "--model", exported("yolo"), *words)
    assert {row["category_id"] for row in json.loads(found.read_text())} == {2, 3}


@pytest.mark.slow
def test_models_says_what_was_found_and_remembers_what_it_is_told(exported: Files, tmp_path: Path):
    file = tmp_path / "their.onnx"
    file.write_bytes(exported("nano").read_bytes())
    printed = run("models", file, "--say", "classes=ant,bee,cow", "--say", "resize=letterbox")
    assert "raw, 8 points per side" in printed
    assert "strides of 8, 16, 32 px" in printed
    assert "3 (ant, bee, cow)" in printed
    assert "letterbox to 160 x 128 px" in run("models", file)
    with pytest.raises(UserError, match="resize"):
        run("models", file, "--say", "resize=sideways")
    assert "letterbox" in run("models", file)


@pytest.mark.parametrize(
    ("form", "names", "said"),
    [
        ("plain", "ant", "the file has 3 scores for each box, but 1 classes are named"),
        ("dfine", "ant,bee", "the file scores 3 classes, but 2 are named; name all 3"),
        ("clipped", "ant,bee", "the file scores 3 classes, but 2 are named; name all 3"),
        ("clipped", "ant,bee,cow,dodo", "no class scores of the 4 classes that are named"),
        ("apart", "ant,bee,cow,dodo", "the file scores 3 classes, but 4 are named; name all 3"),
    ],
)
def test_other_numbers_of_class_names_are_refused(exported: Files, tmp_path: Path, form: str, names: str, said: str):
    file = tmp_path / "their.onnx"
    file.write_bytes(exported(form).read_bytes())
    with pytest.raises(UserError, match=said):
        run("models", file, "--say", f"classes={names}")
    assert not hints_path(file).exists()


@pytest.mark.parametrize("before", [None, "# ours\nbins: 8\n"])
def test_what_makes_a_file_unreadable_is_not_remembered(tmp_path: Path, before: str | None):
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"nothing of the kind")
    if before:
        hints_path(file).write_text(before)
    with pytest.raises(UserError, match="damaged"):
        run("models", file, "--say", "classes=ant,bee")
    assert (hints_path(file).read_text() if hints_path(file).exists() else None) == before


def test_predict_and_load_take_an_onnx_file(exported: Files, annotated: Path, tmp_path: Path):
    found = tmp_path / "found.json"
    run("predict", annotated / "1.png", "--model", exported("dfine"), "--score", "0.9", "--json", found)
    rows = json.loads(found.read_text())
    assert rows
    ours = obcn.load(exported("dfine")).predict(annotated / "1.png", score=0.9)
    assert ours.names == tuple(row["category"] for row in rows)
    assert ours.model == "dfine"
    assert len(ours.detections.explanation.stages) == 3


def test_card_cannot_be_written_into_an_onnx_file(exported: Files, annotated: Path):
    words = ["--images", annotated, "--annotations", annotated / "instances.json", "--write-card"]
    with pytest.raises(UserError, match="has none"):
        run("eval", "--model", exported("yolo"), *words)
