"""Which box is the same object as which."""

import torch

from obcn.matching import match_boxes

LEFT = [0.0, 0, 10, 10]
NEAR_LEFT = [0.0, 0, 10, 9]  # IoU 0.9 with LEFT
HALF_LEFT = [0.0, 0, 10, 5]  # IoU 0.5 with LEFT, 5/9 with NEAR_LEFT
RIGHT = [50.0, 0, 60, 10]


def _match(boxes, names, others, other_names, **options):
    return match_boxes(
        torch.tensor(boxes).reshape(-1, 4),
        tuple(names),
        torch.tensor(others).reshape(-1, 4),
        tuple(other_names),
        **options,
    )


def test_the_same_objects_in_another_order():
    assert _match([LEFT, RIGHT], "ab", [RIGHT, NEAR_LEFT], "ba") == {0: 1, 1: 0}


def test_the_most_overlapping_pair_goes_first():
    assert _match([HALF_LEFT, LEFT], "aa", [NEAR_LEFT], "a") == {1: 0}
    assert _match([LEFT], "a", [HALF_LEFT, NEAR_LEFT], "aa") == {0: 1}


def test_a_box_that_loses_its_best_partner_takes_the_next():
    assert _match([LEFT, HALF_LEFT], "aa", [NEAR_LEFT, HALF_LEFT], "aa") == {1: 1, 0: 0}
    assert _match([LEFT, NEAR_LEFT], "aa", [LEFT, HALF_LEFT], "aa") == {0: 0, 1: 1}


def test_other_classes_are_other_objects():
    assert _match([LEFT], "a", [LEFT], "b") == {}
    assert _match([LEFT], "a", [LEFT], "b", min_iou=0.0) == {}
    assert _match([LEFT], "a", [LEFT, HALF_LEFT], "ba") == {0: 1}


def test_the_least_overlap_counts_and_less_does_not():
    assert _match([LEFT], "a", [HALF_LEFT], "a", min_iou=0.5) == {0: 0}
    assert _match([LEFT], "a", [HALF_LEFT], "a", min_iou=0.51) == {}
    assert _match([LEFT], "a", [RIGHT], "a") == {}


def test_no_boxes_on_either_side():
    assert _match([], "", [], "") == {}
    assert _match([LEFT], "a", [], "") == {}
    assert _match([], "", [LEFT, RIGHT], "ab") == {}


def test_boxes_without_area_are_no_object():
    point = [5.0, 5, 5, 5]
    assert _match([point, LEFT], "aa", [point, LEFT], "aa") == {1: 1}
