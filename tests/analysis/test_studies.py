"""Studies as files, their tables, results and figures; on made-up outcomes whose sums are easy."""

import errno
import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from analysis.ablation import app
from analysis.frozen.heads import build_head
from analysis.frozen.study import head_settings, reading_codec
from obcn.errors import UserError
from obcn.figures.studies import study_figure
from obcn.metrics import OF_THE_PAPER
from obcn.models.box_head import POOL_SIZE
from obcn.models.roi_heads import OffsetRoIHeads
from obcn.studies.paper import load_paper
from obcn.studies.study import Protocol, Row, Study, load_protocol, load_study, study_names
from obcn.studies.study_results import StudyResults, compare, read_results, write_results
from obcn.studies.tables import study_table

HEAD = {"offsets": {"codec": "bins"}}
PAPER = {"base": dict.fromkeys(OF_THE_PAPER, 40.0), "own": dict.fromkeys(OF_THE_PAPER, 42.5)}
STUDY = Study(
    title="Bins against numbers",
    question="Which?",
    baseline="numbers",
    rows=(
        Row(name="numbers", head=HEAD, paper="base"),
        Row(name="bins", head=HEAD, paper="own"),
        Row(name="x", head=HEAD),
    ),
)


def figures(ap: float) -> dict[str, float]:
    return {figure: ap + number for number, figure in enumerate(OF_THE_PAPER)}


OUTCOMES = {
    ("numbers", 0): figures(30.0),
    ("numbers", 1): figures(32.0),
    ("bins", 0): figures(33.0),
    ("bins", 1): figures(34.0),
    ("x", 0): figures(29.0),
    ("x", 1): figures(33.0),
}


def results(study: Study = STUDY, outcomes=OUTCOMES, shift: float = 0.0) -> StudyResults:
    moved = {key: {name: value + shift for name, value in found.items()} for key, found in outcomes.items()}
    return StudyResults(
        title=study.title,
        question=study.question,
        baseline=study.baseline,
        paper_table=study.paper_table,
        axis=study.axis,
        figure=study.figure,
        command="python -m analysis.ablation --table 1",
        commits=["abc"],
        dates=("2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+00:00"),
        data="some-photos",
        photos=(20, 10),
        trunk="regression-12345678",
        protocol=Protocol(trunk="regression", seeds=(0, 1), head={}, schedule={}),
        table=study_table(study, moved, PAPER).to_dict("records"),
        outcomes={row.name: {seed: moved[row.name, seed] for seed in (0, 1)} for row in study.rows},
    )


def test_means_deviations_and_gains_by_hand() -> None:
    table = study_table(STUDY, OUTCOMES, PAPER).set_index("row")
    assert table.loc["numbers", "AP"] == 31.0
    assert table.loc["numbers", "AP_sd"] == pytest.approx(2**0.5), "of a sample of two"
    assert table.loc["bins", "AP90"] == 38.5
    # Seed by seed +3 and +2: the deviation of the gain is smaller than that of either row.
    assert table.loc["bins", "gain_AP"] == 2.5
    assert table.loc["bins", "gain_sd_AP"] == pytest.approx(0.5**0.5)
    assert table.loc["bins", "paper_gain_AP90"] == 2.5
    assert pd.isna(table.loc["x", "paper_AP"])


def test_one_seed_has_no_deviation() -> None:
    table = study_table(STUDY, {key: found for key, found in OUTCOMES.items() if key[1] == 0}, PAPER)
    assert table.AP_sd.isna().all()
    assert (table.seeds == 1).all()


def test_results_round_trip_through_their_file(tmp_path) -> None:
    write_results(tmp_path / "there" / "one.json", results())
    read = read_results(tmp_path / "there" / "one.json")
    pd.testing.assert_frame_equal(read.frame, results().frame)
    assert read.outcomes["bins"][1]["AP"] == 34.0


