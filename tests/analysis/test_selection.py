"""The grid of ranking and merging, on the sample photos."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.selection import grid, selection_table
from obcn.checkpoints import load_for_inference
from obcn.engine.evaluate import evaluate
from obcn.models.selection import DetectionThresholds
from tests.analysis.test_scripts import call

ROOT = Path(__file__).parents[2]


def test_the_grid_crosses_what_a_head_can_do() -> None:
    plain = DetectionThresholds(score=0.2, rank_by="certainty", merge_by="voting")
    ways = list(grid(plain, [1.0, 2.0], [0.01, 0.1, 1.0], knows_certainty=True))
    assert len(ways) == len(set(ways)) == (1 + 2) * (1 + 3)
    assert (ways[0].rank_by, ways[0].merge_by) == ("score", "suppression")
    assert {way.score for way in ways} == {0.2}
    assert {way.rank_by for way in grid(plain, [1.0], [0.1], knows_certainty=False)} == {"score"}


@pytest.mark.slow
def test_the_rows_of_what_ships_are_what_evaluation_says(samples) -> None:
    """Mutants: voting or ranking left out, boxes in the network's pixels, candidates of too low a score left in."""
    detector, _ = load_for_inference("obcn")
    as_shipped = detector.roi_heads.thresholds
    table = selection_table(
        "obcn",
        detector,
        samples,
        [as_shipped.certainty_weight],
        [as_shipped.voting_sigma, 10 * as_shipped.voting_sigma],
    )
    both = table[(table.rank_by == "certainty") & (table.voting_sigma == as_shipped.voting_sigma)]
    figures = evaluate(detector, samples)
    for figure in ("AP", "AP50", "AP90"):
        assert both[figure].item() == pytest.approx(figures[figure], abs=0.6), figure
    assert table.AP.nunique() > 3, "or it would not matter what was compared"


def test_the_script_writes_a_row_for_each_way(tmp_path, samples) -> None:
    photos = ROOT / "app" / "samples"
    part = {"images": str(photos), "annotations": str(photos / "truth.json")}
    data = tmp_path / "data.yaml"
    data.write_text(json.dumps({"format": "coco", "train": part, "val": part}))
    result = call(
        "selection", "--data", data, "--model", "regression", "--sigma", 0.01, "--sigma", 0.05, "--output", tmp_path
    )
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "selection.csv")
    assert table.merge_by.tolist() == ["suppression", "voting", "voting"]
    assert table.voting_sigma.tolist()[1:] == [0.01, 0.05]
    assert table.certainty_weight.isna().all()
