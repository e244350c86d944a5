"""Two box heads in a row, at foreground IoU 0.5 and 0.7."""

import pytest
import torch

from obcn.config import BinOffsets, RegressionOffsets
from obcn.models.selection import DetectionThresholds
from tests.models.helpers import CLASSES, build, compact_config, scene
from tests.offsets import reference

IMAGE = (96, 128)


def _cascade(offsets=None):
    offsets = offsets or BinOffsets(codec="bins", num_stages=1)
    return build(compact_config(offsets=offsets, foreground_iou=(0.5, 0.7)))


def _features_and_proposals(detector, counts=(5, 3)):
    generator = torch.Generator().manual_seed(0)
    features = {
        name: torch.rand(len(counts), 16, IMAGE[0] // stride, IMAGE[1] // stride, generator=generator)
        for name, stride in zip(detector.backbone.level_names, (8, 16, 32), strict=True)
    }
    proposals = []
    for count in counts:
        corner = torch.rand(count, 2, generator=generator) * 40
        proposals.append(torch.cat((corner, corner + 20 + torch.rand(count, 2, generator=generator) * 30), dim=1))
    return features, proposals, [IMAGE] * len(counts)


def test_losses_are_named_by_stage():
    detector = _cascade().train()
    photo, target = scene()
    losses = detector([photo], [target])
    assert losses.keys() == {
        "loss_objectness",
        "loss_rpn_box_reg",
        "loss_classifier_1",
        "loss_box_1",
        "loss_classifier_2",
        "loss_box_2",
    }
    sum(losses.values()).backward()
    for stage in detector.roi_heads.stages:
        for layer in (stage.box_head.class_scores, stage.box_head.offset_outputs):
            assert layer.weight.grad.abs().sum() > 0


def test_each_stage_has_its_own_foreground_iou():
    stages = _cascade().roi_heads.stages
    boxes = torch.tensor([[0.0, 0, 100, 100]])
    candidates = torch.tensor([[0.0, 0, 100, 60], [0.0, 0, 100, 80], [0.0, 0, 100, 40]])
    labels = [
        stage.assign_targets_to_proposals([candidates], [boxes], [torch.tensor([2])])[1][0].tolist() for stage in stages
    ]
    assert labels == [[2, 2, 0], [0, 2, 0]]


@pytest.mark.parametrize("offsets", [BinOffsets(codec="bins", num_stages=1), RegressionOffsets(codec="regression")])
def test_the_last_candidates_are_refined_boxes_and_scores_are_averaged(offsets):
    detector = _cascade(offsets).eval()
    first, last = detector.roi_heads.stages
    features, proposals, shapes = _features_and_proposals(detector)
    with torch.inference_mode():
        scored = detector.roi_heads.score(features, proposals, shapes)
        scores, outputs = first.box_head(first.box_roi_pool(features, proposals, shapes))
        offsets = first.codec.decode(outputs[:, 0]).tolist()
        refined = [reference.decode_box(t, box) for t, box in zip(offsets, torch.cat(proposals).tolist(), strict=True)]
        refined = torch.tensor(refined, dtype=torch.float32).clamp(min=0)
        refined = torch.minimum(refined, torch.tensor([IMAGE[1], IMAGE[0]] * 2))
        torch.testing.assert_close(torch.cat([image.boxes for image in scored]), refined, rtol=1e-4, atol=1e-3)

        kept = [image.boxes for image in scored]
        last_scores, last_outputs = last.box_head(last.box_roi_pool(features, kept, shapes))
    mean = (scores.softmax(-1) + last_scores.softmax(-1)) / 2
    torch.testing.assert_close(torch.cat([image.probabilities for image in scored]), mean)
    torch.testing.assert_close(torch.cat([image.offset_outputs for image in scored]), last_outputs)
    assert [len(image.boxes) for image in scored] == [5, 3]


def test_the_second_stage_trains_on_the_boxes_that_the_first_refined(monkeypatch):
    detector = _cascade().train()
    first, last = detector.roi_heads.stages
    features, proposals, shapes = _features_and_proposals(detector, counts=(6,))
    target = {"boxes": torch.tensor([[10.0, 10, 60, 60]]), "labels": torch.tensor([1])}
    entered, sampled = [], []
    select = type(last).select_training_samples

    def watch(stage, boxes, targets):
        entered.append([box.clone() for box in boxes])
        found = select(stage, boxes, targets)
        sampled.append(found[0])
        return found

    monkeypatch.setattr(type(last), "select_training_samples", watch)
    detector.roi_heads(features, proposals, shapes, [target])
    assert torch.equal(entered[0][0], proposals[0])
    _, outputs = first.box_head(first.box_roi_pool(features, sampled[0], shapes))
    offsets = first.codec.decode(outputs[:, 0]).tolist()
    refined = [reference.decode_box(t, box) for t, box in zip(offsets, sampled[0][0].tolist(), strict=True)]
    refined = torch.tensor(refined, dtype=torch.float32).clamp(min=0)
    refined = torch.minimum(refined, torch.tensor([IMAGE[1], IMAGE[0]] * 2))
    torch.testing.assert_close(entered[1][0], refined, rtol=1e-4, atol=1e-3)
    assert not entered[1][0].requires_grad


def test_a_codec_set_on_the_detector_reaches_every_stage():
    detector = _cascade()
    detector.codec = detector.codec.decoding("argmax")
    assert [stage.codec.rule for stage in detector.roi_heads.stages] == ["argmax", "argmax"]
    detector.thresholds = DetectionThresholds(score=0.3)
    assert detector.thresholds.score == 0.3
    photo, _ = scene()
    with torch.inference_mode():
        (found,) = detector.eval()([photo])
    assert (found["scores"] > 0.3).all()


def test_no_candidates():
    detector = _cascade().eval()
    features, _, shapes = _features_and_proposals(detector, counts=(1,))
    with torch.inference_mode():
        ((found,), losses) = detector.roi_heads(features, [torch.zeros(0, 4)], shapes)
    assert losses == {}
    assert found["boxes"].shape == (0, 4)


def test_class_specific_offsets_are_refused():
    with pytest.raises(ValueError, match="class-agnostic"):
        _cascade(RegressionOffsets(codec="regression", class_agnostic=False))


def test_stages_share_no_weights():
    first, last = _cascade().roi_heads.stages
    assert not {id(p) for p in first.parameters()} & {id(p) for p in last.parameters()}
    assert first.box_head.class_scores.out_features == len(CLASSES) + 1


def test_refined_boxes_end_at_the_photos_border(monkeypatch):
    """Mutant: a cascade that does not clip, in scoring or in training."""
    detector = _cascade(RegressionOffsets(codec="regression"))
    first, last = detector.roi_heads.stages
    torch.nn.init.zeros_(first.box_head.offset_outputs.weight)
    first.box_head.offset_outputs.bias.data = torch.tensor([0.0, 0.0, 8.0, 8.0])  # five times as wide and high
    features, proposals, shapes = _features_and_proposals(detector)
    with torch.inference_mode():
        scored = detector.eval().roi_heads.score(features, proposals, shapes)
    entered = []
    select = type(last).select_training_samples

    def watch(stage, boxes, targets):
        entered.append([box.clone() for box in boxes])
        return select(stage, boxes, targets)

    monkeypatch.setattr(type(last), "select_training_samples", watch)
    target = {"boxes": torch.tensor([[10.0, 10, 60, 60]]), "labels": torch.tensor([1])}
    detector.train().roi_heads(features, proposals, shapes, [target, target])
    for refined in (torch.cat([image.boxes for image in scored]), torch.cat(entered[1])):
        assert refined.min() == 0
        assert refined[:, 2].max() == IMAGE[1]
        assert refined[:, 3].max() == IMAGE[0]
