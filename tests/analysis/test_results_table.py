"""The table of evaluations, and the README's copy of it."""

import json
from pathlib import Path

import pytest

from analysis.results_page import EVALUATED
from analysis.results_table import results_table
from obcn.metrics import FIGURES

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
    with pytest.raises(ValueError, match="different photos"):
        results_table(files)


@pytest.mark.parametrize(("page", "names"), [("README.md", IN_README), ("docs/findings.md", EVALUATED)])
def test_the_pages_show_the_table_of_the_committed_results(page: str, names: tuple[str, ...]) -> None:
    files = [ROOT / "results" / "voc2012-animals-val" / f"{name}.json" for name in names]
    assert results_table(files) in (ROOT / page).read_text(encoding="utf-8")