def test_results_are_written_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    path = tmp_path / "one.json"
    write_results(path, results())
    before = path.read_text()

    def half(file: Path, text: str, **_: object) -> None:
        file.write_bytes(text[:100].encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(UserError, match=r"cannot write \S*one\.json: No space left on device"):
        write_results(path, results(shift=1.0))
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["one.json"]


def test_a_file_that_holds_no_results_is_named(tmp_path) -> None:
    (tmp_path / "other.json").write_text('{"title": 3}')
    with pytest.raises(UserError, match=r"other\.json"):
        read_results(tmp_path / "other.json")
    with pytest.raises(UserError, match=r"missing\.json"):
        read_results(tmp_path / "missing.json")


def test_a_repetition_is_judged_by_the_deviation_over_seeds() -> None:
    comparison = compare(results(shift=3.0), results())
    # Student's t of two degrees of freedom, 4.30, times sqrt(2 / 2 + 2 / 2) and sqrt(0.5 / 2 + 0.5 / 2).
    assert "numbers: AP +3.00, within ± 6.08" in comparison
    assert "bins: AP +3.00, within ± 3.04" in comparison
    assert "bins: AP +3.10, outside ± 3.04" in compare(results(shift=3.1), results())


def test_gains_are_drawn_seed_by_seed_and_beside_the_paper() -> None:
    seeds, mean, paper = study_figure(results()).data
    assert sorted(zip(seeds.y, seeds.x, strict=True)) == [("bins", 2.0), ("bins", 3.0), ("x", -1.0), ("x", 1.0)]
    assert dict(zip(mean.y, mean.x, strict=True)) == {"bins": 2.5, "x": 0.0}
    assert dict(zip(paper.y, paper.x, strict=True)) == {"bins": 2.5}


def test_curves_are_drawn_against_what_varies() -> None:
    rows = tuple(
        Row(name=f"{curve} {at}", head=HEAD, curve=curve, at=at) for curve in ("one", "two") for at in (1.0, 2.0)
    )
    study = Study(title="t", question="q", baseline="one 1.0", axis="weight", figure="curves", rows=rows)
    outcomes = {(row.name, seed): figures(30 + 5 * row.at + seed) for row in rows for seed in (0, 1)}
    found = results(study, outcomes)
    drawn = study_figure(found)
    assert [trace.name for trace in drawn.data] == ["one", "two"]
    assert list(drawn.data[0].x) == [1.0, 2.0]
    assert list(drawn.data[0].y) == [35.5, 40.5]
    assert drawn.layout.xaxis.title.text == "weight"
    trade = study_figure(found.model_copy(update={"figure": "trade"})).data[0]
    assert list(trade.y) == [36.5, 41.5], "AP50"
    assert list(trade.x) == [40.5, 45.5], "AP90"


@pytest.mark.parametrize(
    ("rows", "baseline", "axis"),
    [
        ((Row(name="a", head=HEAD), Row(name="a", head=HEAD)), "a", None),
        ((Row(name="a", head=HEAD),), "b", None),
        ((Row(name="a", head=HEAD, curve="c", at=1.0),), "a", None),
        ((Row(name="a", head=HEAD),), "a", "weight"),
    ],
)
def test_a_study_that_contradicts_itself_is_refused(rows, baseline, axis) -> None:
    with pytest.raises(ValidationError):
        Study(title="t", question="q", baseline=baseline, rows=rows, axis=axis)


@pytest.mark.parametrize("name", study_names())
def test_a_shipped_study_names_heads_that_can_be_built_and_rows_that_the_paper_has(name, detector) -> None:
    """Mutant: a head whose layers are not as wide as what its reading takes."""
    study, paper = load_study(name), load_paper()
    heads = [head_settings(row, load_protocol(study)) for row in study.rows]
    for row, settings in zip(study.rows, heads, strict=True):
        head = build_head(settings.model_copy(update={"hidden": 4}), detector, seed=0)
        outputs = torch.zeros(2, head.codec.num_outputs)
        offsets = reading_codec(row, settings).decode(outputs)
        assert offsets.shape == (2, 4)
        if isinstance(head, OffsetRoIHeads):
            pooled = torch.zeros(2, detector.backbone.out_channels, POOL_SIZE, POOL_SIZE)
            written = [head.box_head(pooled)[1].flatten(1)] + [look(pooled) for look in head.later_looks]
            groups = 1 if settings.offsets.class_agnostic else len(detector.classes)
            assert sum(part.shape[1] for part in written) == groups * outputs.shape[1]
        assert row.paper is None or row.paper in paper.rows
    assert len(load_protocol().seeds) >= 3


def test_an_unknown_table_is_refused_with_the_names_of_those_there_are(tmp_path, monkeypatch) -> None:
    with pytest.raises(UserError, match="table1"):
        load_study("table9")
    from typer.testing import CliRunner

    found = CliRunner().invoke(app, ["--table", "9", "--output", str(tmp_path)])
    assert isinstance(found.exception, UserError)
    assert "table9" in str(found.exception)
