"""Crowds and difficult objects teach the box head nothing: they are no objects, and no background either."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign

from obcn.config import DetectorConfig
from obcn.models import build_detector
from obcn.models.box_head import BoxHead
from obcn.models.roi_heads import OffsetRoIHeads
from obcn.models.selection import DetectionThresholds
from obcn.offsets import RegressionCodec

CROWD = [0.0, 0.0, 100.0, 100.0]
OBJECT = [40.0, 40.0, 60.0, 60.0]
# Name to a candidate and the label that it gets; None where it is left out.
CANDIDATES = {
    "small, inside the crowd": ([10, 10, 20, 20], None),
    "more than half inside": ([89, 10, 109, 20], None),
    "less than half inside": ([91, 10, 111, 20], 0),
    "around the crowd, mostly outside": ([0, 0, 150, 150], 0),
    "far away": ([200, 200, 240, 240], 0),
    "on the object in the crowd": ([42, 40, 62, 60], 1),
    "near the object, not on it": ([50, 50, 75, 75], None),
}


@pytest.fixture
def heads() -> OffsetRoIHeads:
    """Samples up to 64 candidates, so that none is left out for want of room."""
    pool = MultiScaleRoIAlign(["0"], 7, sampling_ratio=2)
    head = BoxHead(in_channels=4, hidden=8, num_classes=2, num_outputs=4, class_agnostic=True)
    codec = RegressionCodec("smooth_l1", 1.0)
    return OffsetRoIHeads(pool, head, [], codec, 0.5, 64, 0.5, 1.0, DetectionThresholds()).train()


def target(**boxes: list) -> dict[str, Tensor]:
    found = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    return found | {name: torch.tensor(value) for name, value in boxes.items()}


def labelled(heads: OffsetRoIHeads, target: dict[str, Tensor]) -> dict[str, int]:
    proposals = torch.tensor([box for box, _ in CANDIDATES.values()], dtype=torch.float32)
    (boxes,), _, (labels,), _ = heads.select_training_samples([proposals], [target])
    names = {tuple(box): name for name, (box, _) in CANDIDATES.items()}
    pairs = zip(boxes.tolist(), labels.tolist(), strict=True)
    return {names[tuple(box)]: label for box, label in pairs if tuple(box) in names}


def test_candidates_mostly_inside_an_ignored_box_are_no_background(heads):
    sampled = labelled(heads, target(boxes=[OBJECT], labels=[1], ignored=[CROWD]))
    assert sampled == {name: label for name, (_, label) in CANDIDATES.items() if label is not None}


def test_without_ignored_boxes_every_candidate_counts(heads):
    expected = {name: label or 0 for name, (_, label) in CANDIDATES.items()}
    assert labelled(heads, target(boxes=[OBJECT], labels=[1])) == expected
    assert labelled(heads, target(boxes=[OBJECT], labels=[1]) | {"ignored": torch.zeros(0, 4)}) == expected


def test_photo_that_is_one_crowd_teaches_nothing_and_breaks_nothing(heads):
    features = {"0": torch.rand(1, 4, 32, 32, requires_grad=True)}
    inside = torch.tensor([CANDIDATES["small, inside the crowd"][0]], dtype=torch.float32)
    _, losses = heads(features, [inside], [(256, 256)], [target(ignored=[CROWD])])
    assert {name: loss.item() for name, loss in losses.items()} == {"loss_classifier": 0, "loss_box": 0}
    sum(losses.values()).backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in heads.parameters())


def test_anchors_mostly_inside_an_ignored_box_are_no_background_for_proposals(config: DetectorConfig):
    anchors = torch.tensor([box for box, _ in CANDIDATES.values()], dtype=torch.float32)
    network = build_detector(config, ("red", "blue")).rpn
    (labels,), _ = network.assign_targets_to_anchors([anchors], [target(boxes=[OBJECT], labels=[1], ignored=[CROWD])])
    found = dict(zip(CANDIDATES, labels.tolist(), strict=True))
    assert found == {name: -1 if label is None else label for name, (_, label) in CANDIDATES.items()}
    (labels,), _ = network.assign_targets_to_anchors([anchors], [target(boxes=[OBJECT], labels=[1])])
    assert labels.tolist() == [label or 0 for _, label in CANDIDATES.values()]


def test_ignored_boxes_are_resized_with_the_photo(config: DetectorConfig):
    transform = build_detector(config, ("red", "blue")).train().transform
    photo, given = (
        torch.rand(3, 48, 32),
        target(boxes=[[0.0, 0.0, 16.0, 24.0]], labels=[1], ignored=[[8.0, 12, 32, 48]]),
    )
    images, (resized,) = transform([photo], [given])
    height, width = images.image_sizes[0]
    torch.testing.assert_close(resized["ignored"], torch.tensor([[width / 4, height / 4, width, height]]))
    torch.testing.assert_close(resized["boxes"], torch.tensor([[0, 0, width / 2, height / 2]]))
