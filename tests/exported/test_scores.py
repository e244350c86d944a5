"""Class scores beside a file's boxes, and how many names they take."""

import numpy as np
import pytest

from obcn.errors import UserError
from obcn.exported.scores import find_beside


def rows(scores: int, others: int = 0, logits: bool = False) -> np.ndarray:
    """Boxes, so many scores, and other numbers that are no probabilities."""
    generator = np.random.default_rng(0)
    low, high = (-5, 5) if logits else (0, 1)
    parts = (generator.uniform(0, 640, (50, 4)), generator.uniform(low, high, (50, scores)))
    return np.concatenate((*parts, generator.normal(0, 3, (50, others))), 1)


@pytest.mark.parametrize("others", [0, 32])
@pytest.mark.parametrize("scores", [10, 81])
def test_as_many_names_as_scores_and_whatever_follows(scores: int, others: int):
    found = find_beside("out", rows(scores, others), scores, None)
    assert (found.first, found.count, found.objectness, found.made_by) == (4, scores, None, "as they are")


@pytest.mark.parametrize("others", [0, 32])
@pytest.mark.parametrize("scores", [11, 81])
def test_one_score_more_says_whether_there_is_an_object(scores: int, others: int):
    found = find_beside("out", rows(scores, others), scores - 1, None)
    assert (found.first, found.count, found.objectness, found.made_by) == (5, scores - 1, 4, "as they are")


@pytest.mark.parametrize("scores", [81, 21])
def test_usual_numbers_need_no_names(scores: int):
    found = find_beside("out", rows(scores), 0, None)
    assert (found.first, found.count, found.objectness) == (5, scores - 1, 4)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("named", [1, 2, 8, 11, 80])
def test_other_numbers_of_names_are_refused(named: int, logits: bool):
    with pytest.raises(UserError, match=f"the file has 10 scores for each box, but {named} classes are named; name 10"):
        find_beside("out", rows(10, logits=logits), named, None)


def test_too_few_names_are_refused_whatever_follows():
    with pytest.raises(UserError, match="the file has 10 scores for each box, but 2 classes are named"):
        find_beside("out", rows(10, others=32), 2, None)
