from dataclasses import replace
from itertools import pairwise

import plotly.graph_objects as go
import pytest
import torch

from obcn.figures.belief import Belief, belief_of
from obcn.figures.histograms import coordinate_histograms, figure_height
from obcn.figures.palette import DARK, LIGHT
from obcn.offsets import BinCodec, DistanceBinCodec, OffsetCodec, SupportPointCodec, decode_boxes
from obcn.records.schema import COORDINATES
from tests.app.helpers import BINS, REGRESSION, bin_outputs, detections


def belief(offsets=(0.5, -0.4, 1.0, -1.2), codec: BinCodec = BINS, rivals=None) -> Belief:
    """A belief that peaks at these normalised offsets."""
    found = detections([[20.0, 30.0, 100.0, 90.0]], ["dog"], [0.9], codec)
    outputs = bin_outputs(torch.tensor([offsets]), codec=codec)
    return belief_of(
        type(found)(**{**vars(found), "outputs": outputs, "explanation": codec.explain(outputs)}), 0, rivals
    )


def bars(figure: go.Figure) -> list[go.Bar]:
    return [trace for trace in figure.data if isinstance(trace, go.Bar)]


def marks(figure: go.Figure, label: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.name == label]


@pytest.mark.parametrize("coordinate", COORDINATES)
def test_every_bin_of_every_stage_is_drawn_in_spatial_order_with_its_tails(coordinate) -> None:
    seen = belief()
    first, second = bars(coordinate_histograms(seen, coordinate))
    for number, stage in enumerate((first, second)):
        assert len(stage.x) == 22
        assert list(stage.x) == sorted(stage.x)
        assert sum(stage.y) == pytest.approx(1, abs=1e-5)
        believed = seen.stages[number].probabilities[0, COORDINATES.index(coordinate)]
        torch.testing.assert_close(torch.tensor(stage.y), believed)
        assert [width > 0 for width in stage.marker.line.width] == [True, *[False] * 20, True], "tails look different"
        assert "tail" in stage.customdata[0]
        assert "tail" in stage.customdata[-1]
        assert "px" in stage.customdata[5]


def test_uniform_bars_stand_at_their_representatives_and_stage_two_starts_where_stage_one_ended() -> None:
    seen = belief()
    first, second = bars(coordinate_histograms(seen, "x"))
    torch.testing.assert_close(torch.tensor(first.x[1:-1]), seen.stages[0].representatives[1:-1])
    origin = float(seen.stages[0].expectation[0, 0])
    torch.testing.assert_close(torch.tensor(second.x[1:-1]), seen.stages[1].representatives[1:-1] + origin)


def test_the_second_stage_window_is_as_wide_as_its_range() -> None:
    figure = coordinate_histograms(belief(), "y")
    first, second = bars(figure)
    step = second.x[2] - second.x[1]
    window = second.x[-2] - second.x[1] + step
    bin_of_first = first.x[2] - first.x[1]
    assert window == pytest.approx(bin_of_first * 2 * 0.6 / 0.3, rel=1e-4)
    shapes = [shape.type for shape in figure.layout.shapes]
    assert shapes == ["path", "rect", "rect"], "a funnel links the two windows"


def test_argmax_expectation_regression_and_truth_are_marked_where_they_are() -> None:
    candidate = belief().candidate
    rivals = {
        "regression": decode_boxes(torch.tensor([[0.7, 0.1, 0.9, -1.0]]), candidate[None])[0],
        "truth": decode_boxes(torch.tensor([[0.62, -0.2, 1.1, -1.5]]), candidate[None])[0],
    }
    seen = belief(rivals=rivals)
    figure = coordinate_histograms(seen, "x")
    for label, offset in (("regression", 0.7), ("truth", 0.62)):
        line = marks(figure, label)[0]
        assert line.x[0] == pytest.approx(offset, abs=1e-3)
    assert marks(figure, "OBCN, argmax")[0].x[0] == pytest.approx(float(seen.stages[0].argmax[0, 0]))
    assert marks(figure, "OBCN, expectation")[0].x[0] == pytest.approx(float(seen.stages[0].expectation[0, 0]))


def test_each_role_has_its_own_line_style() -> None:
    seen = belief(rivals={role: belief().candidate for role in ("regression", "truth")})
    figure = coordinate_histograms(seen, "w", LIGHT)
    drawn = {trace.name: trace.line.dash for trace in figure.data if isinstance(trace, go.Scatter) and trace.name}
    assert drawn == {
        "OBCN, expectation": "solid",
        "OBCN, argmax": "solid",
        "regression": "dash",
        "truth": "dot",
    }
    widths = {trace.name: trace.line.width for trace in figure.data if isinstance(trace, go.Scatter) and trace.name}
    assert widths["OBCN, argmax"] < widths["OBCN, expectation"]


def test_what_lies_outside_a_window_is_an_arrow_at_its_edge() -> None:
    rival = decode_boxes(torch.tensor([[-9.0, 0, 0, 0]]), belief().candidate[None])[0]
    figure = coordinate_histograms(belief(rivals={"truth": rival}), "x")
    arrow = marks(figure, "truth")[0]
    assert arrow.mode == "markers"
    assert arrow.marker.symbol == "triangle-left"
    assert -3.6 <= arrow.x[0] < -3
    assert "outside" in arrow.hovertemplate
    assert "-9.000" in arrow.hovertemplate


@pytest.mark.parametrize("coordinate", COORDINATES)
def test_the_upper_axis_reads_in_pixels(coordinate) -> None:
    seen = belief()
    figure = coordinate_histograms(seen, coordinate)
    axis = figure.layout.xaxis2
    assert axis.side == "top"
    assert len(axis.tickvals) >= 3
    for at, text in zip(axis.tickvals, axis.ticktext, strict=True):
        number = float(text.replace("\N{MINUS SIGN}", "-"))
        assert seen.pixels(coordinate, at) == pytest.approx(number, abs=1e-3)


