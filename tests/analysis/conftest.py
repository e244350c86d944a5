"""A trunk and its features of the sample photos, worked out once for all tests of frozen-trunk studies."""

import pytest

from analysis.frozen.features import FrozenFeatures, frozen_features
from app.photos import SAMPLES
from obcn.checkpoints import load_checkpoint
from obcn.data import Annotations
from obcn.data.coco import read_coco
from obcn.models.detector import Detector


@pytest.fixture(scope="session")
def samples() -> Annotations:
    return read_coco(SAMPLES, SAMPLES / "truth.json")


@pytest.fixture(scope="session")
def detector() -> Detector:
    return load_checkpoint("regression")[0]


@pytest.fixture(scope="session")
def features(tmp_path_factory, detector, samples) -> FrozenFeatures:
    return frozen_features(detector, "trunk", samples, tmp_path_factory.mktemp("features"))
