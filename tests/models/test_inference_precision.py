"""The trunk's precision at inference: bfloat16 where the CPU has it, float32 where figures are measured."""

from pathlib import Path

import pytest
import torch

from obcn import checkpoints
from obcn.checkpoints import load_for_inference
from obcn.data import read_photo
from obcn.explain import photo_tensor

SAMPLES = Path(__file__).parents[2] / "app" / "samples"


@pytest.fixture
def capable(monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)


@pytest.mark.parametrize("name", ["regression", "obcn"])
def test_a_trunk_in_bfloat16_finds_the_same_objects(capable, name: str) -> None:
    exact, fast = load_for_inference(name, to_measure=True)[0], load_for_inference(name)[0]
    assert (exact.backbone.dtype, fast.backbone.dtype) == (torch.float32, torch.bfloat16)
    photo = photo_tensor(read_photo(SAMPLES / "dog.jpg"))
    with torch.inference_mode():
        levels = fast.backbone(photo[None, :, :128, :160])
        one, other = (detector([photo])[0] for detector in (exact, fast))
    # Boxes are not computed in bfloat16, in which a corner at 400 pixels is off by one.
    assert {level.dtype for level in levels.values()} == {torch.float32}
    clear = int((one["scores"] > 0.5).sum())  # best first
    assert clear
    torch.testing.assert_close(other["boxes"][:clear], one["boxes"][:clear], atol=3, rtol=0)
    torch.testing.assert_close(other["scores"][:clear], one["scores"][:clear], atol=0.03, rtol=0)


@pytest.mark.parametrize("capabilities", [{}, {"avx512_bf16": False, "amx_bf16": False}])
def test_a_cpu_without_bfloat16_stays_in_float32(monkeypatch, capabilities: dict) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert load_for_inference("obcn")[0].backbone.dtype == torch.float32


def test_an_older_pytorch_does_not_tell(monkeypatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not checkpoints._computes_in_bfloat16()
