from dataclasses import replace

import plotly.graph_objects as go
import pytest
import torch

from analysis.palette import DARK, LIGHT
from app.figures.belief import COORDINATES, Belief, belief_of
from app.figures.histograms import coordinate_histograms, figure_height
from obcn.offsets import BinCodec, decode_boxes
from tests.app.helpers import BINS, bin_outputs, detections


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


def test_the_second_stage_window_is_as_wide_as_one_bin_of_the_first() -> None:
    figure = coordinate_histograms(belief(), "y")
    first, second = bars(figure)
    step = second.x[2] - second.x[1]
    window = second.x[-2] - second.x[1] + step
    assert window == pytest.approx(first.x[2] - first.x[1], rel=1e-4)
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
        said = float(text.replace("\N{MINUS SIGN}", "-"))
        assert seen.pixels(coordinate, at) == pytest.approx(said, abs=1e-3)


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
