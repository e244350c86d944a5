"""The gate before the shared layers, and what is measured of the gradients that reach them."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from analysis.frozen.gradients import SharedGradients, read_gradients, shared_gradients, summed_up, write_gradients
from analysis.frozen.heads import HeadSettings, build_head
from analysis.frozen.runner import Workplace, run_study
from analysis.frozen.training import train_side_by_side
from obcn.models.box_head import POOL_SIZE
from obcn.models.roi_heads import OffsetRoIHeads
from obcn.studies.study import Row, Study
from tests.analysis.heads import BINS, COMMON, new_run, protocol, weights


def built(detector, gate: float | None) -> OffsetRoIHeads:
    head = build_head(HeadSettings.model_validate({**COMMON, **BINS, "box_gradient": gate}), detector, seed=0)
    torch.manual_seed(1)
    layer = (head.box_head if gate is None else head.box_head.head).offset_outputs
    torch.nn.init.normal_(layer.weight, std=0.1)
    return head


def losses_of(head: OffsetRoIHeads, detector) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    pooled = torch.rand(12, detector.backbone.out_channels, POOL_SIZE, POOL_SIZE, generator=generator)
    labels = torch.tensor([1, 2, 0, 3, 0, 0, 2, 1, 0, 0, 4, 0])
    return head.losses(*head.box_head(pooled), labels, torch.randn(12, 4, generator=generator))


def gradients(head: OffsetRoIHeads, loss: Tensor) -> tuple[Tensor, Tensor]:
    """Of the first shared layer's weights, and of the offset layer's."""
    inner = getattr(head.box_head, "head", head.box_head)
    found = torch.autograd.grad(
        loss, [inner.shared.fc6.weight, inner.offset_outputs.weight], allow_unused=True, retain_graph=True
    )
    return tuple(torch.zeros(1) if gradient is None else gradient for gradient in found)


@pytest.mark.parametrize("gate", [0.0, 0.3, 1.0, 3.0])
def test_a_gate_changes_what_reaches_the_shared_layers_and_nothing_else(detector, gate) -> None:
    """Mutants: the gate scales outputs, the offset layer's gradient or the class loss's; g and 1 - g swapped."""
    plain, gated = built(detector, None), built(detector, gate)
    losses, gated_losses = losses_of(plain, detector), losses_of(gated, detector)
    for name in losses:
        torch.testing.assert_close(gated_losses[name], losses[name])
    shared, offset_layer = gradients(plain, losses["loss_box"])
    gated_shared, gated_offset_layer = gradients(gated, gated_losses["loss_box"])
    assert shared.norm() > 0
    torch.testing.assert_close(gated_shared, gate * shared, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(gated_offset_layer, offset_layer)
    torch.testing.assert_close(
        gradients(gated, gated_losses["loss_classifier"])[0], gradients(plain, losses["loss_classifier"])[0]
    )


def test_what_is_measured_is_the_gradient_of_each_loss_in_all_shared_weights(detector) -> None:
    """Mutants: one layer only, one loss for both, the gate forgotten, or a graph that the step can no longer use."""
    head = built(detector, 0.5)
    losses = losses_of(head, detector)
    found = shared_gradients(7, head, losses)
    flat = []
    for name in ("loss_classifier", "loss_box"):
        head.zero_grad()
        losses[name].backward(retain_graph=True)
        flat.append(torch.cat([weight.grad.flatten() for weight in head.box_head.shared.parameters()]))
    assert found.step == 7
    assert found.classes == pytest.approx(flat[0].norm().item(), rel=1e-5)
    assert found.boxes == pytest.approx(flat[1].norm().item(), rel=1e-5)
    assert found.cosine == pytest.approx(torch.nn.functional.cosine_similarity(*flat, dim=0).item(), abs=1e-5)
    assert found.boxes != pytest.approx(found.classes)


def test_a_closed_gate_leaves_no_angle(detector) -> None:
    head = built(detector, 0.0)
    found = shared_gradients(0, head, losses_of(head, detector))
    assert found.boxes == 0
    assert found.classes > 0
    assert math.isnan(found.cosine)


def test_means_leave_out_the_warm_up_and_angles_that_are_not_there() -> None:
    nan = float("nan")
    measured = [
        SharedGradients(0, 9.0, 9.0, 1.0),
        SharedGradients(20, 1.0, 2.0, -0.5),
        SharedGradients(40, 3.0, 0.0, nan),
    ]
    found = summed_up(measured, from_step=20)
    assert found == {
        "shared_gradient_classes": 2.0,
        "shared_gradient_boxes": 1.0,
        "shared_gradient_cosine": -0.5,
    }
    assert summed_up(measured, from_step=60) == {}


def test_measurements_outlive_a_stop_without_those_that_are_repeated(tmp_path) -> None:
    """Mutant: a resumed run counts the steps of its broken epoch twice."""
    measured = [SharedGradients(step, 1.0 + step, 2.0, 0.25) for step in (0, 20, 40)]
    write_gradients(tmp_path / "g.json", measured)
    assert read_gradients(tmp_path / "g.json", before_step=40) == measured[:2]
    assert read_gradients(tmp_path / "missing.json", before_step=40) == []


@pytest.mark.slow
def test_an_open_gate_trains_the_plain_head_and_a_study_keeps_its_gradients(
    tmp_path, detector, features, samples, monkeypatch
) -> None:
    monkeypatch.setattr("analysis.frozen.training.EVERY", 2)
    plain = new_run(BINS, tmp_path / "plain", detector)
    gated = new_run({**BINS, "box_gradient": 1.0}, tmp_path / "gated", detector)
    shut = new_run({**BINS, "box_gradient": 0.0}, tmp_path / "shut", detector)
    train_side_by_side([plain, gated, shut], features, seed=0)
    assert torch.equal(weights(plain), weights(gated))
    assert not torch.equal(weights(plain), weights(shut))
    assert plain.gradients == []
    assert [found.step for found in gated.gradients] == list(range(0, gated.progress.step, 2))
    assert new_run({**BINS, "box_gradient": 1.0}, tmp_path / "gated", detector).gradients == gated.gradients

    rows = (Row(name="gated", head={**BINS, "box_gradient": 1.0}), Row(name="plain", head=BINS))
    study = Study(title="t", question="q", baseline="plain", rows=rows, seeds=(0,))
    found = run_study(
        study, protocol(1).model_copy(update={"seeds": (0,)}), Workplace(samples, samples, tmp_path / "study")
    )
    assert found.metrics["gated", 0]["shared_gradient_boxes"] > 0
    assert -1 <= found.metrics["gated", 0]["shared_gradient_cosine"] <= 1
    assert "shared_gradient_boxes" not in found.metrics["plain", 0]
    assert found.metrics["gated", 0]["AP"] == found.metrics["plain", 0]["AP"]


@pytest.mark.parametrize("settings", [{"branches": "separate"}, {"foreground_iou": [0.5, 0.7]}])
def test_a_gate_where_nothing_is_shared_is_refused(settings) -> None:
    with pytest.raises(ValidationError, match="joint branches"):
        HeadSettings.model_validate({**COMMON, **BINS, "box_gradient": 0.5, **settings})
