from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from obcn.cli import app
from obcn.errors import UserError
from obcn.explain import select
from tests.exported.detectors import small

pytest.importorskip("onnxscript")

from obcn.exporting import write
from obcn.exporting.agreement import Agreement, agreement
from obcn.exporting.write import export_detector


@pytest.mark.parametrize(
    ("change", "said"), [({"decode": "argmax"}, "expectations"), ({"class_agnostic": False}, "class_agnostic: true")]
)
def test_heads_whose_boxes_are_no_expectations_are_refused(tmp_path: Path, change: dict, said: str):
    detector, card = small("dfl")
    head = card.config.box_head
    head = head.model_copy(update={"offsets": head.offsets.model_copy(update=change)})
    card = card.model_copy(update={"config": card.config.model_copy(update={"box_head": head})})
    with pytest.raises(UserError, match=said):
        export_detector(detector, card, tmp_path / "no.onnx")


def test_an_older_torch_is_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(write, "LEAST_TORCH", "99")
    with pytest.raises(UserError, match=r"cannot write detectors: pip install 'obcn\[export\]'"):
        export_detector(*small("two looks"), tmp_path / "detector.onnx")


@pytest.mark.parametrize(("model", "out", "said"), [("a.onnx", "b.onnx", "already"), ("obcn", "b.pt", "end in .onnx")])
def test_command_refuses_other_files(model: str, out: str, said: str):
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(app, ["export", model, "--onnx", out], catch_exceptions=False)


def test_agreement_pairs_boxes_of_one_class(photo: Image.Image):
    detector, _ = small("two looks")
    found = select(detector.score(photo), detector.codec, detector.thresholds)
    assert agreement(found, found) == Agreement(len(found), 0, 0.0, 0.0)
    some = found.above(float(found.scores.median()))
    assert agreement(found, some) == Agreement(len(some), len(found) - len(some), 0.0, 0.0)
