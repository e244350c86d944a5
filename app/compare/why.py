"""Why models differ about one object, in one sentence made from the figures alone."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from torch import Tensor

from obcn.boxes import centre_and_size
from obcn.figures.belief import COORDINATE_NAMES, Belief, box_iou, tails
from obcn.records.schema import COORDINATES, Coordinate

# Boxes that overlap this much are one answer: at a glance nobody sees the difference.
AGREEMENT = 0.95


@dataclass(frozen=True)
class Answer:
    """What one model says of an object: its (4,) box and the candidate that it started from, in pixels.

    ``belief`` is None for a model that keeps no distribution.
    """

    box: Tensor
    candidate: Tensor
    belief: Belief | None = None


@dataclass(frozen=True)
class _Reason:
    """Words that follow a difference, and how telling they are, from 0 to 1."""

    strength: float
    words: str


def why_they_differ(answers: Mapping[str, Answer], name: str) -> str:
    """The most telling fact about the two models that differ most.

    Args:
        answers: by model; those that saw the object.
        name: the object's class.
    """
    if len(answers) < 2:
        return f"Only {' and '.join(answers) or 'nobody'} sees this {name}: there is no other box to compare."
    one, other = min(combinations(answers, 2), key=lambda pair: box_iou(*(answers[model].box for model in pair)))
    iou = box_iou(answers[one].box, answers[other].box)
    everyone = f"{one} and {other}" if len(answers) == 2 else f"all {len(answers)} models"
    if iou >= AGREEMENT:
        farthest = _pixels(float((answers[one].box - answers[other].box).abs().max()))
        return f"{_begin(everyone)} agree about this {name}: no side is more than {farthest} apart (IoU {iou:.2f})."
    coordinate, difference = _widest(answers[one].box, answers[other].box)
    what = COORDINATE_NAMES[coordinate]
    boxes = answers[one].box, answers[other].box
    reasons = [
        reason for model in (one, other) for reason in _reasons(model, answers[model], coordinate, boxes, difference)
    ]
    reasons += _candidates(answers[one], answers[other])
    most = "" if len(answers) == 2 else " the most"
    difference_in_words = f"{_begin(one)} and {other} differ{most} in {what}, by {_pixels(difference)}"
    if not reasons:
        values = [f"{model} says {_pixels(_value(answers[model].box, coordinate))}" for model in (one, other)]
        return f"{difference_in_words}: {' and '.join(values)}."
    return f"{difference_in_words}: {max(reasons, key=lambda reason: reason.strength).words}."


def _reasons(
    model: str, answer: Answer, coordinate: Coordinate, boxes: tuple[Tensor, Tensor], difference: float
) -> Iterator[_Reason]:
    """What a model's own distribution tells about a difference of so many pixels."""
    belief = answer.belief
    if belief is None:
        return
    key = _number_behind(belief, coordinate, boxes)
    stage, index = belief.stages[belief.telling], belief.index(key)
    probabilities = stage.probabilities[0, index].tolist()
    offsets = stage.representatives.tolist()
    meant = belief.coordinate(key)
    what = meant.name

    for side, (end, is_tail) in enumerate(zip((0, -1), tails(stage), strict=True)):
        if is_tail and probabilities[end] >= 0.15:
            tail = f"{model} puts {probabilities[end]:.2f} on the {('left', 'right')[side]} tail of {key}"
            reach = f"the object {(meant.less, meant.more)[side]} than its candidate allows"
            yield _Reason(min(1, probabilities[end] / 0.3), f"{tail}: {reach}")

    peaks = _two_peaks(probabilities)
    if peaks is not None:
        first, second = peaks
        apart = abs(belief.pixels(key, offsets[first]) - belief.pixels(key, offsets[second]))
        peaks_in_words = f"{probabilities[first]:.2f} and {probabilities[second]:.2f}, {_pixels(apart)} apart"
        mean = ", and its mean lies between them" if belief.rule == "expectation" else ""
        words = f"{model} sees two answers for {what} ({peaks_in_words}){mean}"
        yield _Reason(probabilities[second] / probabilities[first], words)

    argmax, mean_offset = float(stage.argmax[0, index]), float(stage.expectation[0, index])
    gap = abs(belief.pixels(key, argmax) - belief.pixels(key, mean_offset))
    # The peak of a flat distribution is where chance has put it.
    if gap >= 0.5 * difference and max(probabilities) >= 0.2:
        words = f"{model}'s distribution leans, its mean lies {_pixels(gap)} from its most probable bin"
        yield _Reason(0.7 * min(1, gap / difference), words)

    spread = belief.spread_pixels(key, belief.telling)
    if spread >= difference:
        words = f"{model} is unsure, its distribution spreads by ±{_pixels(spread)}"
        yield _Reason(0.6 * (1 - difference / spread / 2), words)


def _number_behind(belief: Belief, coordinate: Coordinate, boxes: tuple[Tensor, Tensor]) -> str:
    """The head's number for a difference in centre or size: itself, or the side on that axis that is further apart."""
    if coordinate in belief.keys:
        return coordinate
    apart = (belief.code.measure(boxes[0][None]) - belief.code.measure(boxes[1][None]))[0].abs()
    first = 0 if coordinate in ("x", "w") else 1
    return belief.keys[max((first, first + 2), key=lambda index: float(apart[index]))]


def _candidates(one: Answer, other: Answer) -> list[_Reason]:
    iou = box_iou(one.candidate, other.candidate)
    return [_Reason(1 - iou, f"they start from different candidates (IoU {iou:.2f})")] if iou < 0.7 else []


def _two_peaks(probabilities: list[float]) -> tuple[int, int] | None:
    """The two most probable hills with a valley between them, if the lower one counts."""
    last = len(probabilities) - 1
    hills = [
        label
        for label, value in enumerate(probabilities)
        if value > (probabilities[label - 1] if label else -1)
        and value >= (probabilities[label + 1] if label < last else -1)
    ]
    hills = sorted(hills, key=lambda label: -probabilities[label])[:2]
    if len(hills) < 2:
        return None
    first, second = hills
    between = probabilities[min(hills) + 1 : max(hills)]
    low = probabilities[second]
    counts = low >= 0.15 and low >= 0.4 * probabilities[first]
    return (first, second) if counts and between and min(between) < 0.6 * low else None


def _widest(one: Tensor, other: Tensor) -> tuple[Coordinate, float]:
    """The coordinate that sets two boxes furthest apart, and by how many pixels.

    A centre that moves by d takes two sides along by d; a size that grows by d moves each by d / 2.
    """
    apart = {name: abs(_value(one, name) - _value(other, name)) for name in COORDINATES}
    name = max(COORDINATES, key=lambda name: apart[name] * (1 if name in "xy" else 0.5))
    return name, apart[name]


def _value(box: Tensor, coordinate: Coordinate) -> float:
    return getattr(centre_and_size(box), coordinate)


def _pixels(value: float) -> str:
    return f"{value:.1f} px" if math.fabs(value) < 10 else f"{value:.0f} px"


def _begin(words: str) -> str:
    """A model's name stays as it is; other words begin a sentence."""
    return words[0].upper() + words[1:] if words.startswith("all ") else words
