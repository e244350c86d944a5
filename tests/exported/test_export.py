from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torchvision.models.detection.anchor_utils import AnchorGenerator
from typer.testing import CliRunner

from obcn.checkpoints import Card
from obcn.cli import app
from obcn.errors import UserError
from obcn.explain import select
from obcn.exported import open_exported
from obcn.exported.card import OWN_KEY
from obcn.exported.hints import Hints, write_hints
from obcn.models.detector import Detector
from obcn.offsets import OffsetCode, SupportPointCodec
from tests.exported import detectors
from tests.exported.detectors import HEADS
from tests.exported.modules import without_garbage_collector

pytest.importorskip("onnxscript")

from obcn.exporting import write
from obcn.exporting.agreement import Agreement, agreement
from obcn.exporting.write import export_detector

# The exporter takes twenty seconds for a detector, however small.
pytestmark = pytest.mark.slow

# None of a whole number of cells, and of no side in common.
SIZES = [(160, 120), (97, 143), (333, 210)]
SHIPPED = "two looks"
WITH_ALL_LEVELS = "cascade of dfine"


def small(head: str) -> tuple[Detector, Card]:
    """That of :func:`tests.exported.detectors.small`; all but one look for proposals on one level less."""
    detector, card = detectors.small(head)
    if head != WITH_ALL_LEVELS:
        detector.backbone.pyramid.extra_blocks = None
        generator, maps = detector.rpn.anchor_generator, len(detector.backbone.level_names)
        detector.rpn.anchor_generator = AnchorGenerator(generator.sizes[:maps], generator.aspect_ratios[:maps])
    return detector, card


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Exports a small detector once."""
    if torch.__version__ < write.LEAST_TORCH:
        pytest.skip("this torch cannot write detectors")
    folder = tmp_path_factory.mktemp("written")

    @cache
    def file(head: str) -> Path:
        path = folder / f"{head}.onnx"
        with without_garbage_collector():
            export_detector(*small(head), path)
        return path

    return file


def noise(size: tuple[int, int]) -> Image.Image:
    coarse = np.random.default_rng(size[0]).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("head", HEADS)
def test_file_says_what_the_detector_says_of_photos_of_any_size(written: Callable[[str], Path], head: str):
    detector, card = small(head)
    opened = open_exported(written(head))
    assert (opened.classes, opened.thresholds) == (detector.classes, detector.thresholds)
    for size in SIZES:
        photo = noise(size)
        ours = select(detector.score(photo), detector.codec, detector.thresholds)
        theirs = select(opened.score(photo), opened.codec, opened.thresholds)
        agreed = agreement(ours, theirs)
        assert len(ours) > 3
        assert (agreed.boxes, agreed.alone) == (len(ours), 0)
        assert agreed.pixels < 0.01
        assert agreed.score < 1e-4
        if card.codec.num_stages:
            assert opened.codec == detector.codec
            _same_distributions(ours, theirs)


def _same_distributions(ours, theirs) -> None:
    partner = torch.cdist(ours.boxes.double(), theirs.boxes.double()).argmin(1)
    for one, other in zip(ours.explanation.stages, theirs.explanation.stages, strict=True):
        torch.testing.assert_close(one.probabilities, other.probabilities[partner], atol=1e-4, rtol=1e-2)
        torch.testing.assert_close(one.origin, other.origin[partner], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(one.representatives, other.representatives)


@pytest.mark.parametrize("head", HEADS)
def test_distributions_are_found_and_checked_as_in_any_file(written: Callable[[str], Path], head: str):
    card = open_exported(written(head)).card
    stages = small(head)[1].codec.num_stages
    assert (card.family, card.layers) == (("from candidates", stages) if stages else ("none", 0))
    if stages:
        assert "given back" in card.checked
        assert card.codec.box == OffsetCode()
    assert not card.assumed


def _changed(file: Path, folder: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(file)
    change(model)
    path = folder / "changed.onnx"
    onnx.save(model, path)
    return path


def test_what_metadata_say_of_the_bins_is_believed_only_where_the_graph_agrees(
    written: Callable[[str], Path], tmp_path: Path
):
    def other_range(model: onnx.ModelProto) -> None:
        (words,) = (entry for entry in model.metadata_props if entry.key == OWN_KEY)
        assert '"ranges":[3.0,0.6]' in words.value
        words.value = words.value.replace('"ranges":[3.0,0.6]', '"ranges":[3.0,0.5]')

    opened = open_exported(_changed(written(SHIPPED), tmp_path, other_range))
    assert [type(look) for look in opened.codec.looks] == [SupportPointCodec, SupportPointCodec]
    assert opened.codec.looks[1].points[-1] == pytest.approx(0.6)


def test_file_without_its_metadata_is_read_by_what_it_computes(written: Callable[[str], Path], tmp_path: Path):
    def bare(model: onnx.ModelProto) -> None:
        del model.metadata_props[:]

    file = _changed(written(SHIPPED), tmp_path, bare)
    write_hints(file, Hints(classes=("ant", "bee", "cow", "dodo")))
    card = open_exported(file).card
    assert (card.family, card.layers, card.classes[3]) == ("from candidates", 2, "dodo")
    assert [type(look) for look in card.codec.looks] == [SupportPointCodec, SupportPointCodec]
    assert card.added[0][-1] == pytest.approx(0.6)


def test_damaged_words_are_one_line(written: Callable[[str], Path], tmp_path: Path):
    def damaged(model: onnx.ModelProto) -> None:
        next(entry for entry in model.metadata_props if entry.key == OWN_KEY).value = '{"version": 7}'

    with pytest.raises(UserError, match=r"changed\.onnx: its metadata are not what .* writes"):
        open_exported(_changed(written(SHIPPED), tmp_path, damaged))


def test_file_tells_nothing_of_where_it_was_written(written: Callable[[str], Path]):
    assert str(Path(__file__).parents[2]).encode() not in written(SHIPPED).read_bytes()


def test_file_that_does_not_agree_is_not_kept(written: Callable[[str], Path], tmp_path, monkeypatch):
    model = onnx.load(written(SHIPPED))
    monkeypatch.setattr(write, "_followed", lambda detector, card: model)
    monkeypatch.setattr(write, "agreement", lambda one, other: Agreement(5, 0, 0.3, 0.0))
    path = tmp_path / "kept.onnx"
    path.write_bytes(b"before")
    with pytest.raises(UserError, match=r"5 boxes agree to 0\.3 px \(0\.1 px allowed\)"):
        export_detector(*small(SHIPPED), path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.onnx"]


def test_command_writes_and_tells(written: Callable[[str], Path], tmp_path: Path, monkeypatch):
    model = onnx.load(written(SHIPPED))
    monkeypatch.setattr(write, "_followed", lambda detector, card: model)
    monkeypatch.setattr("obcn.checkpoints.load_for_inference", lambda name: small(SHIPPED))
    out = tmp_path / "deep" / "mine.onnx"
    done = CliRunner().invoke(app, ["export", "obcn", "--onnx", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "from candidates, 22 points per number, in each of 2 stages" in done.output
    assert "boxes of the check picture to" in done.output
    assert open_exported(out).card.name == "mine"
