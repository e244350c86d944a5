"""The notebook that is read first runs from top to bottom, as a reader runs it."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.slow
def test_the_tour_runs_and_shows_what_it_says(monkeypatch) -> None:
    # As in an activated environment; this kernel needs no other.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PLOTLY_RENDERER", "plotly_mimetype")
    tour = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    NotebookClient(tour, timeout=300, resources={"metadata": {"path": DOCS}}).execute()
    shown = [output.data for cell in tour.cells for output in cell.get("outputs", ()) if "data" in output]
    assert sum("application/vnd.plotly.v1+json" in data for data in shown) == 4
    assert sum("image/png" in data for data in shown) == 1
    printed = "".join(output.text for cell in tour.cells for output in cell.get("outputs", ()) if "text" in output)
    assert "AP50" in printed
