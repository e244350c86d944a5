"""A second look: layers of its own, on features pooled where the first look places the box."""

import pytest
import torch
from pydantic import ValidationError

from obcn.config import BinOffsets, BoxHeadConfig, RegressionOffsets
from obcn.models import build_detector
from obcn.models.selection import DetectionThresholds, select_detections
from obcn.offsets import decode_boxes
from tests.models.helpers import build, compact_config, scene

REPOOLED = BinOffsets(codec="bins", num_stages=2, ranges=(3.0, 0.6), stage_features="repooled")


def _heads_and_inputs(offsets=REPOOLED):
    heads = build(compact_config(offsets=offsets)).roi_heads
    for look in heads.later_looks:
        torch.nn.init.normal_(look.offset_outputs.weight, std=0.3)
    generator = torch.Generator().manual_seed(0)
    features = {
        name: torch.rand(1, 16, 128 // stride, 128 // stride, generator=generator)
        for name, stride in (("0", 8), ("1", 16), ("2", 32))
    }
    proposals = [torch.tensor([[10.0, 10, 70, 90], [40.0, 20, 120, 100], [5.0, 60, 60, 126]])]
    return heads.eval(), features, proposals, [(128, 128)]


@pytest.mark.parametrize("offsets", [REPOOLED, RegressionOffsets(codec="regression", num_stages=2)])
def test_the_second_look_is_pooled_at_the_box_of_the_first(offsets):
    heads, features, proposals, shapes = _heads_and_inputs(offsets)
    (scored,) = heads.score(features, proposals, shapes)
    look = heads.codec.looks[0]
    _, first = heads.box_head(heads.box_roi_pool(features, proposals, shapes))
    boxes = decode_boxes(look.decode(first[:, 0]), proposals[0]).clamp(0, 128)
    assert not torch.equal(boxes, proposals[0])
    second = heads.later_looks[0](heads.box_roi_pool(features, [boxes], shapes))
    torch.testing.assert_close(scored.offset_outputs[:, 0], torch.cat((first[:, 0], second), dim=1))


def test_only_probable_candidates_get_a_second_look_and_no_other_is_ever_found():
    heads, features, proposals, shapes = _heads_and_inputs()
    (scored,) = heads.score(features, proposals, shapes)
    best = scored.probabilities[:, 1:].max(1).values
    heads.thresholds = DetectionThresholds(score=best.sort().values[1].item())
    (fewer,) = heads.score(features, proposals, shapes)
    looked = best > heads.thresholds.score
    assert looked.sum() == 1
    torch.testing.assert_close(fewer.offset_outputs[looked], scored.offset_outputs[looked])
    assert fewer.offset_outputs[~looked][..., 88:].isnan().all()
    torch.testing.assert_close(fewer.offset_outputs[..., :88], scored.offset_outputs[..., :88])
    found = select_detections(fewer, shapes[0], heads.codec, DetectionThresholds(score=0.0, nms_iou=1.0))
    torch.testing.assert_close(found["candidates"].unique(dim=0), proposals[0][looked])


def test_both_looks_learn_from_the_positives():
    detector = build(compact_config(offsets=REPOOLED)).train()
    photo, target = scene()
    losses = detector([photo], [target])
    losses["loss_box"].backward()
    for layer in (detector.roi_heads.box_head.offset_outputs, detector.roi_heads.later_looks[0].offset_outputs):
        assert layer.weight.grad.abs().sum() > 0
    assert torch.isfinite(losses["loss_box"])


@pytest.mark.parametrize("foreground_iou", [(0.5,), (0.5, 0.7)])
@pytest.mark.parametrize(
    "offsets",
    [
        RegressionOffsets(codec="regression"),
        RegressionOffsets(codec="regression", class_agnostic=False),
        BinOffsets(codec="bins", num_stages=2),
        REPOOLED,
    ],
)
def test_all_but_the_offset_outputs_starts_alike_for_every_codec(offsets, foreground_iou):
    """Mutant: the offset outputs drawn before the class scores, or not aside: a cascade's second stage tells."""
    if len(foreground_iou) > 1 and (offsets is REPOOLED or not offsets.class_agnostic):
        pytest.skip("not a cascade")
    config = compact_config(foreground_iou=foreground_iou)
    states = []
    for each in (BinOffsets(codec="bins", num_bins=7), offsets):
        torch.manual_seed(3)
        changed = config.model_copy(update={"box_head": config.box_head.model_copy(update={"offsets": each})})
        states.append((build_detector(changed, ("cat", "dog")).state_dict(), torch.rand(4)))
    (ours, our_next), (theirs, their_next) = states
    shared = [name for name in ours if "offset_outputs" not in name]
    assert any("class_scores" in name for name in shared)
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)
    assert torch.equal(our_next, their_next)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"offsets": REPOOLED, "foreground_iou": (0.5, 0.7)}, "cascade"),
        ({"offsets": REPOOLED.model_copy(update={"class_agnostic": False})}, "class_agnostic"),
        (
            {"offsets": RegressionOffsets(codec="regression", num_stages=2, class_agnostic=False)},
            "class_agnostic",
        ),
    ],
)
def test_heads_that_cannot_look_again_are_refused(settings, said):
    with pytest.raises(ValidationError, match=said):
        BoxHeadConfig(**settings)


def test_a_repooled_stage_measures_from_the_prediction():
    with pytest.raises(ValidationError, match="residual_from"):
        BinOffsets(codec="bins", num_stages=2, stage_features="repooled", residual_from="true_bin")
