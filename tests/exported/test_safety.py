import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest
import yaml
from onnx import helper

from obcn.errors import UserError
from obcn.exported import open_exported
from obcn.exported.graph import read_model, refuse_unsafe
from obcn.exported.hints import Hints, hints_said, read_hints, write_hints
from obcn.exported.trial import session_of
from obcn.opening import hints_path

Files = Callable[..., Path]


def changed(file: Path, change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = onnx.load(file)
    change(model)
    return model


@pytest.mark.parametrize("content", [b"", b"no onnx at all", b"\x08\x08"])
def test_damaged_file_gets_one_line(tmp_path: Path, content: bytes):
    file = tmp_path / "x.onnx"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"^x\.onnx .*damaged.*export it again$"):
        open_exported(file)


def test_half_a_file_gets_one_line(exported: Files, tmp_path: Path):
    file = tmp_path / "half.onnx"
    whole = exported("yolo").read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half\.onnx") as caught:
        open_exported(file)
    assert "\n" not in str(caught.value)


def test_custom_operators_are_not_run(exported: Files):
    node = helper.make_node("EfficientNMS_TRT", ["image"], ["found"], domain="TRT")
    model = changed(exported("yolo"), lambda model: model.graph.node.append(node))
    with pytest.raises(UserError, match=r"custom operator TRT\.EfficientNMS_TRT"):
        refuse_unsafe(model, "x.onnx")


def test_weights_in_other_files_are_not_read(exported: Files):
    def elsewhere(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"

    with pytest.raises(UserError, match="weights in other files"):
        refuse_unsafe(changed(exported("yolo"), elsewhere), "x.onnx")


def test_weights_in_other_files_are_not_read_inside_a_branch(exported: Files):
    def elsewhere(model: onnx.ModelProto) -> None:
        tensor = helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [0.0])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        inner = helper.make_graph([helper.make_node("Constant", [], ["y"], value=tensor)], "inner", [], [])
        model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner))

    with pytest.raises(UserError, match="weights in other files"):
        refuse_unsafe(changed(exported("yolo"), elsewhere), "x.onnx")


def test_loops_and_huge_graphs_are_not_run(exported: Files):
    loop = helper.make_node("Loop", ["a", "b"], ["c"])
    with pytest.raises(UserError, match="Loop"):
        refuse_unsafe(changed(exported("yolo"), lambda model: model.graph.node.append(loop)), "x.onnx")
    identity = helper.make_node("Identity", ["image"], ["z"])
    with pytest.raises(UserError, match="nodes"):
        refuse_unsafe(changed(exported("yolo"), lambda model: model.graph.node.extend([identity] * 20_001)), "x.onnx")


def test_file_stays_as_it_is(exported: Files):
    before = exported("yolo").read_bytes()
    open_exported(exported("yolo"))
    assert exported("yolo").read_bytes() == before
    assert read_model(exported("yolo")).graph.output[0].name


def test_classifier_is_no_detector(tmp_path: Path):
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [1, 3, 1, 1])
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["image"], ["scores"])], "g", [image], [scores])
    file = tmp_path / "classifier.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    with pytest.raises(UserError, match=r"classifier\.onnx: nothing that this file gives out looks like"):
        open_exported(file)


def test_hints_are_kept_beside_the_file(tmp_path: Path):
    file = tmp_path / "x.onnx"
    write_hints(file, hints_said(["resize=letterbox", "classes=ant, bee", "mean=0.5,0.4,0.3"], Hints()))
    assert yaml.safe_load(hints_path(file).read_text())["classes"] == ["ant", "bee"]
    read = hints_said(["channels=bgr"], read_hints(file))
    assert read.classes == ("ant", "bee")
    assert read.preprocessing == {"resize": "letterbox", "mean": [0.5, 0.4, 0.3], "channels": "bgr"}


@pytest.mark.parametrize("words", ["letterbox", "resize=", "colour=blue", "bins=many"])
def test_hints_that_say_nothing_are_refused(words: str):
    with pytest.raises(UserError):
        hints_said([words], Hints())


@pytest.mark.parametrize("words", ["mean=0.5,@", "mean=0.5,2001-13-01", "bins=!!int ''", "resize=" + "[" * 9999])
def test_hints_that_are_no_yaml_get_one_line(words: str):
    with pytest.raises(UserError, match="cannot be read; write KEY=VALUE"):
        hints_said([words], Hints())


@pytest.mark.parametrize("text", ["classes: [a, 2001-13-01]", "bins: 8\nbins: 9", "bins: [", "classes: !!bool maybe"])
def test_a_damaged_yaml_beside_a_file_gets_one_line(tmp_path: Path, text: str):
    file = tmp_path / "x.onnx"
    hints_path(file).write_text(text)
    with pytest.raises(UserError, match=r"x\.onnx\.yaml is not readable YAML: ") as caught:
        read_hints(file)
    assert "\n" not in str(caught.value)


def test_an_empty_yaml_beside_a_file_says_nothing(tmp_path: Path):
    hints_path(tmp_path / "x.onnx").write_text("# nothing yet\n")
    assert read_hints(tmp_path / "x.onnx") == Hints()


def test_yaml_that_asks_for_another_size_is_refused(exported: Files, tmp_path: Path):
    file = tmp_path / "x.onnx"
    file.write_bytes(exported("yolo").read_bytes())
    write_hints(file, Hints(preprocessing={"width": 320}))
    with pytest.raises(UserError, match="160 x 128 px; its YAML asks for others"):
        open_exported(file)


@pytest.mark.slow
def test_without_onnx_one_line_says_what_to_install(exported: Files):
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from obcn.errors import UserError\n"
        "import obcn\n"
        f"try: obcn.load({str(exported('yolo'))!r})\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "detectors from .onnx files need two more packages: pip install 'obcn[onnx]'"


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:1", 1)])
def test_a_process_runs_a_file_on_its_own_card(monkeypatch, device, number) -> None:
    asked = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, providers: asked.append(providers))
    session_of(onnx.ModelProto(), [], device)
    assert asked == [[("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]]
