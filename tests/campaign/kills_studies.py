"""A study of two heads with two seeds, killed at random moments: its figures end as if nobody had."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from analysis.frozen.runner import Workplace, run_study
from app.photos import SAMPLES
from obcn.data.coco import read_coco
from obcn.studies.study import Row, Study
from tests.analysis.heads import BINS, REGRESSION, protocol
from tests.campaign.cases import Case
from tests.campaign.kills import Work, kills_of

HEADS = (Row(name="regression", head=REGRESSION), Row(name="bins", head=BINS))
STUDY = Study(title="t", question="q", baseline="regression", rows=HEADS)


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """On the features of the sample photos."""
    yield from kills_of(Work(_run, _outcomes, _same, folder / "work"), rng)


def _run(work: Path) -> None:
    samples = read_coco(SAMPLES, SAMPLES / "truth.json")
    run_study(STUDY, protocol(2), Workplace(samples, samples, work))


def _outcomes(work: Path) -> dict[str, dict]:
    """The figures of those heads that are done; each file is whole."""
    return {path.name: json.loads(path.read_text())["metrics"] for path in (work / "outcomes").glob("*.json")}


def _same(whole: Path, work: Path) -> None:
    assert len(_outcomes(whole)) == len(HEADS) * len(protocol().seeds)
    assert _outcomes(whole) == _outcomes(work)
