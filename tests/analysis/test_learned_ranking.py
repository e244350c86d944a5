"""An IoU learned from distributions: its statistics and targets by hand, and the script on the sample photos."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from analysis import learned_ranking
from analysis.learned_ranking import distribution_statistics, quality_layer, reranked, true_ious
from obcn.config import BinOffsets
from obcn.errors import UserError
from obcn.models.selection import ScoredCandidates
from obcn.offsets import BinCodec, RegressionCodec
from tests.analysis.test_scripts import call
from tests.models.helpers import build, compact_config

ROOT = Path(__file__).parents[2]


def test_statistics_are_the_largest_probabilities_and_their_mean() -> None:
    codec = BinCodec(num_bins=4, ranges=(3.0, 0.6))
    probabilities = torch.tensor([0.05, 0.4, 0.25, 0.15, 0.1, 0.05])
    outputs = probabilities.log().expand(2, 2, 4, 6).clone()
    outputs[1, 1, 3] = 0.0
    found = distribution_statistics(codec, outputs.flatten(1)).reshape(2, 2, 4, 5)
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([0.4, 0.25, 0.15, 0.1, 0.225]))
    torch.testing.assert_close(found[1, 1, 3], torch.full((5,), 1 / 6), msg="of its own stage and coordinate")
    torch.testing.assert_close(found[1, 1, 2], found[0, 0, 0])


def test_regression_has_no_statistics() -> None:
    with pytest.raises(ValueError, match="no distribution"):
        distribution_statistics(RegressionCodec(), torch.zeros(3, 4))


def test_the_iou_is_that_of_the_decoded_box_with_its_own_class() -> None:
    candidates = ScoredCandidates(
        boxes=torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]]),
        probabilities=torch.tensor([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]]),
        # Offsets are in tenths of the candidate's size (METHOD 2): 5 moves the box by half of it.
        offset_outputs=torch.tensor([[[5.0, 0, 0, 0]], [[0, 0, 0, 0]], [[0, 0, 0, 0]]]),
    )
    truth = [{"category_id": 7, "bbox": [5, 0, 10, 10]}, {"category_id": 7, "bbox": [100, 100, 5, 5]}]
    found = true_ious(RegressionCodec(), candidates, truth, ids=[7, 9])
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 0.0]))


def test_a_layer_learns_what_the_statistics_tell() -> None:
    torch.manual_seed(0)
    statistics = torch.rand(2000, 20)
    ious = (statistics[:, 0] * 0.8 + 0.1).clamp(0, 1)
    layer = quality_layer(statistics, ious, seed=0)
    with torch.no_grad():
        predicted = layer(statistics).sigmoid()
    assert torch.corrcoef(torch.stack((predicted, ious)))[0, 1] > 0.9


def test_probabilities_are_multiplied_by_the_iou_and_none_is_raised_over_the_threshold() -> None:
    probabilities = torch.tensor([[0.1, 0.8, 0.04], [0.3, 0.1, 0.6]])
    scored = ScoredCandidates(torch.zeros(2, 4), probabilities, torch.zeros(2, 1, 4 * 6))
    half = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 1), torch.nn.Flatten(start_dim=0))
    for parameter in half.parameters():
        torch.nn.init.zeros_(parameter)
    found = reranked(BinCodec(num_bins=4), scored, 0.05, half).probabilities
    torch.testing.assert_close(found, torch.tensor([[0.05, 0.4, 0.0], [0.15, 0.05, 0.3]]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    photos = ROOT / "app" / "samples"
    part = {"images": str(photos), "annotations": str(photos / "truth.json")}
    path = tmp_path / "data.yaml"
    path.write_text(json.dumps({"format": "coco", "train": part, "val": part}))
    return path


def test_a_cascade_is_refused(data, monkeypatch) -> None:
    cascade = build(compact_config(offsets=BinOffsets(codec="bins"), foreground_iou=(0.5, 0.7)))
    monkeypatch.setattr(learned_ranking, "load_for_inference", lambda _: (cascade, None))
    result = call("learned_ranking", "--data", data, "--model", "mine.safetensors")
    assert isinstance(result.exception, UserError)
    assert "mine.safetensors is a cascade" in str(result.exception)
    assert "name a detector of one class-agnostic head with bins" in str(result.exception)


def test_a_head_of_too_few_bins_is_refused(data, monkeypatch) -> None:
    few = build(compact_config(offsets=BinOffsets(codec="bins", num_bins=1)))
    monkeypatch.setattr(learned_ranking, "load_for_inference", lambda _: (few, None))
    result = call("learned_ranking", "--data", data, "--model", "few.safetensors")
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("few.safetensors keeps 3 probabilities of each coordinate, and the 4")
    assert str(result.exception).endswith("name a detector with more bins")


@pytest.mark.slow
def test_the_script_writes_a_row_for_each_way(data, tmp_path) -> None:
    result = call("learned_ranking", "--data", data, "--photos", 2, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "learned_ranking.csv")
    assert table.rank_by.tolist() == ["score"] * 2 + ["certainty"] * 2 + ["learned"] * 2
    assert table.merge_by.tolist() == ["suppression", "voting"] * 3
    assert table.AP.between(1, 100).all()
    assert call("learned_ranking", "--data", data, "--model", "regression").exit_code != 0
