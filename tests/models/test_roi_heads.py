"""The box branch: groups of offset outputs, the loss over sampled candidates, and what becomes a detection."""

import pytest
import torch
import torch.nn.functional as F

from obcn.config import BinOffsets, RegressionOffsets
from obcn.models.selection import DetectionThresholds, ScoredCandidates, select_detections
from obcn.offsets import BinCodec, RegressionCodec, decode_boxes
from tests.models.helpers import CLASSES, build, compact_config, scene

PER_CLASS = RegressionOffsets(codec="regression", class_agnostic=False)
PHOTO = (100, 200)  # height, width


def _scored(probabilities, outputs, boxes=None):
    count = len(probabilities)
    if boxes is None:
        boxes = [[10.0 + 45 * i, 20, 40 + 45 * i, 60] for i in range(count)]
    return ScoredCandidates(torch.tensor(boxes), torch.tensor(probabilities), outputs)


@pytest.mark.parametrize(
    ("offsets", "groups", "outputs"),
    [
        (RegressionOffsets(codec="regression"), 1, 4),
        (PER_CLASS, len(CLASSES), 4),
        (BinOffsets(codec="bins", num_stages=2), 1, 176),
        (BinOffsets(codec="bins", num_bins=8, class_agnostic=False), len(CLASSES), 40),
    ],
)
def test_class_specific_offsets_have_one_group_per_class(offsets, groups, outputs):
    head = build(compact_config(offsets=offsets)).roi_heads.box_head
    scores, offset_outputs = head(torch.rand(3, 16, 7, 7))
    assert scores.shape == (3, 1 + len(CLASSES))
    assert offset_outputs.shape == (3, groups, outputs)


def test_class_specific_loss_reads_the_labels_group():
    heads = build(compact_config(offsets=PER_CLASS)).roi_heads
    outputs = torch.randn(4, len(CLASSES), 4, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    labels, targets = torch.tensor([3, 0, 1, 4]), torch.zeros(4, 4)
    losses = heads.losses(torch.zeros(4, 5), outputs, labels, targets)
    chosen = torch.stack((outputs[0, 2], outputs[2, 0], outputs[3, 3]))
    torch.testing.assert_close(losses["loss_box"], heads.codec.loss(chosen, targets[:3]) / 4)
    losses["loss_box"].backward()
    touched = {(row, group) for row, group in (outputs.grad != 0).any(-1).nonzero().tolist()}
    assert touched == {(0, 2), (2, 0), (3, 3)}


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_box_loss_is_that_of_the_positives_over_all_candidates(weight):
    heads = build(compact_config(box_loss_weight=weight)).roi_heads
    generator = torch.Generator().manual_seed(1)
    scores, outputs = torch.randn(6, 5, generator=generator), torch.randn(6, 1, 176, generator=generator)
    targets, labels = torch.randn(6, 4, generator=generator), torch.tensor([0, 2, 0, 0, 4, 0])
    losses = heads.losses(scores, outputs, labels, targets)
    positives = heads.codec.loss(outputs[[1, 4], 0], targets[[1, 4]])
    torch.testing.assert_close(losses["loss_box"], weight * positives / 6)
    torch.testing.assert_close(losses["loss_classifier"], F.cross_entropy(scores, labels))


def test_background_only_costs_no_box_loss_but_keeps_its_gradient():
    for offsets in (RegressionOffsets(codec="regression", loss="giou"), BinOffsets(codec="bins", num_stages=2)):
        heads = build(compact_config(offsets=offsets)).roi_heads
        outputs = torch.randn(3, 1, heads.codec.num_outputs, requires_grad=True)
        labels = torch.zeros(3, dtype=torch.int64)
        loss = heads.losses(torch.zeros(3, 5), outputs, labels, torch.full((3, 4), float("nan")))["loss_box"]
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(outputs.grad, torch.zeros_like(outputs))


def test_a_photo_without_objects_can_be_trained_on():
    detector = build(compact_config()).train()
    photo, _ = scene()
    losses = detector([photo], [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}])
    sum(losses.values()).backward()
    assert losses["loss_box"].item() == 0
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_class_specific_selection_decodes_each_class_by_its_own_group():
    outputs = torch.zeros(1, 4, 4)
    outputs[0, 1] = torch.tensor([5.0, 0, 0, 0])  # class 2 moves right by half a width
    outputs[0, 3] = torch.tensor([0, -5.0, 0, 0])  # class 4 moves up by half a height
    scored = _scored([[0.1, 0.0, 0.5, 0.0, 0.4]], outputs)
    found = select_detections(scored, PHOTO, RegressionCodec(), DetectionThresholds())
    assert found["labels"].tolist() == [2, 4]
    torch.testing.assert_close(found["boxes"], torch.tensor([[25.0, 20, 55, 60], [10.0, 0, 40, 40]]))
    torch.testing.assert_close(found["offset_outputs"], outputs[0, [1, 3]])
    torch.testing.assert_close(found["candidates"], scored.boxes[[0, 0]])


