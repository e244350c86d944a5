"""Detectors from .onnx files on the Models and Compare pages."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from app import detectors, hosting
from app.compare import scoring
from tests.campaign.links import no_network
from tests.exported.modules import files_in

MAIN = Path(__file__).parents[2] / "app" / "main.py"
Files = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return files_in(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def _nobody_else(monkeypatch) -> None:
    """Models that one test brings are not there for the next."""
    added = detectors._Added()
    monkeypatch.setattr(detectors, "_added", lambda: added)


def brought(*files: tuple[str, bytes]) -> AppTest:
    """The Models page after these files were put into the uploader together."""
    app = AppTest.from_file(str(MAIN), default_timeout=300).switch_page("models/models.py").run()
    app.file_uploader(key="checkpoint").set_value([(name, data, "application/octet-stream") for name, data in files])
    return app.run()


@pytest.mark.usefixtures("_nobody_else")
def test_an_onnx_file_is_offered_with_what_was_found_in_it(exported: Files) -> None:
    app = brought(("theirs.onnx", exported("yolo").read_bytes()))
    assert not app.exception
    assert "Ready to compare: theirs" in app.success[0].value
    assert app.subheader[0].value == "theirs"
    said = " ".join(text.value for text in app.markdown)
    assert "16 even points over 0 to 15 strides" in said
    assert re.search(r"420 boxes given back to \S+ px \(0.1 px allowed\)", said)
    links = [link.proto.query_string for link in app.get("page_link")]
    assert "models=regression&models=theirs" in links


@pytest.mark.usefixtures("_nobody_else")
def test_weights_come_with_the_file(exported: Files, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(exported("yolo"))
    onnx.save_model(model, tmp_path / "theirs.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    file, weights = (tmp_path / name for name in ("theirs.onnx", "w.data"))
    alone = brought((file.name, file.read_bytes()))
    assert "bring theirs.onnx.data too" in alone.error[0].value
    both = brought((weights.name, weights.read_bytes()), (file.name, file.read_bytes()))
    assert "Ready to compare: theirs" in both.success[0].value
    assert any("420 boxes given back" in text.value for text in both.markdown)


@pytest.mark.usefixtures("_nobody_else")
@pytest.mark.parametrize("hosted", ["", "1"])
def test_another_visitor_sees_it_by_its_link_alone(exported: Files, monkeypatch, hosted: str) -> None:
    monkeypatch.setenv(hosting.VARIABLE, hosted)
    monkeypatch.setattr(scoring, "scores", no_network)
    mine = brought(("theirs.onnx", exported("yolo").read_bytes()))
    mine.switch_page("compare/compare.py")
    mine.query_params["models"] = ["theirs"]
    mine.run()
    word = mine.query_params["weights"]
    word = word if isinstance(word, str) else word[0]
    assert re.fullmatch(r"upload-\w{12}/theirs\.onnx", word), mine.query_params
    for link, offered in (({}, False), ({"weights": word, "models": "theirs"}, True), ({}, False)):
        other = AppTest.from_file(str(MAIN), default_timeout=300)
        for name, value in link.items():
            other.query_params[name] = value
        other.run()
        assert not other.exception
        assert ("theirs" in other.multiselect(key="models").options) == offered
        assert other.multiselect(key="models").value == (["theirs"] if offered else ["regression", "obcn"])


@pytest.mark.usefixtures("_nobody_else")
def test_a_yaml_beside_it_says_what_the_file_does_not(exported: Files) -> None:
    hints = b"classes: [ant, bee, cow]\npreprocessing: {resize: letterbox}\n"
    app = brought(("raw.onnx", exported("nano").read_bytes()), ("raw.onnx.yaml", hints))
    assert not app.exception
    said = " ".join(text.value for text in app.markdown)
    assert "ant, bee, cow" in said
    assert "letterbox to 160 x 128 px" in said


@pytest.mark.usefixtures("_nobody_else")
@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_a_damaged_file_gets_one_line(content: bytes) -> None:
    app = brought(("broken.onnx", content))
    assert not app.exception
    said = app.error[0].value.replace("\\", "")
    assert re.fullmatch(r"broken\.onnx cannot be used: broken\.onnx .*damaged.*export it again\.", said)
    assert app.subheader[0].value == "regression"


@pytest.mark.usefixtures("_nobody_else")
def test_an_unbelievable_file_is_refused_with_numbers(exported: Files) -> None:
    app = brought(("biased.onnx", exported("biased").read_bytes()))
    assert "off by 4 px" in app.error[0].value
