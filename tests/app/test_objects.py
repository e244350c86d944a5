import torch

from app.objects import find_objects, locate
from app.photos import Truth
from tests.app.helpers import BINS, REGRESSION, detections

NEAR, NEARLY, FAR = [10.0, 10.0, 60.0, 60.0], [12.0, 10.0, 62.0, 61.0], [110.0, 20.0, 180.0, 120.0]
NOBODY = ([], [], [])


def find(regression, obcn, score=0.5, truth=None):
    return find_objects(detections(*regression, REGRESSION), detections(*obcn, BINS), score, truth)


def test_one_object_seen_by_both_is_one_object() -> None:
    (item,) = find(([NEAR], ["dog"], [0.7]), ([NEARLY], ["dog"], [0.9]))
    assert item.name == "dog"
    assert dict(item.rows) == {"regression": 0, "obcn": 0}
    assert item.reporters == {"regression", "obcn"}
    assert round(item.scores["regression"], 3) == 0.7
    assert torch.allclose(item.box, torch.tensor(NEARLY), atol=1.5), "OBCN's box, where it has one"


def test_objects_that_only_one_found_are_kept_best_first() -> None:
    first, second = find(([NEAR], ["dog"], [0.7]), ([FAR], ["horse"], [0.9]))
    assert (first.name, first.reporters) == ("horse", {"obcn"})
    assert (second.name, second.reporters) == ("dog", {"regression"})
    assert first.rows["regression"] is None
    assert second.rows["obcn"] is None


def test_an_object_below_the_others_threshold_keeps_its_weak_row_but_is_not_reported() -> None:
    (item,) = find(([NEAR], ["dog"], [0.8]), ([NEARLY], ["dog"], [0.2]))
    assert item.reporters == {"regression"}
    assert item.rows["obcn"] == 0
    assert round(item.scores["obcn"], 3) == 0.2


def test_nothing_is_reported_below_the_threshold() -> None:
    assert find(([NEAR], ["dog"], [0.4]), ([NEARLY], ["dog"], [0.3])) == []
    assert find(NOBODY, NOBODY) == []


def test_other_classes_in_the_same_place_are_other_objects() -> None:
    assert len(find(([NEAR], ["dog"], [0.8]), ([NEARLY], ["cat"], [0.8]))) == 2


def test_truth_is_matched_by_class_and_place() -> None:
    truth = Truth(torch.tensor([FAR, NEAR]), ("dog", "dog"))
    (item,) = find(([NEAR], ["dog"], [0.8]), ([NEARLY], ["dog"], [0.8]), truth=truth)
    assert item.truth == 1
    (stranger,) = find(([NEAR], ["cat"], [0.8]), ([NEARLY], ["cat"], [0.8]), truth=truth)
    assert stranger.truth is None


def test_an_object_is_found_again_by_its_place() -> None:
    objects = find(([NEAR, FAR], ["dog", "dog"], [0.8, 0.9]), NOBODY)
    assert locate(objects, "dog", torch.tensor(NEARLY)) == 1
    assert locate(objects, "dog", torch.tensor(FAR)) == 0
    assert locate(objects, "cat", torch.tensor(FAR)) is None
    assert locate(objects, "dog", torch.tensor([0.0, 100.0, 20.0, 140.0])) is None
    assert locate([], "dog", torch.tensor(FAR)) is None
