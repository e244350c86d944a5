"""AP against the IoU threshold, with bands over photos, and the AP that bad boxes cost.

Reads record files (``obcn eval --records``). Writes ``ap_by_iou`` and ``ap_summary`` as CSV, and the figure.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import plotly.graph_objects as go
import typer

from analysis.output import Picture, run, script, write_figures, write_tables
from obcn.errors import UserError
from obcn.figures.lines import model_lines
from obcn.figures.palette import LIGHT, Palette
from obcn.figures.precision import ap_figure
from obcn.records.files import count_rows
from obcn.tables.ap_curves import ap_tables
from obcn.tables.matched import model_names
from obcn.tables.precision import BYTES_PER_ROW, load_results

MANY_ROWS = 500_000

app = script()


def ap_by_iou(
    paths: Sequence[Path], samples: int = 1000, seed: int = 0, palette: Palette = LIGHT
) -> tuple[dict[str, pd.DataFrame], dict[str, go.Figure]]:
    """Tables and the figure, by name, of any number of record files.

    Tables ``ap_by_iou`` and ``ap_summary`` are those of :func:`obcn.tables.ap_curves.ap_tables`.

    Example:
        tables, figures = ap_by_iou([Path("regression.parquet"), Path("obcn.parquet")], samples=200)

    Args:
        paths: record files.
        samples: data sets that the bootstrap draws; 0 gives no bands.
        seed: of the draws.
        palette: the theme's.

    Raises:
        UserError: none given, or not a record file.
    """
    if not paths:
        raise UserError("give at least one record file; `obcn eval --records` writes them")
    names = model_names(paths)
    tables = ap_tables([load_results(path) for path in paths], names, samples, seed)
    figure = ap_figure(tables["ap_by_iou"], model_lines(names, palette), palette)
    return tables, {"ap_by_iou": figure}


@app.command()
def main(
    records: Annotated[list[Path], typer.Argument(help="Record files; differences are from the first.")],
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/ap"),
    samples: Annotated[int, typer.Option(min=0, help="Data sets that the bootstrap draws; 0 for no bands.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside each page.")] = "svg",
) -> None:
    """Draw AP against the IoU threshold, and print what bad boxes cost.

    Example: `obcn analyse ap-by-iou regression.parquet obcn.parquet --output runs/ap`
    """
    rows = max((count_rows(path) for path in records), default=0)
    if rows > MANY_ROWS:
        typer.echo(f"{rows:,} rows: takes minutes, and up to {rows * BYTES_PER_ROW / 1e9:.1f} GB of memory", err=True)
    tables, figures = ap_by_iou(records, samples, seed)
    if len(records) > 1 and tables["ap_by_iou"].difference.isna().all():
        typer.echo(
            "ap_by_iou: these record files are of different photos or objects: their curves say nothing about which "
            "model is better, and no difference is drawn; evaluate all models on the same data",
            err=True,
        )
    for row in tables["ap_summary"].itertuples():
        typer.echo(
            f"{row.model}: AP {row.ap:.1f}{f' ({row.ap_low:.1f} to {row.ap_high:.1f})' if samples else ''}, "
            f"AP50 {row.ap50:.1f}; "
            f"perfect placement of nearby boxes recovers {row.recovered_by_placement:.1f} points of it"
        )
    write_tables(output, tables)
    write_figures(output, figures, picture)


if __name__ == "__main__":
    run(app)
