import base64
import io

import plotly.graph_objects as go
import pytest
import torch
from PIL import Image

from obcn.figures.belief import belief_of
from obcn.figures.crops import (
    CROP_HEIGHT,
    DrawnBox,
    boxes_on_crop,
    boxes_on_photo,
    refinement_figure,
    sides_figure,
    verdicts_figure,
)
from obcn.figures.palette import LIGHT
from tests.app.helpers import BINS, HEIGHT, WIDTH, detections

PHOTO = Image.new("RGB", (WIDTH, HEIGHT), "white")
BOX = [60.0, 40.0, 120.0, 90.0]


def belief(codec=BINS, truth=True):
    rivals = {"regression": torch.tensor([62.0, 41.0, 118.0, 92.0])}
    if truth:
        rivals["truth"] = torch.tensor(BOX)
    return belief_of(detections([BOX], ["dog"], [0.9], codec), 0, rivals)


def named(figure: go.Figure) -> dict[str, go.Scatter]:
    return {trace.name: trace for trace in figure.data if trace.name}


def corners(trace: go.Scatter) -> list[float]:
    return [min(trace.x), min(trace.y), max(trace.x), max(trace.y)]


def test_refinement_goes_from_candidate_over_stage_one_to_the_final_box() -> None:
    seen = belief()
    lines = named(refinement_figure(PHOTO, seen))
    names = [name.split(" (")[0] for name in lines]
    assert names == ["truth", "candidate", "after stage 1", "final, after stage 2"]
    drawn = list(lines.values())
    assert corners(drawn[1]) == pytest.approx(seen.candidate.tolist())
    assert corners(drawn[2]) == pytest.approx(seen.after_stages[0].tolist(), abs=1e-3)
    assert corners(drawn[3]) == pytest.approx(seen.final.tolist(), abs=1e-3)


def test_with_one_stage_the_final_box_follows_the_candidate() -> None:
    names = list(named(refinement_figure(PHOTO, belief(BINS.decoding(num_stages=1), truth=False))))
    assert names == ["candidate", "final, after stage 1"]


def test_verdicts_show_both_decode_rules_regression_and_truth_each_with_its_iou() -> None:
    seen = belief()
    lines = named(verdicts_figure(PHOTO, {**seen.by_rule, **seen.rivals}))
    assert [name.split(" (")[0] for name in lines] == ["truth", "OBCN, expectation", "OBCN, argmax", "regression"]
    assert "regression (IoU 0.88)" in lines, "56 x 49 pixels shared of 60 x 50 + 56 x 51 - 56 x 49"
    assert all("IoU" in name for name in lines if name != "truth")


def test_without_a_truth_no_iou_is_claimed() -> None:
    assert not any("IoU" in name for name in named(verdicts_figure(PHOTO, belief(truth=False).by_rule)))


def test_the_crop_holds_every_box_and_stays_inside_the_photo() -> None:
    seen = belief()
    figure = refinement_figure(PHOTO, seen)
    (image,) = figure.layout.images
    left, top = image.x, image.y
    right, bottom = left + image.sizex, top + image.sizey
    assert 0 <= left < 60
    assert 0 <= top < 38
    assert 120 < right <= WIDTH
    assert 95 < bottom <= HEIGHT
    assert list(figure.layout.yaxis.range) == [bottom, top], "rows run downwards, as in a photo"
    content = base64.b64decode(image.source.split(",")[1])
    assert Image.open(io.BytesIO(content)).size == (right - left, bottom - top)


def test_a_box_at_the_rim_is_cropped_without_leaving_the_photo() -> None:
    seen = belief_of(detections([[0.0, 0.0, WIDTH, HEIGHT]], ["dog"], [0.9]), 0)
    (image,) = verdicts_figure(PHOTO, seen.by_rule).layout.images
    assert (image.x, image.y, image.sizex, image.sizey) == (0, 0, WIDTH, HEIGHT)


def test_a_box_outside_the_photo_still_draws() -> None:
    outside = DrawnBox(torch.tensor([500.0, 500.0, 600.0, 600.0]), LIGHT.lines["argmax"], "far away")
    (image,) = boxes_on_crop(PHOTO, [outside]).layout.images
    assert image.sizex >= 1
    assert image.sizey >= 1


def test_the_whole_photo_carries_every_box_with_its_name() -> None:
    drawn = [DrawnBox(torch.tensor(BOX), LIGHT.lines["argmax"], name) for name in ("dog 0.90", "cat 0.80")]
    figure = boxes_on_photo(PHOTO, drawn)
    (image,) = figure.layout.images
    assert (image.sizex, image.sizey) == (WIDTH, HEIGHT)
    assert [text.strip() for text in figure.data[-1].text] == ["dog 0.90", "cat 0.80"]
    assert corners(figure.data[1]) == BOX
    assert boxes_on_photo(PHOTO, []).layout.images, "a photo without a box is still a photo"


def test_a_wide_box_with_its_sides_leaves_no_room_below() -> None:
    photo = Image.new("RGB", (400, 100), "white")
    wide = belief_of(detections([[20.0, 40.0, 380.0, 60.0]], ["dog"], [0.9]), 0)
    figure = sides_figure(photo, wide)
    (image,) = figure.layout.images
    assert figure.layout.height == pytest.approx(640 * image.sizey / image.sizex, abs=1)
    assert figure.layout.height < CROP_HEIGHT
    assert sides_figure(PHOTO, belief()).layout.height == CROP_HEIGHT
