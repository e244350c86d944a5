"""`obcn eval --records`, killed at random moments: the file is there, whole, or not at all."""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from app.photos import SAMPLES
from obcn.records.files import read_records
from tests.campaign.cases import Case
from tests.campaign.kills import Work, kills_of
from tests.test_cli import obcn


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Of the shipped regression head on the sample photos."""
    yield from kills_of(Work(_evaluate, _rows, _same, folder / "work"), rng)


def _evaluate(work: Path) -> None:
    photos = ("--images", str(SAMPLES), "--annotations", str(SAMPLES / "truth.json"))
    obcn("eval", "--model", "regression", *photos, "--records", work / "a.parquet", "--device", "cpu")


def _rows(work: Path) -> pa.Table | None:
    path = work / "a.parquet"
    # Metadata has the command, which names the file.
    return read_records(path).replace_schema_metadata(None) if path.exists() else None


def _same(whole: Path, work: Path) -> None:
    expected, found = _rows(whole), _rows(work)
    assert expected is not None
    assert expected.num_rows
    assert expected.equals(found)
