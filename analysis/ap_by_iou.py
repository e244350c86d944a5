"""AP against the IoU threshold, with bands over photos, and the AP that bad boxes cost.

Reads record files (``obcn eval --records``). Writes ``ap_by_iou`` and ``ap_summary`` as CSV, and the figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import typer
from plotly.subplots import make_subplots

from analysis.drawing import faded, finish, model_lines, stroke
from analysis.matched import model_names
from analysis.output import Picture, run, script, write_figures, write_tables
from analysis.palette import LIGHT, Line, Palette
from analysis.precision import ModelResults, bootstrap_ap, load_results, same_data
from obcn.errors import UserError
from obcn.records.files import read_info

app = script("AP at IoU 0.50 to 0.95 of any number of models, and the share of the lost AP that bad boxes cost.")


def ap_by_iou(
    paths: Sequence[Path], samples: int = 1000, seed: int = 0, palette: Palette = LIGHT
) -> tuple[dict[str, pd.DataFrame], dict[str, go.Figure]]:
    """Tables and the figure, by name, of any number of record files.

    Table ``ap_by_iou``, one row per model and IoU: ``ap`` in percent; ``ap_low`` and ``ap_high``, between which 95% of
    the bootstrap's data sets lie; ``ap_localised``, had every badly placed detection its object's box; and
    ``difference`` (with ``_low``, ``_high``) from the first model, where all saw the same photos.
    Table ``ap_summary``, one row per model: the same for AP over all IoUs, and for IoU 0.5 ``lost`` (100 - AP50),
    ``lost_to_localisation`` in points and ``localisation_share`` of the lost.

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
    styles = model_lines([read_info(path) for path in paths], palette)
    figure = ap_figure(tables["ap_by_iou"], dict(zip(names, styles, strict=True)), palette)
    return tables, {"ap_by_iou": figure}


