"""Files that give out what they chose themselves, and what is said of files that tell little."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from PIL import Image
from torch import nn

from obcn.errors import UserError
from obcn.explain import select
from obcn.exported import coco, open_exported
from obcn.exported.graph import Graph
from obcn.exported.plain import _one_each
from obcn.exported.preprocessing import Preprocessing
from obcn.exported.structure import from_maps
from obcn.models.scoring import photo_tensor
from tests.exported.modules import CLASSES, YoloForm, export
from tests.exported.plain_modules import AnchorsForm, BestCellsForm, DetrForm, FinishedForm, FlatForm, PicoForm
from tests.exported.test_reading import read

Files = Callable[..., Path]


def written(module: nn.Module, folder: Path, **metadata: str) -> Path:
    return export(module, folder / "x.onnx", **metadata)


# Nothing found on the check picture, or on any


def test_a_photo_with_nothing_on_it_gives_nothing(tmp_path: Path):
    module = YoloForm()
    for layer in module.scores:
        layer.bias.data -= 40
    # More cells than a network chooses objects for: those below the floor are left out.
    detector = open_exported(export(module, tmp_path / "x.onnx", size=(256, 320)))
    scored = detector.score(Image.new("RGB", (320, 256)))
    assert scored.candidates.offset_outputs.shape == (0, 1, 64)
    assert len(select(scored, detector.codec, detector.thresholds).boxes) == 0


@pytest.mark.parametrize("module", [FlatForm(), FlatForm(rows=400), FlatForm(least=2), FlatForm(least=2, rows=400)])
def test_rows_that_the_file_chose_are_checked_whether_or_not_it_found_anything(
    module: FlatForm, tmp_path: Path, photo: Image.Image
):
    detector, boxes, scores, _ = read(written(module, tmp_path, names=str(list(CLASSES))), photo)
    with torch.no_grad():
        rows = YoloForm().eval()(photo_tensor(photo)[None])[0].T
    assert detector.card.family == "in the graph"
    # Read before the choice, wherever that was made.
    torch.testing.assert_close(scores, rows[:, 4:], atol=1e-5, rtol=1e-4)
    assert len(boxes) == len(rows)


def test_chosen_rows_that_were_moved_are_refused(tmp_path: Path):
    class Moved(FlatForm):
        def forward(self, photos):
            rows = super().forward(photos) + torch.tensor([0.0, 4, 4, 0, 0, 0, 0])
            # Of many columns, these are not what a file gives out where it finds nothing.
            return rows, 0 * rows[:, :1].repeat(1, 9)

    with pytest.raises(UserError, match="changed after them: what it gives out is off by 4 px"):
        open_exported(written(Moved(), tmp_path))


# No distribution


def test_labels_of_a_file_are_cocos_ids(tmp_path: Path, photo: Image.Image):
    module = FinishedForm(first=88).eval()
    file = tmp_path / "x.onnx"
    torch.onnx.export(module, (torch.rand(3, 128, 160),), file, dynamo=False, opset_version=17)
    detector = open_exported(file)
    assert detector.card.family == "none"
    assert not detector.card.suppress
    assert detector.classes == coco.NAMES
    assert "COCO's, by their ids" in detector.card.assumed[-1]
    found = detector.score(photo).candidates
    with torch.no_grad():
        boxes, labels, scores = module(photo_tensor(photo))
    best, column = found.probabilities[:, 1:].max(1)
    # Nearly equal scores may come in another order. 88 to 90 are the last three of the 80 that have names.
    given = torch.column_stack((found.boxes, 1000 * best, 1000 * column))
    expected = torch.column_stack((boxes, 1000 * scores, 1000 * (labels - 88 + 77)))
    apart = (given[:, None] - expected[None]).abs().amax(-1)
    assert max(apart.amin(0).max(), apart.amin(1).max()) < 0.01
    assert [detector.classes[number] for number in (77, 78, 79)] == ["teddy bear", "hair drier", "toothbrush"]


def test_labels_that_the_check_picture_lacks_are_kept(tmp_path: Path, photo: Image.Image):
    file = tmp_path / "x.onnx"
    torch.onnx.export(FinishedForm(first=1).eval(), (torch.rand(3, 128, 160),), file, dynamo=False, opset_version=17)
    assert len(open_exported(file).classes) == coco.NUM_IDS


def test_a_file_that_finds_nothing_on_the_check_picture_opens(tmp_path: Path, photo: Image.Image):
    file = tmp_path / "x.onnx"
    torch.onnx.export(FinishedForm(least=2).eval(), (torch.rand(3, 128, 160),), file, dynamo=False, opset_version=17)
    detector = open_exported(file)
    assert "nothing was found on the check picture: boxes are taken to be corners in pixels" in detector.card.assumed
    assert len(detector.score(photo).candidates.boxes) == 0


def test_scores_before_boxes_are_no_boxes(tmp_path: Path, photo: Image.Image):
    module = DetrForm().eval()
    detector = open_exported(written(module, tmp_path))
    assert detector.classes == coco.NAMES
    assert not detector.card.suppress
    with torch.no_grad():
        logits, boxes = module(photo_tensor(photo)[None])
    found = detector.score(photo).candidates
    centre, size = boxes[0].split(2, 1)
    pixels = torch.cat((centre - size / 2, centre + size / 2), 1) * torch.tensor([160, 128, 160, 128])
    torch.testing.assert_close(found.boxes, pixels, atol=1e-3, rtol=1e-5)
    expected = logits[0].softmax(-1)[:, list(coco.IDS)]
    torch.testing.assert_close(found.probabilities[:, 1:], expected, atol=1e-5, rtol=1e-4)
    detector.only(["zebra", "person"])
    some = detector.score(photo).candidates.probabilities[:, 1:]
    assert detector.classes == ("person", "zebra")
    torch.testing.assert_close(some, logits[0].softmax(-1)[:, [1, 24]], atol=1e-5, rtol=1e-4)


def test_one_more_score_than_names_asks_what_it_is(tmp_path: Path):
    with pytest.raises(UserError, match=r"scores 92 classes, but 91 are named; .* say scores=softmax"):
        open_exported(written(DetrForm(), tmp_path, names=str([f"c{n}" for n in range(91)])))


@pytest.mark.parametrize(("best", "suppress"), [(0, True), (2000, True), (20, False)])
def test_many_boxes_for_each_cell_are_left_to_nms(tmp_path: Path, best: int, suppress: bool):
    assert open_exported(written(AnchorsForm(best), tmp_path)).card.suppress == suppress


def test_as_many_numbers_as_a_pyramid_has_cells_are_no_cells(tmp_path: Path):
    # Strides of 32 and 64 px have 26 cells here; each of these boxes has 26 numbers.
    card = open_exported(written(AnchorsForm(classes=22), tmp_path)).card
    assert (card.family, len(card.classes)) == ("none", 22)


def test_as_many_boxes_as_a_level_has_cells_are_no_level_where_they_were_chosen(tmp_path: Path):
    # A stride of 32 px has 20 cells here, and 32 logits could be 8 bins for each of four sides.
    names = str({number: f"c{number}" for number in range(32)})
    card = open_exported(written(BestCellsForm(20, 32), tmp_path, names=names)).card
    assert (card.family, len(card.classes)) == ("none", 32)


def test_one_box_alone_has_its_score_and_label_beside_it():
    outputs = {
        name: np.zeros(shape, kind)
        for name, shape, kind in (
            ("boxes", (1, 4), "f4"),
            ("count", (2,), "i8"),
            ("scores", (1,), "f4"),
            ("labels", (1, 1), "i8"),
        )
    }
    assert [_one_each(outputs, 1, kinds, "boxes") for kinds in ("f", "iu")] == ["scores", "labels"]


def test_the_shape_of_a_map_makes_no_map_of_what_it_shapes():
    nodes = [
        helper.make_node("Conv", ["photo", "kernel"], ["map"]),
        helper.make_node("Shape", ["map"], ["sizes"]),
        helper.make_node("MatMul", ["queries", "weights"], ["numbers"]),
        helper.make_node("Reshape", ["numbers", "sizes"], ["boxes"]),
        helper.make_node("Reshape", ["map", "sizes"], ["cells"]),
    ]
    made = Graph(helper.make_model(helper.make_graph(nodes, "made", [], [])))
    assert (from_maps(made, "boxes"), from_maps(made, "cells")) == (False, True)


# Cut off


def test_a_level_with_fewer_cells_than_numbers_is_one(tmp_path: Path, photo: Image.Image):
    module = PicoForm().eval()
    detector, _, scores, seen = read(written(module, tmp_path), photo)
    assert (detector.card.family, detector.card.strides) == ("raw", (8, 16, 32))
    with torch.no_grad():
        outputs = module(photo_tensor(photo)[None])
    torch.testing.assert_close(scores, torch.cat(outputs[:3], 1)[0], atol=1e-5, rtol=1e-4)
    expected = torch.cat(outputs[3:], 1)[0].reshape(-1, 4, 8).softmax(-1)
    torch.testing.assert_close(seen.stages[0].probabilities, expected, atol=1e-5, rtol=1e-4)


# What is assumed


def test_a_quantised_file_says_why_its_distributions_are_not_shown(exported: Files, tmp_path: Path):
    model = onnx.load(exported("yolo"))
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    place = list(model.graph.node).index(softmax)
    name, softmax.output[0] = softmax.output[0], "whole"
    scale, zero = (helper.make_tensor(n, t, [], [v]) for n, t, v in (("scale", 1, 1 / 255), ("zero", 2, 0)))
    model.graph.initializer.extend([scale, zero])
    model.graph.node.insert(place + 1, helper.make_node("QuantizeLinear", ["whole", "scale", "zero"], ["rounded"]))
    model.graph.node.insert(place + 2, helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], [name]))
    onnx.save(model, tmp_path / "x.onnx")
    card = open_exported(tmp_path / "x.onnx").card
    assert card.family == "none"
    assert card.checked.startswith("the file is quantised")


@pytest.mark.parametrize(("spread", "said"), [(0.0, True), (1.0, False)])
def test_a_check_that_tells_nothing_says_so(tmp_path: Path, spread: float, said: bool):
    module = YoloForm()
    for layer in module.sides:
        layer.weight.data *= spread
        layer.bias.data *= spread
    assumed = open_exported(written(module, tmp_path)).card.assumed
    assert any("nothing tells one side from another" in one for one in assumed) == said


def test_a_photo_lies_in_the_corner_or_in_the_centre():
    photo = Image.new("RGB", (100, 50), (255, 255, 255))
    grey = np.float32(114 / 255)
    for pad, top in (("corner", 0), ("centre", 32)):
        settings = Preprocessing(width=128, height=128, resize="letterbox", pad=pad)
        pixels = settings.array(photo)[0]
        assert pixels[top, 0] == pixels[top + 63, 127] == 1
        assert abs(pixels[(top + 64) % 128, 0] - grey) < 1e-6
        boxes = np.array([[0, top, 128, top + 64]], np.float32)
        np.testing.assert_allclose(settings.to_photo(boxes, 100, 50), [[0, 0, 100, 50]], atol=1e-4)


@pytest.mark.parametrize(("said", "pad"), [("topleft", "corner"), ("center", "centre")])
def test_metadata_say_how_photos_are_padded(tmp_path: Path, said: str, pad: str):
    file = written(YoloForm(), tmp_path, names=str(list(CLASSES)), letterbox_pad=said)
    detector = open_exported(file)
    assert detector._preprocessing.pad == pad
    assert detector._preprocessing.resize == "letterbox"
    assert detector.card.assumed == ()


@pytest.mark.parametrize(("form", "said"), [("nano", "by ImageNet's mean"), ("paddle", "PicoDet want mean=0.485")])
def test_a_graph_of_paddles_is_known_by_its_name(exported: Files, tmp_path: Path, form: str, said: str):
    model = onnx.load(exported(form))
    model.graph.name = "PaddlePaddle Graph 0"
    onnx.save(model, tmp_path / "x.onnx")
    assert any(said in one for one in open_exported(tmp_path / "x.onnx").card.assumed)
