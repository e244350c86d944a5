"""``import obcn`` in a notebook, and the examples of its docstrings."""

import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import obcn
from obcn.api import PhotoDetector
from obcn.errors import UserError
from obcn.figures.belief import belief_of
from obcn.figures.histograms import coordinate_histograms
from obcn.records.schema import COORDINATES

SAMPLES = Path(__file__).resolve().parents[1] / "app" / "samples"


@pytest.fixture(scope="module")
def detector() -> PhotoDetector:
    return obcn.load("obcn")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["obcn", "obcn.api"])
def test_the_examples_of_the_docstrings_hold(module, monkeypatch) -> None:
    monkeypatch.chdir(SAMPLES)
    ran = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)
    assert ran.attempted
    assert not ran.failed


def test_import_alone_needs_no_torch() -> None:
    code = "import sys, obcn; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_path_an_image_and_an_array_of_one_photo_give_the_same(detector) -> None:
    path = SAMPLES / "kitten.jpg"
    image = Image.open(path)
    found = detector.predict([path, str(path), image, np.asarray(image)])
    assert [each.names for each in found] == [found[0].names] * 4
    for other in found[1:]:
        np.testing.assert_array_equal(other.boxes, found[0].boxes)
    assert found[0].names[0] == "cat"
    assert found[0].boxes.dtype == np.float32
    assert (np.diff(found[0].scores) <= 0).all()


def test_score_and_decode_are_heard(detector) -> None:
    path = SAMPLES / "kitten.jpg"
    few, many = detector.predict(path), detector.predict(path, score=0.1)
    assert len(few) < len(many)
    assert few.scores.min() >= 0.5
    assert (detector.predict(path, decode="argmax").boxes[0] != few.boxes[0]).any()


def test_a_low_score_is_heard_below_the_detectors_own_threshold(detector) -> None:
    path, own = SAMPLES / "kitten.jpg", detector.network.thresholds
    found = detector.predict(path, score=0.01)
    assert (found.scores < own.score).any()
    assert (found.scores >= 0.01).all()
    assert detector.network.thresholds == own


def test_sixteen_bits_are_the_same_photo_as_a_path_and_as_an_image(detector, tmp_path) -> None:
    grey = np.asarray(Image.open(SAMPLES / "kitten.jpg").convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "deep.png")
    by_path, by_image = detector.predict([tmp_path / "deep.png", Image.open(tmp_path / "deep.png")])
    assert by_path.names
    np.testing.assert_array_equal(by_path.boxes, by_image.boxes)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device) -> None:
    with pytest.raises(UserError, match=f"no device '{device}' here; give 'cpu'"):
        obcn.load("obcn", device)


def test_nothing_found_is_empty_arrays(detector) -> None:
    found = detector.predict(np.zeros((60, 80, 3), np.uint8))
    assert (found.boxes.shape, found.scores.shape, found.names) == ((0, 4), (0,), ())
    assert len(found.to_supervision()) == 0
    assert repr(found).startswith("<0 objects found by")


def test_supervision_gets_boxes_classes_and_beliefs(detector) -> None:
    found = detector.predict(SAMPLES / "dog.jpg")
    detections = found.to_supervision()
    np.testing.assert_array_equal(detections.xyxy, found.boxes)
    assert detections.class_id.tolist() == [found.classes.index("dog")]
    np.testing.assert_allclose(detections["stage1_probabilities"].sum(-1), 1, atol=1e-5)
    assert not obcn.load("regression").predict(SAMPLES / "dog.jpg").to_supervision().data.keys() - {"class_name"}


def test_drawn_marks_a_copy(detector) -> None:
    found = detector.predict(SAMPLES / "dog.jpg")
    assert (np.asarray(found.drawn()) != np.asarray(found.photo)).any()


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\) and type uint8 is no photo; give \(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.float32), "type float32 is no photo"),
        (np.zeros((0, 4, 3), np.uint8), "is no photo"),
        ("gone.jpg", "no such file"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_photo_is_one_line(detector, photo, words) -> None:
    for photos in (photo, [photo]):
        with pytest.raises(UserError, match=words):
            detector.predict(photos)


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(UserError, match="no checkpoint 'nobody'"):
        obcn.load("nobody")


def test_an_unknown_way_to_decode_is_one_line(detector) -> None:
    with pytest.raises(UserError, match="decode is 'mode'; give one of argmax, expectation"):
        detector.predict(SAMPLES / "dog.jpg", decode="mode")


def test_a_regression_has_nothing_to_decode() -> None:
    with pytest.raises(UserError, match="regression keeps no distribution to decode by argmax"):
        obcn.load("regression").predict(SAMPLES / "dog.jpg", decode="argmax")


def test_a_figure_holds_what_the_app_draws_of_each_coordinate(detector) -> None:
    found = detector.predict(SAMPLES / "dog.jpg")
    figure = found.figure(0, beside={"another": found.boxes[0] + 1})
    belief = belief_of(found.detections, 0)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    stages = len(belief.stages)
    for number, coordinate in enumerate(COORDINATES):
        alone = [trace for trace in coordinate_histograms(belief, coordinate).data if trace.type == "bar"]
        for one, same in zip(bars[number * stages :], alone, strict=False):
            assert (one.x, one.y, one.customdata) == (same.x, same.y, same.customdata)
    columns = {figure.layout[f"xaxis{bar.xaxis[1:]}"].domain for bar in bars}
    assert len(bars) == len({bar.yaxis for bar in bars}) == 4 * stages
    assert len(columns) == 4, "a column each"
    assert {"obcn, expectation", "obcn, argmax", "another"} <= {trace.name for trace in figure.data}


@pytest.mark.parametrize(
    ("index", "beside", "words"),
    [
        (1, None, "no object 1: 1 found, counted from 0"),
        (-1, None, "no object -1"),
        (0, {"truth": [1, 2, 3]}, r"truth is \[1, 2, 3\]; give x1, y1, x2, y2 in pixels"),
        (0, {"truth": [5, 5, 1, 1]}, "upper left corner first"),
        (0, {"truth": "here"}, "truth is 'here'"),
    ],
)
def test_what_no_figure_can_show_is_one_line(detector, index, beside, words) -> None:
    with pytest.raises(UserError, match=words):
        detector.predict(SAMPLES / "dog.jpg").figure(index, beside)


def test_a_regression_has_no_distributions_to_draw() -> None:
    with pytest.raises(UserError, match="regression is a regression, which keeps no distributions"):
        obcn.load("regression").predict(SAMPLES / "dog.jpg").figure(0)


def test_a_figure_without_plotly_names_what_to_install(detector, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "obcn.figures.belief", None)
    with pytest.raises(UserError, match=r"pip install 'obcn\[figures\]'"):
        detector.predict(SAMPLES / "dog.jpg").figure(0)
