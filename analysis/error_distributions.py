"""How far off are the boxes? Signed error per coordinate of each model, and whether bin heads know their own.

Reads record files (``obcn eval --records``). Writes ``errors``, ``error_histograms``, ``reliability_bins``,
``reliability_spread``, ``calibration`` and ``score_calibration`` as CSV, and the figures drawn from them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import plotly.graph_objects as go
import typer

from analysis.output import Picture, run, script, write_figures, write_tables
from obcn.figures.box_errors import calibration_figure, histogram_figure, quantile_figure
from obcn.figures.lines import model_lines
from obcn.figures.palette import LIGHT, Palette
from obcn.tables.box_errors import error_histograms, error_summary
from obcn.tables.calibration import calibration_summary, reliability_of_bins, reliability_of_spread
from obcn.tables.matched import load_matched
from obcn.tables.score_calibration import score_calibration

app = script()


def error_distributions(
    paths: Sequence[Path], palette: Palette = LIGHT
) -> tuple[dict[str, pd.DataFrame], dict[str, go.Figure]]:
    """Tables and figures by name, of any number of record files.

    Example:
        tables, figures = error_distributions([Path("regression.parquet"), Path("obcn.parquet")])
        figures["error_histograms"].show()

    Raises:
        UserError: not a record file, or nothing matched.
    """
    models = load_matched(paths)
    bins, spreads = reliability_of_bins(models), reliability_of_spread(models)
    tables = {
        "errors": error_summary(models),
        "error_histograms": error_histograms(models),
        "reliability_bins": bins,
        "reliability_spread": spreads,
        "calibration": calibration_summary(models, bins, spreads),
        "score_calibration": score_calibration(paths),
    }
    lines = model_lines([model.name for model in models], palette)
    figures = {
        "error_histograms": histogram_figure(tables["error_histograms"], lines, palette),
        "errors_by_size": quantile_figure(tables["errors"], "size", lines, palette),
        "errors_by_class": quantile_figure(tables["errors"], "class", lines, palette),
    }
    for stage in range(1, max(model.info.num_stages for model in models) + 1):
        figures[f"calibration_stage{stage}"] = calibration_figure(bins, spreads, lines, stage, palette)
    return tables, figures


@app.command()
def main(
    records: Annotated[list[Path], typer.Argument(help="Record files.", metavar="RECORDS...")],
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/errors"),
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside each page.")] = "svg",
) -> None:
    """Draw the localisation errors of each model, and how honest bin heads are about theirs.

    Example: `obcn analyse error-distributions regression.parquet obcn.parquet --output runs/errors`
    """
    tables, figures = error_distributions(records)
    write_tables(output, tables)
    write_figures(output, figures, picture)


if __name__ == "__main__":
    run(app)
