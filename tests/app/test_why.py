"""One sentence, from beliefs made by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.compare.why import Answer, why_they_differ
from obcn.figures.belief import Belief, belief_of, tails
from obcn.offsets import DistanceBinCodec, SupportPointCodec, decode_boxes
from tests.app.helpers import BINS, detections

CODECS = [
    (BINS, True),
    (DistanceBinCodec(num_bins=1), True),
    (SupportPointCodec.dfl(), False),
    (SupportPointCodec.dfl(num_points=2), False),
    (SupportPointCodec.dfine(), False),
]
CANDIDATE = torch.tensor([20.0, 30.0, 100.0, 90.0])


def moved(x=0.0, y=0.0, w=0.0, h=0.0) -> Tensor:
    """The candidate moved by normalised offsets."""
    return decode_boxes(torch.tensor([[x, y, w, h]]), CANDIDATE[None])[0]


def belief(coordinate: str, chances: dict[int, float], rule="expectation") -> Belief:
    """A belief with these probabilities by bin for one coordinate, and certainty of no offset for the others."""
    found = detections([[0.0, 0.0, 10.0, 10.0]], ["dog"], [0.9])
    codec = BINS.decoding(rule)
    probabilities = torch.zeros(2, 4, 22)
    probabilities[:, :, 10] = probabilities[:, :, 11] = 0.5
    probabilities[0, "xywh".index(coordinate)] = 0
    for label, chance in chances.items():
        probabilities[0, "xywh".index(coordinate), label] = chance
    outputs = probabilities.clamp(min=1e-9).log().reshape(1, -1)
    boxes = decode_boxes(codec.decode(outputs), CANDIDATE[None])
    made = {"candidates": CANDIDATE[None], "boxes": boxes, "outputs": outputs, "codec": codec}
    return belief_of(replace(found, **made, explanation=codec.explain(outputs)), 0)


def why(seen: Belief, rival: Tensor, candidate: Tensor = CANDIDATE) -> str:
    answers = {"regression": Answer(rival, candidate), "obcn": Answer(seen.final, CANDIDATE, seen)}
    return why_they_differ(answers, "dog")


@pytest.mark.parametrize(
    ("coordinate", "label", "words"),
    [
        ("w", 21, "obcn puts 0.31 on the right tail of w: the object is wider than its candidate allows"),
        ("w", 0, "obcn puts 0.31 on the left tail of w: the object is narrower"),
        ("h", 21, "right tail of h: the object is taller"),
        ("h", 0, "left tail of h: the object is lower"),
        ("x", 0, "left tail of x: the object lies further left"),
        ("y", 21, "right tail of y: the object lies further down"),
    ],
)
def test_probability_in_a_tail(coordinate, label, words) -> None:
    near = 20 if label else 1
    seen = belief(coordinate, {label: 0.31, near: 0.69})
    assert words in why(seen, CANDIDATE)


def test_an_outer_point_is_no_tail() -> None:
    """DFL's outer points lie beyond the edges that their neighbours end at; bins' tails are represented by those."""
    seen = belief("w", {21: 0.31, 20: 0.69})
    first, *others = seen.stages
    apart = first.representatives[-1] - first.representatives[-2]
    points = torch.cat([first.representatives[:-1], first.representatives[-1:] + apart])
    seen = replace(seen, stages=(replace(first, representatives=points), *others))
    assert "tail" not in why(seen, CANDIDATE)


@pytest.mark.parametrize(("codec", "expected"), CODECS)
def test_which_heads_have_tails(codec, expected) -> None:
    (stage, *_) = codec.explain(torch.zeros(1, codec.num_outputs)).stages
    assert tails(stage) == (expected, expected)


def test_two_answers() -> None:
    sentence = why(belief("x", {4: 0.45, 12: 0.55}), moved(x=1.5))
    apart = (12 - 4) * 0.3 / 10 * 80
    assert (
        f"obcn sees two answers for centre x (0.55 and 0.45, {apart:.0f} px apart), and its mean lies between"
        in sentence
    )
    assert "mean" not in why(belief("x", {4: 0.45, 12: 0.55}, "argmax"), moved(x=-1.5))


def test_one_hill_with_a_dent_is_no_two_answers() -> None:
    sentence = why(belief("x", {10: 0.3, 11: 0.25, 12: 0.45}), moved(x=-2.5))
    assert "two answers" not in sentence


def test_a_leaning_distribution() -> None:
    sentence = why(belief("x", {5: 0.4, 6: 0.2, 7: 0.15, 8: 0.1, 9: 0.1, 10: 0.05}), moved(x=-1.6))
    assert "obcn's distribution leans, its mean lies" in sentence


def test_a_wide_spread() -> None:
    hill = dict.fromkeys(range(2, 20), 1 / 18)
    sentence = why(belief("w", hill), moved(w=1.0))
    assert "obcn is unsure, its distribution spreads by ±" in sentence


def test_other_candidates() -> None:
    sentence = why(belief("x", {10: 0.5, 11: 0.5}), moved(x=-2), candidate=moved(x=-4))
    assert "they start from different candidates (IoU 0.43)" in sentence


def test_no_reason_leaves_the_difference_itself() -> None:
    sentence = why(belief("x", {10: 0.5, 11: 0.5}), moved(w=1.0))
    assert sentence == "regression and obcn differ in width, by 18 px: regression says 98 px and obcn says 80 px."


def test_agreement() -> None:
    sentence = why(belief("x", {10: 0.5, 11: 0.5}), CANDIDATE + torch.tensor([1.0, 0, 0, 0]))
    assert sentence == "regression and obcn agree about this dog: no side is more than 1.0 px apart (IoU 0.99)."


def test_of_three_the_two_that_differ_most() -> None:
    answers = {name: Answer(moved(x=x), CANDIDATE) for name, x in (("a", 0.0), ("b", 0.3), ("c", 2.5))}
    assert why_they_differ(answers, "cat").startswith("a and c differ the most in centre x, by 20 px")
    alike = {name: Answer(CANDIDATE, CANDIDATE) for name in "abc"}
    assert why_they_differ(alike, "cat").startswith("All 3 models agree")


def test_fewer_than_two_answers() -> None:
    assert why_they_differ({"a": Answer(CANDIDATE, CANDIDATE)}, "cat") == (
        "Only a sees this cat: there is no other box to compare."
    )


def test_it_is_always_one_sentence() -> None:
    for seen in (belief("w", {21: 0.9, 3: 0.1}), belief("y", {3: 0.5, 16: 0.5})):
        sentence = why(seen, moved(x=1, h=-1))
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert ". " not in sentence
