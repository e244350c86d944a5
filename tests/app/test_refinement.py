import pytest
import torch

from app.components.refinement import refinement_steps, say_step
from obcn.figures.belief import belief_of
from tests.app.helpers import BINS, detections

BOX = [60.0, 40.0, 120.0, 90.0]


def test_steps_go_from_the_candidate_to_the_box_on_the_photo() -> None:
    seen = belief_of(detections([BOX], ["dog"], [0.9]), 0)
    steps = refinement_steps(seen)
    assert list(steps) == ["candidate", "stage 1", "stage 2"]
    torch.testing.assert_close(steps["candidate"], seen.candidate)
    torch.testing.assert_close(steps["stage 2"], seen.final)
    one = belief_of(detections([BOX], ["dog"], [0.9], BINS.decoding(num_stages=1)), 0)
    assert list(refinement_steps(one)) == ["candidate", "stage 1"]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([15.0, 0.0, 35.0, 10.0], "10.0 px right and 0.0 px down, and makes the box 0.0 px wider and 0.0 px taller."),
        ([5.0, -8.0, 25.0, 2.0], "0.0 px right and 8.0 px up, and makes the box 0.0 px wider and 0.0 px taller."),
        ([0.0, 3.0, 20.0, 7.0], "5.0 px left and 0.0 px down, and makes the box 0.0 px wider and 6.0 px lower."),
        ([9.0, 0.0, 21.0, 9.0], "0.0 px right and 0.5 px up, and makes the box 8.0 px narrower and 1.0 px lower."),
    ],
)
def test_a_step_is_told_in_pixels(box, words) -> None:
    before = torch.tensor([5.0, 0.0, 25.0, 10.0])
    assert say_step("stage 1", before, torch.tensor(box), None) == f"Stage 1 moves the centre {words}"


def test_where_the_truth_is_known_the_step_says_how_well_it_fits() -> None:
    truth = torch.tensor([0.0, 0.0, 10.0, 10.0])
    assert say_step("candidate", None, torch.tensor([0.0, 0.0, 10.0, 5.0]), truth).endswith("IoU with the truth 0.50.")
    assert "IoU" not in say_step("candidate", None, truth, None)
