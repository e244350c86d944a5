"""What a run shows fits the windows that people have."""

import io

import pytest
from rich.console import Console

from obcn.engine.progress import TrainingDisplay

LOSSES = {"loss": 1.234, "loss_classifier": 0.5, "loss_box": 0.4, "loss_objectness": 0.3, "loss_rpn_box_reg": 0.034}


@pytest.mark.parametrize("columns", [80, 100])
def test_the_bar_can_be_read(columns):
    written = io.StringIO()
    console = Console(file=written, width=columns, force_terminal=True, legacy_windows=False, color_system=None)
    display = TrainingDisplay(total_steps=88_000, steps_per_epoch=7_333, done=43_999, console=console)
    with display:
        display.advance(LOSSES)
        display.validation(5000)
        lines = console.render_lines(display.bar.get_renderable())
    texts = ["".join(segment.text for segment in line).rstrip() for line in lines]
    assert len(texts) == 2
    assert texts[0].startswith("epoch 7/12")
    assert "44000/88000" in texts[0]
    assert texts[0].endswith("loss 1.234")
    assert texts[1].startswith("validating")
    assert "…" not in "".join(texts)


def test_an_epochs_line_gives_the_losses_one_by_one():
    written = io.StringIO()
    display = TrainingDisplay(20, 10, 9, Console(file=written, width=80))
    display.advance(LOSSES)
    display.end_validation({"AP": 12.34, "AP50": 20.0, "AP70": 15.0, "AP80": 9.0, "AP90": 1.0})
    assert "epoch 1: AP 12.3  AP50 20.0" in written.getvalue()
    assert "classifier 0.500  box 0.400  objectness 0.300" in written.getvalue()
