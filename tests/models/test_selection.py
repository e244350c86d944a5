"""Ranking by certainty and voting, against the formulas written out box by box."""

import math

import pytest
import torch
from pydantic import ValidationError

from obcn.config import BoxHeadConfig, RegressionOffsets, SelectionConfig
from obcn.models.selection import DetectionThresholds, ScoredCandidates, select_detections, vote
from obcn.offsets import BinCodec, RegressionCodec, RepooledCodec, decode_boxes
from obcn.offsets.sides import side_variance

CODEC = BinCodec(20, (3.0,))
PHOTO = (200, 300)
BOXES = torch.tensor([[20.0, 30, 100, 120], [24.0, 33, 104, 118], [22.0, 28, 99, 125], [180.0, 40, 260, 150]])


def _scored(sharpness):
    """One candidate per box; the sharper, the narrower its distributions around zero."""
    middle = torch.arange(22.0) - 10.5
    outputs = torch.stack([-(middle.square() * sharp).expand(4, 22).flatten() for sharp in sharpness])
    probabilities = torch.tensor([[0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.4, 0.5, 0.1]])
    return ScoredCandidates(BOXES, probabilities, outputs[:, None])


def _spread(sharp):
    """Standard deviation of one coordinate, in normalised offsets."""
    weights = [math.exp(-sharp * (k - 10.5) ** 2) for k in range(22)]
    places = [-3.0, *[-3 + 0.3 * (k + 0.5) for k in range(20)], 3.0]
    mean = sum(w * x for w, x in zip(weights, places, strict=True)) / sum(weights)
    return math.sqrt(sum(w * (x - mean) ** 2 for w, x in zip(weights, places, strict=True)) / sum(weights))


def _variance(sharp, box):
    """Of the left and the upper side, in square pixels, for distributions around zero."""
    spread = _spread(sharp)
    sizes = (box[2] - box[0], box[3] - box[1])
    return [(spread / 10 * size) ** 2 + (spread / 5 * size) ** 2 / 4 for size in sizes]


def test_variance_of_a_side_is_that_of_the_centre_and_a_quarter_of_that_of_the_size():
    scored = _scored((0.5, 0.1, 0.02, 2.0))
    variance = side_variance(CODEC.box, CODEC.explain(scored.offset_outputs[:, 0]), scored.boxes)
    for row, (sharp, box) in enumerate(zip((0.5, 0.1, 0.02, 2.0), BOXES.tolist(), strict=True)):
        assert variance[row].tolist() == pytest.approx(_variance(sharp, box) * 2, rel=1e-4)


def test_spread_of_the_size_is_that_of_the_predicted_size():
    outputs = torch.zeros(1, 4, 22)
    outputs[0, 2, 20], outputs[0, 2, 19] = 60.0, 60.0  # w: between the last two bins, at 2.7, so e^0.54 as wide
    outputs[0, [0, 1, 3], 11] = 60.0
    (variance,) = side_variance(
        CODEC.box, CODEC.explain(outputs.flatten(1)), torch.tensor([[0.0, 0, 100, 100]])
    ).tolist()
    assert variance[0] == pytest.approx((0.15 / 5 * 100 * math.exp(2.7 / 5)) ** 2 / 4, rel=1e-3)


def test_an_unsure_box_ranks_below_a_sure_one():
    sharpness = (2.0, 0.02, 0.5, 2.0)
    by_score = select_detections(_scored(sharpness), PHOTO, CODEC, DetectionThresholds(score=0.2, nms_iou=0.99))
    assert by_score["candidates"].tolist() == BOXES[[1, 0, 3, 2]].tolist()
    thresholds = DetectionThresholds(score=0.2, nms_iou=0.99, rank_by="certainty", certainty_weight=2.0)
    found = select_detections(_scored(sharpness), PHOTO, CODEC, thresholds)
    expected = []
    for sharp, box, probability in zip(sharpness, BOXES.tolist(), (0.6, 0.7, 0.4, 0.5), strict=True):
        across, down = _variance(sharp, box)
        unsure = (math.sqrt(across) / (box[2] - box[0]) + math.sqrt(down) / (box[3] - box[1])) / 2
        expected.append(probability * math.exp(-2.0 * unsure))
    order = sorted(range(4), key=lambda row: -expected[row])
    assert order != [1, 0, 3, 2]
    assert found["candidates"].tolist() == BOXES[order].tolist()
    assert found["scores"].tolist() == pytest.approx([expected[row] for row in order], rel=1e-4)
    assert found["probabilities"].tolist() == pytest.approx([(0.6, 0.7, 0.4, 0.5)[row] for row in order])