def test_class_agnostic_selection_gives_every_class_the_same_box():
    codec = BinCodec.hierarchical(num_stages=2)
    outputs = torch.randn(1, 1, codec.num_outputs, generator=torch.Generator().manual_seed(0))
    found = select_detections(_scored([[0.1, 0.5, 0.4]], outputs), PHOTO, codec, DetectionThresholds())
    assert found["labels"].tolist() == [1, 2]
    expected = decode_boxes(codec.decode(outputs[0]), torch.tensor([[10.0, 20, 40, 60]]))
    torch.testing.assert_close(found["boxes"], expected.expand(2, 4))


def test_selection_is_by_score_best_first_without_duplicates_and_at_most_so_many():
    boxes = [[10.0, 10, 50, 50], [12.0, 10, 52, 50], [100.0, 10, 140, 50], [150.0, 10, 190, 50]]
    probabilities = [[0.4, 0.6], [0.3, 0.7], [0.5, 0.5], [0.97, 0.03]]
    scored = _scored(probabilities, torch.zeros(4, 1, 4), boxes)
    found = select_detections(scored, PHOTO, RegressionCodec(), DetectionThresholds(score=0.05, nms_iou=0.5))
    torch.testing.assert_close(found["scores"], torch.tensor([0.7, 0.5]))
    torch.testing.assert_close(found["boxes"], torch.tensor([boxes[1], boxes[2]]))
    loose = select_detections(scored, PHOTO, RegressionCodec(), DetectionThresholds(score=0.01, nms_iou=0.95))
    torch.testing.assert_close(loose["scores"], torch.tensor([0.7, 0.6, 0.5, 0.03]))
    one = select_detections(scored, PHOTO, RegressionCodec(), DetectionThresholds(per_image=1))
    torch.testing.assert_close(one["scores"], torch.tensor([0.7]))


def test_boxes_of_two_classes_do_not_suppress_each_other():
    scored = _scored([[0.2, 0.5, 0.3]], torch.zeros(1, 1, 4))
    found = select_detections(scored, PHOTO, RegressionCodec(), DetectionThresholds())
    assert found["labels"].tolist() == [1, 2]


def test_boxes_are_clipped_to_the_photo_and_those_outside_it_dropped():
    outputs = torch.zeros(2, 1, 4)
    outputs[0, 0, 2:] = 10.0  # grows far beyond the photo
    outputs[1, 0, 0] = 100.0  # leaves it
    found = select_detections(
        _scored([[0.1, 0.9], [0.1, 0.9]], outputs), PHOTO, RegressionCodec(), DetectionThresholds()
    )
    assert len(found["boxes"]) == 1
    (box,) = found["boxes"].tolist()
    assert box[:2] == [0, 0]
    assert box[3] == 100
    assert box[2] <= 200


def test_nothing_above_the_threshold_gives_empty_tensors():
    codec = BinCodec.hierarchical()
    scored = _scored([[0.99, 0.01]], torch.zeros(1, 1, codec.num_outputs))
    found = select_detections(scored, PHOTO, codec, DetectionThresholds())
    assert found["boxes"].shape == found["candidates"].shape == (0, 4)
    assert found["offset_outputs"].shape == (0, codec.num_outputs)
    assert found["labels"].numel() == found["scores"].numel() == 0


def test_no_candidates_at_all_cost_nothing():
    heads = build(compact_config()).roi_heads
    outputs, scores = torch.zeros(0, 1, 176, requires_grad=True), torch.zeros(0, 5, requires_grad=True)
    losses = heads.losses(scores, outputs, torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    sum(losses.values()).backward()
    assert {name: loss.item() for name, loss in losses.items()} == {"loss_classifier": 0, "loss_box": 0}