def test_both_ends_of_the_offset_axis_are_named() -> None:
    ticks = list(coordinate_histograms(belief(), "x").layout.xaxis.ticktext)
    assert ticks[0] == "\N{MINUS SIGN}3"
    assert ticks[-1] == "+3"


def test_a_stage_that_is_not_used_says_so_and_fades() -> None:
    figure = coordinate_histograms(belief(codec=BINS.decoding(num_stages=1)), "x")
    assert [bar.opacity for bar in bars(figure)] == [1, 0.4]
    assert any("not used" in note.text for note in figure.layout.annotations)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_height_is_known_beforehand(stages) -> None:
    codec = BinCodec.hierarchical(num_stages=stages)
    seen = belief(codec=codec)
    figure = coordinate_histograms(seen, "h", DARK)
    assert figure.layout.height == figure_height(stages)
    assert len(bars(figure)) == stages


def test_any_model_can_be_a_rival_and_is_drawn_with_its_own_line() -> None:
    rivals = {name: belief().candidate for name in ("regression", "dfl", "mine")}
    lines = {name: replace(LIGHT.lines["stage"], label=name, colour=f"#00000{k}") for k, name in enumerate(rivals)}
    figure = coordinate_histograms(belief(rivals=rivals), "x", replace(LIGHT, lines={**LIGHT.lines, **lines}))
    drawn = {name: marks(figure, name)[0] for name in rivals}
    assert [trace.line.color for trace in drawn.values()] == ["#000000", "#000001", "#000002"]
    assert len({trace.y[1] for trace in drawn.values()}) == 3, "staggered, so that none hides another"


ONE_STAGE = {
    "dfl": SupportPointCodec.dfl(),
    "dfine": SupportPointCodec.dfine(),
    "two points": SupportPointCodec.dfl(num_points=2),
    "distance bins": DistanceBinCodec(),
    "one bin": DistanceBinCodec(num_bins=1),
}
every_head = pytest.mark.parametrize("codec", ONE_STAGE.values(), ids=ONE_STAGE)


def one_stage_belief(codec: OffsetCodec) -> Belief:
    """A belief of a head with one distribution per coordinate, with random outputs."""
    found = detections([[20.0, 30.0, 100.0, 90.0]], ["dog"], [0.9], REGRESSION)
    outputs = torch.randn(1, codec.num_outputs, generator=torch.Generator().manual_seed(3))
    return belief_of(replace(found, codec=codec, outputs=outputs, explanation=codec.explain(outputs)), 0)


def spans(bar: go.Bar) -> list[tuple[float, float]]:
    return [(x - width / 2, x + width / 2) for x, width in zip(bar.x, bar.width, strict=True)]


@every_head
@pytest.mark.parametrize("coordinate", COORDINATES)
def test_any_head_is_drawn_with_a_bar_for_each_probability(codec, coordinate) -> None:
    seen = one_stage_belief(codec)
    figure = coordinate_histograms(seen, coordinate)
    (bar,) = bars(figure)
    torch.testing.assert_close(torch.tensor(bar.y), seen.stages[0].probabilities[0, COORDINATES.index(coordinate)])
    assert figure.layout.height == figure_height(1)
    hollow = [True, *[False] * (len(bar.y) - 2), True]
    assert [width > 0 for width in bar.marker.line.width] == hollow, "the outermost answer for everything beyond them"
    assert [" or less" in text or " or more" in text for text in bar.customdata] == hollow
    low, high = figure.layout.xaxis.range
    assert low < spans(bar)[0][0]
    assert spans(bar)[-1][1] < high
    assert not any("stage" in note.text for note in figure.layout.annotations), "there is no second one"


@every_head
def test_bars_lie_within_the_edges_that_their_point_answers_for(codec) -> None:
    seen = one_stage_belief(codec)
    (bar,) = bars(coordinate_histograms(seen, "x"))
    edges = seen.stages[0].edges.tolist()
    for (left, right), low, high in zip(spans(bar), edges[:-1], edges[1:], strict=True):
        assert low <= left + 1e-6
        assert right <= high + 1e-6
        assert right - left > 0
    widths = [right - left for left, right in spans(bar)]
    gaps = [after[0] - before[1] for before, after in pairwise(spans(bar))]
    assert max(gaps[1:-1], default=0) < 0.5 * min(widths), "neighbours touch but for a slit"


@pytest.mark.parametrize("codec", [ONE_STAGE["dfl"], ONE_STAGE["dfine"], ONE_STAGE["two points"]])
def test_the_outermost_points_stand_in_the_middle_of_their_bars(codec) -> None:
    (bar,) = bars(coordinate_histograms(one_stage_belief(codec), "w"))
    assert (bar.x[0], bar.x[-1]) == pytest.approx((codec.points[0], codec.points[-1]), rel=1e-5)
    assert "tail" not in bar.customdata[0]
    assert bar.customdata[-1].startswith("end point")


def test_points_far_out_have_wider_bars() -> None:
    (bar,) = bars(coordinate_histograms(one_stage_belief(ONE_STAGE["dfine"]), "y"))
    assert list(bar.width[11:]) == sorted(bar.width[11:])
    assert bar.width[-1] > 10 * bar.width[11]
    ticks = list(coordinate_histograms(one_stage_belief(ONE_STAGE["dfine"]), "y").layout.xaxis.ticktext)
    assert (ticks[0], ticks[-1]) == ("\N{MINUS SIGN}6", "+6")
