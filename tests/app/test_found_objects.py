import pytest
import torch

from app.compare.found_objects import find_objects, locate
from app.photos import Truth
from tests.app.helpers import BINS, REGRESSION, detections

NEAR, NEARLY, FAR = [10.0, 10.0, 60.0, 60.0], [12.0, 10.0, 62.0, 61.0], [110.0, 20.0, 180.0, 120.0]
NOBODY = ([], [], [])


def find(regression, obcn, score=0.5, truth=None):
    found = {"regression": detections(*regression, REGRESSION), "obcn": detections(*obcn, BINS)}
    return find_objects(found, score, truth)


def test_one_object_seen_by_both_is_one_object() -> None:
    (item,) = find(([NEAR], ["dog"], [0.7]), ([NEARLY], ["dog"], [0.9]))
    assert item.name == "dog"
    assert dict(item.rows) == {"regression": 0, "obcn": 0}
    assert item.reporters == {"regression", "obcn"}
    assert round(item.scores["regression"], 3) == 0.7
    assert torch.allclose(item.box, (torch.tensor(NEAR) + torch.tensor(NEARLY)) / 2, atol=1.5), "between the two"


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


def test_three_models_share_an_object_and_one_of_them_may_be_alone() -> None:
    found = {
        "a": detections([NEAR], ["dog"], [0.9]),
        "b": detections([FAR, NEARLY], ["dog", "dog"], [0.7, 0.2]),
        "c": detections([NEARLY], ["dog"], [0.8]),
    }
    near, far = find_objects(found, 0.5, None)
    assert dict(near.rows) == {"a": 0, "b": 1, "c": 0}
    assert near.reporters == {"a", "c"}, "b's is too weak to be reported"
    assert dict(far.rows) == {"a": None, "b": 0, "c": None}
    assert far.reporters == {"b"}


def test_one_model_alone_has_objects_too() -> None:
    (item,) = find_objects({"a": detections([NEAR], ["dog"], [0.9])}, 0.5, None)
    assert dict(item.rows) == {"a": 0}


def test_an_object_is_found_again_by_its_place() -> None:
    dog, horse, other_dog = find_objects(
        {"a": detections([NEAR, FAR, [8.0, 8.0, 150.0, 145.0]], ["dog", "horse", "dog"], [0.9, 0.8, 0.7])}, 0.5, None
    )
    objects = [dog, horse, other_dog]
    for index, item in enumerate(objects):
        assert locate(objects, item.place) == index
    assert dog.place == "dog@35,35"
    assert locate(objects, "dog@37,33") == 0, "a box that has moved a little"
    assert locate(objects, "dog@120,130") == 2, "only the large dog is there"
    assert locate(objects, "dog@190,5") is None
    assert locate(objects, "cat@35,35") is None
    assert locate([], "dog@35,35") is None


@pytest.mark.parametrize("place", ["", "dog", "@", "dog@", "dog@x,y", "dog@1", "dog@1,2,3", "@35,35", "dog@nan,nan"])
def test_what_is_no_place_finds_nothing(place) -> None:
    assert locate(find(([NEAR], ["dog"], [0.9]), NOBODY), place) is None