def _iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize("codec", [CODEC, RegressionCodec()])
def test_sure_boxes_have_the_larger_say_and_other_classes_none(codec):
    sharpness = (2.0, 0.05, 0.5, 2.0)
    scored = _scored(sharpness)
    if codec is not CODEC:
        scored = ScoredCandidates(scored.boxes, scored.probabilities, torch.zeros(4, 1, 4))
    thresholds = DetectionThresholds(score=0.2, merge_by="voting", voting_sigma=0.05)
    found = select_detections(scored, PHOTO, codec, thresholds)
    assert found["candidates"].tolist() == BOXES[[1, 3]].tolist()
    outputs = scored.offset_outputs[:, 0]
    boxes = decode_boxes(codec.decode(outputs), BOXES).tolist()
    expected = []
    for side in range(4):
        votes = []
        for box, probability, sharp in zip(boxes, (0.6, 0.7, 0.4, 0.5), sharpness, strict=True):
            iou = _iou(boxes[1], box)
            variance = _variance(sharp, box)[side % 2] if codec is CODEC else 1.0
            votes.append(probability * math.exp(-((1 - iou) ** 2) / 0.05) / variance if iou else 0.0)
        places = [box[side] for box in boxes]
        expected.append(sum(v * x for v, x in zip(votes, places, strict=True)) / sum(votes))
    assert found["boxes"][0].tolist() == pytest.approx(expected, abs=0.02)
    assert found["boxes"][1].tolist() == pytest.approx(boxes[3], abs=1e-3)


def test_a_box_of_another_class_at_the_same_place_has_no_vote():
    scored = _scored((1.0, 1.0, 1.0, 1.0))
    probabilities = torch.tensor([[0.3, 0.7, 0.0], [0.3, 0.0, 0.7], [0.9, 0.0, 0.0], [0.9, 0.0, 0.0]])
    scored = ScoredCandidates(scored.boxes, probabilities, scored.offset_outputs)
    found = select_detections(scored, PHOTO, CODEC, DetectionThresholds(merge_by="voting"))
    torch.testing.assert_close(found["boxes"], BOXES[:2], atol=0.01, rtol=0)


def test_regression_does_not_know_how_sure_it_is():
    scored = ScoredCandidates(BOXES, torch.full((4, 2), 0.5), torch.zeros(4, 1, 4))
    with pytest.raises(ValueError, match="no distribution"):
        select_detections(scored, PHOTO, RegressionCodec(), DetectionThresholds(rank_by="certainty"))
    with pytest.raises(ValidationError, match="keeps a distribution"):
        BoxHeadConfig(offsets=RegressionOffsets(codec="regression"), selection=SelectionConfig(rank_by="certainty"))


def test_an_unsure_box_has_its_class_probability_as_its_vote_not_its_rank():
    """Mutant: votes weighed by the scores that boxes rank by, which counts the doubt twice."""
    scored = _scored((2.0, 0.02, 0.5, 2.0))
    settings = {"score": 0.2, "merge_by": "voting", "voting_sigma": 0.05, "nms_iou": 0.5}
    plain = select_detections(scored, PHOTO, CODEC, DetectionThresholds(**settings))
    ranked = select_detections(scored, PHOTO, CODEC, DetectionThresholds(**settings, rank_by="certainty"))
    decoded = decode_boxes(CODEC.decode(scored.offset_outputs[:, 0]), BOXES)
    variance = side_variance(CODEC.box, CODEC.explain(scored.offset_outputs[:, 0]), BOXES)
    labels, probabilities = torch.tensor([1, 1, 1, 1]), torch.tensor([0.6, 0.7, 0.4, 0.5])
    found = {"boxes": decoded, "labels": labels, "probabilities": probabilities}
    for detections in (plain, ranked):
        kept = torch.tensor([BOXES.tolist().index(box) for box in detections["candidates"].tolist()])
        torch.testing.assert_close(detections["boxes"], vote(found, kept, variance, 0.05))
    assert plain["candidates"].tolist() != ranked["candidates"].tolist(), "the rank decides which box stays"


def test_certainty_is_the_first_looks_at_the_first_looks_box():
    """Mutants: the last stage's spread, or the size after the last stage."""
    first = BinCodec(20, (3.0,))
    codec = RepooledCodec((first, BinCodec(20, (0.6,))))
    outputs = torch.randn(3, codec.num_outputs, generator=torch.Generator().manual_seed(0))
    candidates = BOXES[:3]
    alone = side_variance(first.box, first.explain(outputs[:, :88]), candidates)
    torch.testing.assert_close(side_variance(codec.box, codec.explain(outputs), candidates), alone)
