"""Files whose weights lie in another, as PyTorch's exporter writes them."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image

from obcn.errors import UserError
from obcn.exported import graph, open_exported
from tests.exported.test_reading import read

Files = Callable[..., Path]


@pytest.fixture
def apart(exported: Files, tmp_path: Path) -> Path:
    """YOLO's form, its weights in FILE.onnx.data, as PyTorch's exporter writes them."""
    model = onnx.load(exported("yolo"))
    onnx.save_model(model, tmp_path / "x.onnx", save_as_external_data=True, location="x.onnx.data", size_threshold=0)
    assert (tmp_path / "x.onnx.data").stat().st_size > 1000
    return tmp_path / "x.onnx"


def test_weights_beside_the_file_are_read(apart: Path, exported: Files, photo: Image.Image):
    _, boxes, scores, _ = read(apart, photo)
    _, expected, expected_scores, _ = read(exported("yolo"), photo)
    assert torch.equal(boxes, expected)
    assert torch.equal(scores, expected_scores)


def test_weights_are_found_after_both_were_renamed(apart: Path, photo: Image.Image):
    renamed = apart.rename(apart.with_name("y.onnx"))
    apart.with_name("x.onnx.data").rename(apart.with_name("y.onnx.data"))
    assert len(read(renamed, photo)[1]) > 0


def test_weights_that_are_missing_say_what_to_bring(apart: Path):
    apart.with_name("x.onnx.data").unlink()
    with pytest.raises(UserError, match=r"bring x\.onnx\.data too, .* or save it as one file"):
        open_exported(apart)


def test_other_weights_are_refused(apart: Path):
    apart.with_name("x.onnx.data").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=r"x\.onnx\.data is not the file that x\.onnx was saved with"):
        open_exported(apart)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "folder/secret", "x.onnx"])
def test_weights_are_read_from_no_other_folder(apart: Path, place: str):
    (apart.parent / "folder").mkdir()
    (apart.parent / "folder" / "secret").write_bytes(apart.with_name("x.onnx.data").read_bytes())
    apart.with_name("x.onnx.data").unlink()
    model = onnx.load(apart, load_external_data=False)
    for tensor in (*model.graph.initializer, *(one.t for node in model.graph.node for one in node.attribute)):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    apart.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="keeps its weights in another file"):
        open_exported(apart)


def test_a_link_is_not_followed(apart: Path):
    weights = apart.with_name("x.onnx.data")
    weights.rename(apart.with_name("elsewhere"))
    weights.symlink_to(apart.with_name("elsewhere"))
    with pytest.raises(UserError, match="keeps its weights in another file"):
        open_exported(apart)


def test_the_same_bytes_again_and_again_are_too_many(apart: Path, monkeypatch: pytest.MonkeyPatch):
    size = apart.stat().st_size + apart.with_name("x.onnx.data").stat().st_size
    monkeypatch.setattr(graph, "MAX_BYTES", size)
    assert graph.read_model(apart).graph.node
    model = onnx.load(apart, load_external_data=False)
    model.graph.initializer.append(model.graph.initializer[0])
    apart.write_bytes(model.SerializeToString())
    monkeypatch.setattr(graph, "MAX_BYTES", apart.stat().st_size + apart.with_name("x.onnx.data").stat().st_size)
    with pytest.raises(UserError, match="is not the file"):
        graph.read_model(apart)
