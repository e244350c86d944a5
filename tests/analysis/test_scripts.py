"""Every script as a user calls it."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from analysis import output
from obcn import cli
from obcn.errors import UserError
from obcn.figures.pictures import draw_pictures
from obcn.records.schema import each
from tests.synthetic_records import write_matched, write_scene
from tests.tables.test_calibration import stage_columns

SCRIPTS = ("error_distributions", "ap_by_iou", "loss_gradients", "worst_cases")


def call(script: str, *arguments: object):
    module = importlib.import_module(f"analysis.{script}")
    return CliRunner().invoke(module.app, list(map(str, arguments)))


@pytest.fixture
def drawn(monkeypatch):
    """The pictures that would be drawn; starting a browser for each test takes too long."""
    files = []
    monkeypatch.setattr(output, "draw_pictures", lambda figures: files.extend(figures))
    return files


@pytest.fixture
def scenes(tmp_path):
    Image.new("RGB", (200, 200)).save(tmp_path / "1.png")
    for name, right in (("one", 50), ("two", 40)):
        row = {"photo": 1, "truth": (0, 0, 50, 50), "id": 1, "box": (0, 0, right, 50), "score": 0.9}
        write_scene(tmp_path / f"{name}.parquet", [row], 1, name)
    return tmp_path


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_has_an_example(script):
    result = call(script, "--help")
    assert result.exit_code == 0
    assert f"Example: obcn analyse {script.replace('_', '-')} " in result.output
    assert "completion" not in result.output


def test_loss_gradients_writes_page_picture_and_table(tmp_path, drawn):
    result = call("loss_gradients", "--output", tmp_path, "--beta", 1, "--spread", 0.5)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "loss_gradients.csv")
    assert table.loss_name.nunique() == 3
    page = (tmp_path / "loss_gradients.html").read_text(encoding="utf-8")
    # plotly.js lies beside the page: it opens without a network.
    assert 'src="plotly.min.js"' in page
    assert "https://cdn" not in page
    assert (tmp_path / "plotly.min.js").stat().st_size > 1_000_000
    assert drawn == [tmp_path / "loss_gradients.svg"]


def test_error_distributions_writes_every_table(tmp_path, drawn):
    rng = np.random.default_rng(0)
    plain = {name: rng.normal(size=50) for prefix in ("error", "error_px") for name in each(prefix)}
    write_matched(tmp_path / "regression.parquet", 50, **plain)
    believed = stage_columns(rng.uniform(0.2, 0.9, 50), rng.random(50) < 0.5, rng.uniform(0.1, 1, 50), plain["error_x"])
    write_matched(tmp_path / "obcn.parquet", 50, num_stages=1, **{**plain, **believed})
    result = call(
        "error_distributions", tmp_path / "regression.parquet", tmp_path / "obcn.parquet", "--output", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert {path.stem for path in (tmp_path / "out").glob("*.csv")} == {
        "errors",
        "error_histograms",
        "reliability_bins",
        "reliability_spread",
        "score_calibration",
        "calibration",
    }
    assert set(pd.read_csv(tmp_path / "out" / "errors.csv").model) == {"regression", "obcn"}
    assert set(pd.read_csv(tmp_path / "out" / "calibration.csv").model) == {"obcn"}
    assert {path.stem for path in drawn} == {
        "error_histograms",
        "errors_by_size",
        "errors_by_class",
        "calibration_stage1",
    }


def test_ap_by_iou_prints_what_bad_boxes_cost(scenes, drawn):
    result = call("ap_by_iou", scenes / "one.parquet", scenes / "two.parquet", "--output", scenes, "--samples", 5)
    assert result.exit_code == 0, result.output
    # The second box reaches IoU 0.8: right at 7 of 10 thresholds.
    assert "two: AP 70.0" in result.output
    assert pd.read_csv(scenes / "ap_summary.csv").difference.tolist() == pytest.approx([0, -30])


def test_worst_cases_writes_two_sheets(scenes, drawn):
    result = call(
        "worst_cases", scenes / "one.parquet", scenes / "two.parquet", "--photos", scenes, "--output", scenes / "out"
    )
    assert result.exit_code == 0, result.output
    assert pd.read_csv(scenes / "out" / "head_to_head.csv").gain.tolist() == pytest.approx([-0.2])
    assert {path.name for path in (scenes / "out").glob("*.png")} == {"wins_of_1.png", "wins_of_2.png"}


@pytest.mark.parametrize("name", ["head_to_head.csv", "wins_of_1.png", "head_to_head.html"])
def test_a_file_that_cannot_be_written_is_named(scenes, drawn, name):
    (scenes / "out" / name).mkdir(parents=True)
    result = call(
        "worst_cases", scenes / "one.parquet", scenes / "two.parquet", "--photos", scenes, "--output", scenes / "out"
    )
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == f"cannot write {scenes / 'out' / name}: Is a directory"
    assert not list((scenes / "out").glob("*.tmp"))


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="no folder in which nobody may make a file")
def test_a_folder_that_takes_no_file_is_told_in_one_line():
    tables = {"one": pd.DataFrame({"a": [1]})}
    with pytest.raises(UserError, match=r"^cannot write /proc/one\.csv: "):
        output.write_tables(Path("/proc"), tables)


def test_a_script_knows_how_it_was_called(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/clone/analysis/ablation.py", "--table", "1", "--output", "my runs"])
    assert output.typed_command() == "python -m analysis.ablation --table 1 --output 'my runs'"
    told = []
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr("runpy.run_module", lambda *_, **__: told.append(output.typed_command()))
    CliRunner().invoke(cli.app, ["analyse", "ap-by-iou", "my records.parquet", "--samples", "5"])
    assert told == ["obcn analyse ap-by-iou 'my records.parquet' --samples 5"]


def test_reading_records_needs_no_torch():
    """Which alone would take half of the memory that a million rows may take."""
    code = "import analysis.error_distributions, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_mistake_is_one_line_on_stderr(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "analysis.error_distributions", tmp_path / "none.parquet"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("obcn: ")
    assert "no such file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_study_outside_a_clone_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for script in ("cascade", "offset_reach"):
        result = call(script)
        assert isinstance(result.exception, UserError)
        assert "--data" in str(result.exception)
        assert "work in a clone" in str(result.exception)
        assert "\n" not in str(result.exception)
    assert "the study's trunk results/frozen-trunk" in str(call("cascade").exception)
    (tmp_path / "mine.yaml").write_text("format: coco\n")
    assert "in a clone" not in str(call("offset_reach", "--data", "mine.yaml").exception)


def test_without_a_browser_pages_and_tables_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    result = call("loss_gradients", "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "no svg written" in result.stderr
    assert "BROWSER_PATH" in result.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "loss_gradients.csv",
        "loss_gradients.html",
        "plotly.min.js",
    }


@pytest.mark.browser
def test_a_browser_draws_pictures_in_the_figures_size(tmp_path):
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))):
        pytest.skip("no Chrome or Chromium here")
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(y=[1, 2]), {"width": 321, "height": 123})
    files = {tmp_path / "a.svg": figure, tmp_path / "b.png": figure, tmp_path / "c.svg": figure}
    assert draw_pictures(files) is None
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "c.svg").read_bytes()
    assert 'width="321" height="123"' in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert Image.open(tmp_path / "b.png").size == (642, 246)


def test_a_browser_that_hangs_is_given_up(tmp_path):
    import plotly.graph_objects as go

    assert "did not answer" in draw_pictures({tmp_path / "a.svg": go.Figure()}, time_limit=0)


def test_ap_by_iou_says_that_files_of_other_photos_cannot_be_compared(scenes, drawn):
    same = call("ap_by_iou", scenes / "one.parquet", scenes / "two.parquet", "--output", scenes / "out", "--samples", 0)
    assert "different photos" not in same.output
    row = {"photo": 9, "truth": (0, 0, 50, 50), "id": 7, "box": (0, 0, 50, 50), "score": 0.9}
    write_scene(scenes / "other.parquet", [row], 1, "other")
    files = scenes / "one.parquet", scenes / "other.parquet"
    result = call("ap_by_iou", *files, "--output", scenes / "out", "--samples", 0)
    assert result.exit_code == 0, result.output
    assert "different photos or objects" in result.stderr
