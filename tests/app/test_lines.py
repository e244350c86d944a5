from itertools import combinations

import pytest

from analysis.palette import DARK, LIGHT
from app.lines import MOST_MODELS, model_lines, strokes, with_head, with_models

KNOWN = ["regression", "dfine", "dfl", "obcn", *(f"mine {k}" for k in range(8))]


def look(line):
    return line.colour, line.dash


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_shipped_pair_has_the_lines_that_it_has_in_print(palette) -> None:
    lines = model_lines(["regression", "obcn"], KNOWN, palette)
    assert look(lines["regression"]) == look(palette.lines["regression"])
    assert look(lines["obcn"]) == look(palette.lines["expectation"])
    assert [line.label for line in lines.values()] == ["regression", "obcn"]


def test_a_model_keeps_its_line_whichever_others_are_chosen() -> None:
    alone = model_lines(["dfl"], KNOWN, LIGHT)["dfl"]
    for others in (["regression"], ["obcn", "dfine"], ["regression", "dfine", "mine 0"]):
        assert model_lines([*others, "dfl"], KNOWN, LIGHT)["dfl"] == alone


@pytest.mark.parametrize("size", [2, 3, MOST_MODELS])
def test_no_two_models_look_alike_and_none_like_the_truth(size) -> None:
    for chosen in combinations(KNOWN, size):
        lines = model_lines(chosen, KNOWN, LIGHT)
        assert list(lines) == list(chosen)
        looks = {look(line) for line in lines.values()} | {look(LIGHT.lines["truth"]), look(LIGHT.lines["argmax"])}
        assert len(looks) == size + 2


def test_the_rule_in_use_is_drawn_as_the_model_and_the_other_one_thin() -> None:
    palette = with_models(LIGHT, model_lines(["dfl"], KNOWN, LIGHT))
    for rule, other in (("expectation", "argmax"), ("argmax", "expectation")):
        lines = with_head(palette, "dfl", rule).lines
        assert look(lines[rule]) == look(palette.lines["dfl"])
        assert look(lines[other]) == look(LIGHT.lines["argmax"])
        assert lines[rule].label == f"dfl, {rule}"
        assert lines[other].label == f"dfl, {other}"


def test_no_two_models_differ_by_colour_alone() -> None:
    lines = model_lines(KNOWN[:MOST_MODELS], KNOWN, LIGHT).values()
    assert len({tuple(strokes(line)) for line in lines}) == MOST_MODELS