def ap_tables(
    models: Sequence[ModelResults], names: Sequence[str], samples: int, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """The tables of :func:`ap_by_iou`, of results that have been read."""
    drawn = bootstrap_ap(models, samples, seed) if samples else [np.empty((0, len(model.ious))) for model in models]
    paired = same_data(models)
    curves, summary = [], []
    for name, model, draws in zip(names, models, drawn, strict=True):
        curve, whole = _rows(model, draws, (models[0], drawn[0]) if paired else None)
        curves.append(curve.assign(model=name))
        summary.append({"model": name, "photos": model.num_photos, **whole})
    table = pd.concat(curves, ignore_index=True)
    return {"ap_by_iou": table[["model", *table.columns.drop("model")]], "ap_summary": pd.DataFrame(summary)}


def ap_figure(
    table: pd.DataFrame,
    lines: Mapping[str, Line],
    palette: Palette = LIGHT,
    parts: Sequence[Literal["ap", "difference"]] = ("ap", "difference"),
) -> go.Figure:
    """AP against IoU and its difference from the first model, side by side; bands where the table has them.

    Each curve has ``meta``: its model.

    Args:
        table: ``ap_by_iou`` of :func:`ap_by_iou`.
        lines: model name to its line.
        palette: the theme's.
        parts: which of the two; the difference is left out where there is none.
    """
    first = next(iter(lines))
    compared = len(lines) > 1 and bool(table.difference.notna().any())
    shown = [part for part in parts if part == "ap" or compared]
    titles = {"ap": "AP (thin: had boxes near an object been right)", "difference": f"difference from {first}"}
    if not compared:
        titles["ap"] = "AP"
    figure = make_subplots(cols=len(shown), column_titles=[titles[part] for part in shown], horizontal_spacing=0.09)
    for column, part in enumerate(shown, start=1):
        for name, line in lines.items():
            rows = table[table.model == name]
            _add_curve(figure, rows, part, name, line, column)
            if part == "ap":
                _add_localised(figure, rows, name, line, column)
        if part == "ap":
            figure.update_yaxes(title_text="AP, percent", rangemode="tozero", col=column)
        else:
            zero = {"zeroline": True, "zerolinecolor": palette.muted}
            figure.update_yaxes(title_text="AP difference, points", col=column, **zero)
    figure.update_xaxes(title_text="IoU threshold", dtick=0.1)
    note = (
        "How AP falls as boxes must fit better. Bands: 95% of data sets drawn anew from the photos. Read thin lines at "
        "0.50:<br>beyond, duplicates count as badly placed, and are set aside."
    )
    finish(figure, "AP by IoU", note, 560, palette, width=1200 if len(shown) > 1 else 760)
    return figure


def _rows(
    model: ModelResults, draws: np.ndarray, reference: tuple[ModelResults, np.ndarray] | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    ap, localised = model.ap(), model.ap(localised=True)
    low, high = _band(draws)
    if reference is None:
        difference, (difference_low, difference_high) = np.full(len(ap), np.nan), _band(draws[:0])
        mean_difference, mean_band = np.nan, (np.nan, np.nan)
    else:
        difference = ap - reference[0].ap()
        difference_low, difference_high = _band(draws - reference[1])
        mean_difference = difference.mean()
        mean_band = _band((draws - reference[1]).mean(axis=1, keepdims=True))
    curve = pd.DataFrame(
        {
            "iou": model.ious,
            "ap": ap,
            "ap_low": low,
            "ap_high": high,
            "ap_localised": localised,
            "difference": difference,
            "difference_low": difference_low,
            "difference_high": difference_high,
        }
    )
    mean_low, mean_high = _band(draws.mean(axis=1, keepdims=True))
    lost, regained = 100 - ap[0], localised[0] - ap[0]
    whole = {
        "ap": ap.mean(),
        "ap_low": float(mean_low[0]),
        "ap_high": float(mean_high[0]),
        "difference": mean_difference,
        "difference_low": float(np.ravel(mean_band[0])[0]),
        "difference_high": float(np.ravel(mean_band[1])[0]),
        "ap50": ap[0],
        "ap50_localised": localised[0],
        "lost": lost,
        "lost_to_localisation": regained,
        "localisation_share": regained / lost if lost > 0 else np.nan,
    }
    return curve, whole


def _band(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2.5% and 97.5% quantiles over the draws, (T,) each; NaN without a draw."""
    if not len(draws):
        return np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    low, high = np.nanquantile(draws, (0.025, 0.975), axis=0)
    return low, high


def _add_localised(figure: go.Figure, part: pd.DataFrame, name: str, line: Line, column: int) -> None:
    figure.add_scatter(
        x=part.iou,
        y=part.ap_localised,
        mode="lines",
        line=stroke(line, 1),
        name=f"{name}, localised",
        hovertemplate=f"<b>{name}</b>, nearby boxes put right<br>IoU %{{x:.2f}}<br>AP %{{y:.1f}}<extra></extra>",
        legendgroup=name,
        showlegend=False,
        row=1,
        col=column,
    )


def _add_curve(figure: go.Figure, part: pd.DataFrame, value: str, name: str, line: Line, column: int) -> None:
    low, high = part[f"{value}_low"], part[f"{value}_high"]
    cell = {"legendgroup": name, "row": 1, "col": column}
    if low.notna().all():
        figure.add_scatter(
            x=[*part.iou, *part.iou[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=faded(line.colour, 0.15),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            **cell,
        )
    figure.add_scatter(
        x=part.iou,
        y=part[value],
        name=name,
        mode="lines+markers",
        line=stroke(line),
        marker={"symbol": line.symbol, "size": 8, "color": line.colour},
        customdata=np.stack((low, high), axis=1),
        meta={"model": name},
        hovertemplate=(
            f"<b>{name}</b><br>IoU %{{x:.2f}}<br>{value} <b>%{{y:.1f}}</b>"
            "<br>95%: %{customdata[0]:.1f} to %{customdata[1]:.1f}<extra></extra>"
        ),
        showlegend=column == 1,
        **cell,
    )


@app.command()
def main(
    records: Annotated[list[Path], typer.Argument(help="Record files; differences are from the first.")],
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/ap"),
    samples: Annotated[int, typer.Option(min=0, help="Data sets that the bootstrap draws; 0 for no bands.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside each page.")] = "svg",
) -> None:
    """Draw AP against the IoU threshold, and print what bad boxes cost.

    Example: `python -m analysis.ap_by_iou regression.parquet obcn.parquet --output runs/ap`
    """
    tables, figures = ap_by_iou(records, samples, seed)
    for row in tables["ap_summary"].itertuples():
        typer.echo(
            f"{row.model}: AP {row.ap:.1f} ({row.ap_low:.1f} to {row.ap_high:.1f}), AP50 {row.ap50:.1f}; "
            f"with nearby boxes put right AP50 {row.ap50_localised:.1f}, {row.localisation_share:.0%} of what is lost"
        )
    write_tables(output, tables)
    write_figures(output, figures, picture)


if __name__ == "__main__":
    run(app)
