"""What the benchmarks wrote, and the page that is made of it."""

from pathlib import Path

from benchmarks.performance_page import page

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_command_writes_of_the_committed_results() -> None:
    written = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page(ROOT / "results" / "benchmarks") == written
