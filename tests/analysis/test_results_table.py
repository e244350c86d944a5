"""The table of evaluations, and the README's copy of it."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from analysis.results_page import EVALUATED
from analysis.results_table import results_table
from obcn.errors import UserError
from obcn.metrics import FIGURES
from tests.analysis.test_scripts import call

ROOT = Path(__file__).resolve().parents[2]
# Regression as it ships, and with all that it can have.
IN_README = ("regression", "regression_two_looks_voting", "obcn")


def write(path: Path, ap: float, images: int = 10) -> Path:
    metrics = dict.fromkeys(FIGURES, 50.0) | {"AP": ap}
    path.write_text(json.dumps({"command": "obcn eval", "data": "d", "images": images, "metrics": metrics}))
    return path


def test_one_row_per_file_named_after_it(tmp_path: Path) -> None:
    table = results_table([write(tmp_path / "regression.json", 38.25), write(tmp_path / "obcn_argmax.json", 40.0)])
    lines = table.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| regression | 38.2 | 50.0 |")
    assert lines[3].startswith("| obcn argmax | 40.0 |")


def test_files_of_different_photos_are_not_put_side_by_side(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.json", 1), write(tmp_path / "b.json", 1, images=11)]
    with pytest.raises(UserError, match="different photos"):
        results_table(files)


def test_a_figure_of_no_object_is_an_empty_cell(tmp_path: Path) -> None:
    measured = {"AP": 12.5, "AP50": 30.0}
    path = tmp_path / "all_large.json"
    path.write_text(json.dumps({"command": "obcn eval", "data": "d", "images": 10, "metrics": measured}))
    row = results_table([path]).splitlines()[2]
    assert row.startswith("| all large | 12.5 | 30.0 |  |")
    assert row.count("|") == len(FIGURES) + 2


def test_files_of_one_name_have_a_row_each(tmp_path: Path) -> None:
    files = [tmp_path / folder / "full.json" for folder in ("a", "b")]
    for number, path in enumerate(files):
        path.parent.mkdir()
        write(path, 10 + number)
    rows = results_table(files).splitlines()[2:]
    assert [row[: row.index("0 |") + 1] for row in rows] == [
        f"| full [{path}] | {10 + number}.0" for number, path in enumerate(files)
    ]


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[]", b'{"images": 3}'])
def test_a_file_that_holds_no_evaluation_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"other\.json.*`obcn eval --json`"):
        results_table([path])


def test_the_script_prints_the_table_and_a_mistake_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = write(tmp_path / "one.json", 40.0)
    assert call("results_table", path).stdout == results_table([path]) + "\n"
    monkeypatch.setattr("sys.argv", ["results_table", str(tmp_path / "none.json")])
    monkeypatch.delitem(sys.modules, "analysis.results_table")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("analysis.results_table", run_name="__main__")
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"obcn: cannot read {tmp_path / 'none.json'}: No such file")


@pytest.mark.parametrize(("page", "names"), [("README.md", IN_README), ("docs/findings.md", EVALUATED)])
def test_the_pages_show_the_table_of_the_committed_results(page: str, names: tuple[str, ...]) -> None:
    files = [ROOT / "results" / "voc2012-animals-val" / f"{name}.json" for name in names]
    assert results_table(files) in (ROOT / page).read_text(encoding="utf-8")
