"""How far true offsets reach: by hand, and what docs/heads.md says of it."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from analysis.offset_reach import reach_table, true_offsets
from obcn.offsets import BinCodec, hierarchical_ranges
from obcn.records.schema import COORDINATES

ROOT = Path(__file__).parents[2]


def test_shares_beyond_each_reach_by_hand() -> None:
    offsets = torch.tensor([[0.0, 1.0, -3.5, 6.0], [0.9, -2.0, 3.0, -6.0]])
    table = reach_table(offsets).set_index("a")
    assert table.loc[1.0, list(COORDINATES)].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert table.loc[3.0, list(COORDINATES)].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert table.loc[5.0, list(COORDINATES)].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert set(table.candidates) == {2}


def test_offsets_are_of_candidates_on_an_object(features) -> None:
    """With IoU >= 0.5, a candidate's centre lies within half a width, and its width within a factor of two."""
    offsets = true_offsets(features)
    assert len(offsets) > 50
    assert offsets[:, :2].abs().max() <= 5.0001
    assert offsets[:, 2:].abs().max() <= 5 * 0.6932


def test_the_page_on_heads_quotes_the_committed_file() -> None:
    page = " ".join((ROOT / "docs" / "heads.md").read_text(encoding="utf-8").split())
    table = pd.read_csv(ROOT / "results" / "frozen-trunk" / "offset_reach.csv").set_index("a")
    shares = 100 * table.loc[3.0, list(COORDINATES)]
    assert f"{shares.min():.1f} to {shares.max():.1f}% of the true offsets lie beyond 3" in page


def test_a_second_stage_of_the_papers_range_reaches_as_far_as_the_page_says() -> None:
    codec = BinCodec(20, hierarchical_ranges(20, 3.0, 2))
    scores = torch.full((1, 2, 4, 22), -50.0)
    scores[..., -1] = 50.0
    assert codec.decode(scores.flatten(1)).max().item() == pytest.approx(3.15)
    assert "3.15 with a second stage" in (ROOT / "docs" / "heads.md").read_text(encoding="utf-8")
