"""What the benchmarks wrote, and what the pages say of it."""

import json
from pathlib import Path

import pytest

from benchmarks.performance_page import page

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_command_writes_of_the_committed_results() -> None:
    written = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page(ROOT / "results" / "benchmarks") == written


def test_detectors_of_others_are_as_they_were_opened() -> None:
    pytest.importorskip("onnxruntime")
    from benchmarks.opened import table

    written = json.loads((ROOT / "results" / "benchmarks" / "opened.json").read_text(encoding="utf-8"))
    said = (ROOT / "docs" / "any-detector.md").read_text(encoding="utf-8")
    assert f"{table(written['files'])}\n\nBy `{written['command']}`" in said
    assert not [each["file"] for each in written["files"] if each["family"] == "refused"]
    without = [each["file"] for each in written["files"] if each["family"] == "none"]
    for name in ("rtmdet", "yolox", "retinanet", "fcos", "ssd", "efficientdet", "centernet", "detr", "rtdetr", "yolos"):
        assert name in without
