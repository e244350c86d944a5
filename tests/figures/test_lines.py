from itertools import combinations

import pytest

from obcn.figures.lines import MOST_MODELS, lines_in_order, model_lines, strokes, with_head, with_models
from obcn.figures.palette import DARK, LIGHT

NAMES = ["regression", "dfine", "dfl", "obcn", *(f"mine {k}" for k in range(8))]


def look(line):
    return line.colour, line.dash


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_shipped_pair_has_the_lines_that_it_has_in_print(palette) -> None:
    lines = model_lines(["regression", "obcn"], palette)
    assert look(lines["regression"]) == look(palette.lines["regression"])
    assert look(lines["obcn"]) == look(palette.lines["expectation"])
    assert [line.label for line in lines.values()] == ["regression", "obcn"]


def test_a_third_model_has_one_line_on_every_page() -> None:
    alone = model_lines(["dfl"], LIGHT)["dfl"]
    for others in (["regression"], ["obcn", "regression"]):
        assert model_lines([*others, "dfl"], LIGHT)["dfl"] == alone


def test_the_shipped_model_and_another_of_its_kind_are_told_apart() -> None:
    lines = model_lines(["compact_regression", "regression"], LIGHT)
    assert look(lines["compact_regression"]) != look(lines["regression"])


def test_curves_by_place_never_look_like_the_truth() -> None:
    lines = lines_in_order([f"curve {k}" for k in range(MOST_MODELS)], LIGHT)
    looks = {look(line) for line in lines.values()} | {look(LIGHT.lines["truth"])}
    assert len(looks) == MOST_MODELS + 1
    assert [line.label for line in lines.values()][:2] == ["curve 0", "curve 1"]
    assert len(lines_in_order([str(k) for k in range(MOST_MODELS + 3)], LIGHT)) == MOST_MODELS + 3


def test_more_models_than_lines_are_drawn_all_the_same() -> None:
    assert list(model_lines(NAMES, LIGHT)) == NAMES


def test_a_head_is_drawn_as_the_shipped_one_of_its_kind() -> None:
    lines = model_lines(["compact_obcn", "compact_regression"], LIGHT)
    assert look(lines["compact_obcn"]) == look(LIGHT.lines["expectation"])
    assert look(lines["compact_regression"]) == look(LIGHT.lines["regression"])


@pytest.mark.parametrize("size", [2, 3, MOST_MODELS])
def test_no_two_models_look_alike_and_none_like_the_truth(size) -> None:
    for chosen in combinations(NAMES, size):
        lines = model_lines(chosen, LIGHT)
        assert list(lines) == list(chosen)
        looks = {look(line) for line in lines.values()} | {look(LIGHT.lines["truth"]), look(LIGHT.lines["argmax"])}
        assert len(looks) == size + 2


def test_expectation_is_drawn_as_the_model_and_argmax_thin_whichever_is_in_use() -> None:
    palette = with_models(LIGHT, model_lines(["dfl"], LIGHT))
    lines = with_head(palette, "dfl").lines
    assert look(lines["expectation"]) == look(palette.lines["dfl"])
    assert look(lines["argmax"]) == look(LIGHT.lines["argmax"])
    assert [lines[rule].label for rule in ("expectation", "argmax")] == ["dfl, expectation", "dfl, argmax"]


def test_no_two_models_differ_by_colour_alone() -> None:
    lines = model_lines(NAMES[:MOST_MODELS], LIGHT).values()
    assert len({tuple(strokes(line)) for line in lines}) == MOST_MODELS
