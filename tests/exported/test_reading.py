from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from obcn.errors import UserError
from obcn.explain import select
from obcn.exported import open_exported
from obcn.exported.comparing import clipped
from obcn.exported.preprocessing import Preprocessing
from obcn.models.scoring import photo_tensor
from obcn.resources import ROOT
from tests.exported.modules import (
    CLASSES,
    ClippedForm,
    DFineForm,
    DistancesForm,
    NanoForm,
    PaddleForm,
    PlainForm,
    YoloForm,
)

EXAMPLE = ROOT / "docs" / "example"
Files = Callable[..., Path]
BOTH = pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])


def read(file: Path, photo: Image.Image):
    """The opened detector, and all its candidates' boxes, scores of classes and explanation."""
    detector = open_exported(file)
    scored = detector.score(photo).candidates
    outputs = scored.offset_outputs[:, 0]
    boxes = detector.codec.box.decode(detector.codec.decode(outputs), scored.boxes)
    return detector, boxes, scored.probabilities[:, 1:], detector.codec.explain(outputs)


def corners(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat((rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2), 1)


@BOTH
def test_yolo_form_gives_the_boxes_and_scores_of_its_own_network(exported: Files, photo: Image.Image, dynamo: bool):
    detector, boxes, scores, seen = read(exported("yolo", dynamo), photo)
    with torch.no_grad():
        rows = YoloForm().eval()(photo_tensor(photo)[None])[0].T
    torch.testing.assert_close(boxes, corners(rows[:, :4]), atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(scores, rows[:, 4:], atol=1e-5, rtol=1e-4)
    assert detector.classes == CLASSES
    card = detector.card
    assert (card.family, len(card.points), card.layers, card.strides) == ("in the graph", 16, 1, (8, 16, 32))
    assert [one.key for one in detector.codec.box.coordinates] == ["left", "top", "right", "bottom"]
    assert detector.thresholds.nms_iou < 1
    (stage,) = seen.stages
    assert stage.probabilities.shape == (len(boxes), 4, 16)
    torch.testing.assert_close(stage.representatives, torch.arange(16.0))


@BOTH
def test_end_to_end_form_is_read_before_its_choice_and_left_without_nms(
    exported: Files, photo: Image.Image, dynamo: bool
):
    detector, boxes, _, _ = read(exported("yolo end to end", dynamo), photo)
    assert len(boxes) == 420
    assert detector.thresholds.nms_iou == 1
    found = select(detector.score(photo), detector.codec, replace(detector.thresholds, score=0.0, per_image=20))
    with torch.no_grad():
        chosen = YoloForm(end_to_end=True).eval()(photo_tensor(photo)[None])[0]
    torch.testing.assert_close(found.scores, chosen[:, 4], atol=1e-5, rtol=1e-4)
    assert found.names == tuple(CLASSES[int(label)] for label in chosen[:, 5])


@BOTH
def test_boxes_that_are_clipped_before_they_are_whole_are_still_compared(
    exported: Files, photo: Image.Image, dynamo: bool
):
    detector, boxes, scores, _ = read(exported("clipped", dynamo), photo)
    with torch.no_grad():
        its_boxes, its_scores = ClippedForm().eval()(photo_tensor(photo)[None])
    limits = torch.tensor([photo.width, photo.height] * 2)
    torch.testing.assert_close(boxes.clamp(min=0).minimum(limits), its_boxes[0], atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(scores, its_scores[0], atol=1e-5, rtol=1e-4)
    assert detector.card.strides == (8, 16, 32)


def test_clipped_boxes_tell_nothing_where_all_of_them_fill_the_photo():
    assert clipped(np.array([[-9.0, -9, 170, 140]]), 160, 128) is None
    assert clipped(np.array([[-9.0, 5, 170, 140], [-9, -9, 170, 140]]), 160, 128) is None
    assert clipped(np.array([[-9.0, 5, 170, 140]]), 160, 128).tolist() == [[0, 5, 160, 128]]


@BOTH
def test_form_with_suppression_inside_is_read_before_it(exported: Files, photo: Image.Image, dynamo: bool):
    detector, boxes, scores, _ = read(exported("suppressed", dynamo), photo)
    with torch.no_grad():
        rows = YoloForm().eval()(photo_tensor(photo)[None])[0].T
    torch.testing.assert_close(boxes, corners(rows[:, :4]), atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(scores, rows[:, 4:], atol=1e-5, rtol=1e-4)
    assert detector.classes == CLASSES


@BOTH
def test_paddle_form_has_levels_from_the_largest_stride(exported: Files, photo: Image.Image, dynamo: bool):
    detector, boxes, scores, _ = read(exported("paddle", dynamo), photo)
    with torch.no_grad():
        its_boxes, its_scores = PaddleForm(bins=17).eval()(photo_tensor(photo)[None], torch.ones(1, 2))
    torch.testing.assert_close(boxes, its_boxes[0], atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(scores, its_scores[0].T, atol=1e-5, rtol=1e-4)
    assert (len(detector.card.points), detector.card.strides) == (17, (32, 16, 8))


@BOTH
@pytest.mark.parametrize("form", ["dfine", "dfine with its postprocessor"])
def test_dfine_form_shows_every_layer(exported: Files, photo: Image.Image, form: str, dynamo: bool):
    detector, boxes, scores, seen = read(exported(form, dynamo), photo)
    module = DFineForm().eval()
    with torch.no_grad():
        logits, its_boxes = module(photo_tensor(photo)[None])
        points = module.project()
    torch.testing.assert_close(boxes, corners(its_boxes[0]) * torch.tensor([160, 128] * 2), atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(scores, logits[0].sigmoid(), atol=1e-4, rtol=1e-3)
    assert (detector.card.family, detector.card.layers, len(seen.stages), seen.anew) == ("layer by layer", 3, 3, True)
    torch.testing.assert_close(seen.stages[0].representatives, points, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen.offsets, seen.partial[-1])
    assert not torch.allclose(seen.partial[0], seen.partial[-1], atol=0.1)
    # Few queries, chosen by the network: no box is a duplicate.
    assert detector.thresholds.nms_iou == 1


@BOTH
def test_distances_without_boxes_are_set_off_from_the_cells(exported: Files, photo: Image.Image, dynamo: bool):
    detector, boxes, scores, _ = read(exported("distances", dynamo), photo)
    with torch.no_grad():
        given = DistancesForm().eval()(photo_tensor(photo)[None])
        whole = YoloForm().eval()(photo_tensor(photo)[None])[0].T  # the same weights, decoded
    torch.testing.assert_close(boxes, corners(whole[:, :4]), atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(scores[:320], given[0][0].flatten(1).T.sigmoid(), atol=1e-5, rtol=1e-4)
    assert detector.card.strides == (8, 16, 32)
    assert any("no boxes" in words for words in detector.card.assumed)


def test_raw_form_is_read_with_what_it_assumes(exported: Files, photo: Image.Image):
    detector, boxes, scores, seen = read(exported("nano"), photo)
    with torch.no_grad():
        rows = NanoForm(bins=8).eval()(photo_tensor(photo)[None])[0]
    torch.testing.assert_close(scores, rows[:, :3], atol=1e-5, rtol=1e-4)
    shares = rows[:, 3:].reshape(-1, 4, 8).softmax(-1)
    torch.testing.assert_close(seen.stages[0].probabilities, shares, atol=1e-5, rtol=1e-4)
    # The first cell's anchor point is (4, 4).
    distances = 8 * shares[0] @ torch.arange(8.0)
    expected = 4 + torch.tensor([-1, -1, 1, 1]) * distances
    torch.testing.assert_close(boxes[0], expected, atol=1e-3, rtol=1e-4)
    assert "not checked" in detector.card.checked
    assert any("nothing checks" in words for words in detector.card.assumed)


def test_file_without_distributions_is_compared_by_its_boxes(exported: Files, photo: Image.Image):
    detector, boxes, scores, seen = read(exported("plain"), photo)
    with torch.no_grad():
        rows = PlainForm().eval()(photo_tensor(photo)[None])[0].T
    torch.testing.assert_close(boxes, corners(rows[:, :4]), atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(scores, rows[:, 4:], atol=1e-5, rtol=1e-4)
    assert (detector.card.family, seen.stages) == ("none", ())
    # A box for every cell, and nothing in the graph that takes duplicates out.
    assert detector.thresholds.nms_iou < 1


def test_distributions_that_do_not_give_back_the_boxes_are_refused_with_numbers(exported: Files):
    with pytest.raises(UserError, match=r"biased\.onnx: .*off by 4 px from what they say, 0\.1 px are allowed"):
        open_exported(exported("biased"))


def test_only_some_classes(exported: Files, photo: Image.Image):
    detector = open_exported(exported("yolo"))
    every = detector.score(photo).candidates.probabilities
    detector.only({"horse", "cat"})
    some = detector.score(photo)
    assert some.classes == detector.classes == ("cat", "horse")
    torch.testing.assert_close(some.candidates.probabilities[:, 1:], every[:, [1, 3]])


def test_boxes_come_back_from_a_letterbox():
    settings = Preprocessing(width=160, height=128, resize="letterbox")
    # 80 x 32 doubled is 160 x 64, with 32 rows of padding above.
    assert settings.array(Image.new("RGB", (80, 32))).shape == (3, 128, 160)
    back = settings.to_photo(torch.tensor([[20.0, 42.0, 60.0, 52.0]]).numpy(), 80, 32)
    assert back.tolist() == [[10.0, 5.0, 30.0, 10.0]]


def test_colours_are_normalised_then_ordered():
    settings = Preprocessing(width=32, height=32, mean=(0.5, 0.25, 0.0), std=(0.5, 1, 2), channels="bgr")
    pixel = settings.array(Image.new("RGB", (32, 32), (255, 0, 51)))[:, 0, 0]
    assert pixel.tolist() == pytest.approx([0.1, -0.25, 1.0])


def test_picodet_that_ships_as_an_example():
    detector = open_exported(EXAMPLE / "layout_cdla.onnx")
    card = detector.card
    assert (card.family, len(card.points), card.strides, card.width, card.height) == (
        "raw",
        8,
        (8, 16, 32, 64),
        608,
        800,
    )
    assert card.classes[:3] == ("text", "title", "figure")
    page = Image.open(EXAMPLE / "page.png").convert("RGB")
    found = select(detector.score(page), detector.codec, detector.thresholds).above(0.5)
    x1, y1, x2, y2 = found.boxes[found.names.index("figure")].tolist()
    # Where the figure was put on the page.
    assert [x1, y1, x2, y2] == pytest.approx([572, 140, 1040, 358], abs=25)
    assert found.names.count("text") == 5


@pytest.mark.slow
def test_dfine_of_transformers(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    from torch import nn

    torch.manual_seed(0)
    hidden = {"d_model": 32, "encoder_hidden_dim": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    config = transformers.DFineConfig(
        num_labels=3, num_queries=20, decoder_layers=3, num_denoising=0, decoder_in_channels=[32] * 3,
        encoder_attention_heads=4, decoder_attention_heads=4, **hidden,
    )  # fmt: skip
    network = transformers.DFineForObjectDetection(config).eval()
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if "bbox_embed" in name and name.endswith("layers.2.weight"):
                weights.normal_(std=0.5)

    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, photos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            found = self.network(pixel_values=photos)
            return found.logits, found.pred_boxes

    file = tmp_path / "dfine.onnx"
    torch.onnx.export(Given(), (torch.rand(1, 3, 160, 160),), file, dynamo=False, opset_version=17)
    card = open_exported(file).card
    assert (card.family, len(card.points), card.layers, len(card.classes)) == ("layer by layer", 33, 3, 3)
