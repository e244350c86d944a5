"""A few cases of each family of the campaign that need neither minutes nor a browser."""

import random
from importlib import import_module
from itertools import islice

import pytest

from app import hosting
from app.compare import scoring
from obcn.errors import UserError
from tests.campaign.cases import HANDLED, REFUSED, Case, damage, judge, swap_one


# The others have tests of their own: kills tests/engine/test_resume.py, visitors
# tests/app/test_startup.py, hosts tests/app/test_hosts.py.
@pytest.mark.parametrize(
    ("family", "number"),
    [
        *(("pictures", 90), ("data", 45), ("models", 22), ("records", 12)),
        pytest.param("links", 6, marks=pytest.mark.slow),
        pytest.param("hosted", 4, marks=pytest.mark.slow),
        pytest.param("runs", 7, marks=pytest.mark.slow),
    ],
)
def test_nothing_fails(family, number, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(hosting.VARIABLE, "")
    monkeypatch.setattr(scoring, "scores", None)
    cases = import_module(f"tests.campaign.{family}").cases(random.Random(1), tmp_path)
    outcomes = [judge(case) for case in islice(cases, number)]
    assert [outcome for outcome in outcomes if outcome.came == "failed"] == []


def _fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("run", "expected", "came"),
    [
        (lambda: None, (HANDLED,), "handled"),
        (lambda: None, (REFUSED,), "failed"),
        (lambda: _fail(UserError("give a file")), (REFUSED,), "refused"),
        (lambda: _fail(UserError("give a file")), (HANDLED,), "failed"),
        (lambda: _fail(UserError("two\nlines")), (REFUSED,), "failed"),
        (lambda: _fail(KeyError("boxes")), (HANDLED, REFUSED), "failed"),
    ],
)
def test_only_what_was_expected_passes(run, expected, came) -> None:
    assert judge(Case("a case", run, expected)).came == came


def test_odd_things_are_the_same_for_the_same_seed() -> None:
    content = {"a": [1, 2, {"b": 3}], "c": 4}
    assert swap_one(random.Random(3), content, "x") == swap_one(random.Random(3), content, "x")
    assert content == {"a": [1, 2, {"b": 3}], "c": 4}
    assert damage(random.Random(3), b"some bytes") == damage(random.Random(3), b"some bytes")
