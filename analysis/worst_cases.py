"""Where does each of two heads beat the other? Every true object's IoU by both, and sheets of the extreme ones.

Reads two record files of the same photos (``obcn eval --records``) and the folder of photos. Writes
``head_to_head`` as CSV and figure, and one contact sheet (PNG) for each of the two heads.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import typer
from PIL import Image

from analysis.output import Picture, run, script, write_figures, write_tables
from obcn.data import read_photo
from obcn.errors import UserError
from obcn.figures.contact_sheet import Tile, contact_sheet
from obcn.figures.layout import finish
from obcn.figures.lines import model_lines
from obcn.figures.palette import LIGHT, Line, Palette
from obcn.files import replacing
from obcn.records.files import read_info
from obcn.records.rows import MATCH_IOU
from obcn.records.schema import CORNERS, each
from obcn.tables.matched import model_names
from obcn.tables.objects import OBJECT
from obcn.tables.pairs import head_objects, pair_heads

app = script()


def head_to_head(first: Path, second: Path) -> pd.DataFrame:
    """Every true object that counts, as two heads saw it: one row per object, largest gain of the second first.

    Columns: ``image_id``, ``file_name``, ``truth_id``, ``category``, ``truth_x1`` ..., ``truth_area``; for each head
    ``iou_first``, ``score_first`` and the box ``first_x1`` ... of the detection that matched the object or, where none
    did, of the nearest detection of its class that matched nothing (IoU 0 and no box where there is none),
    ``iou_second`` ...; and ``gain``, the second's IoU less the first's.

    Raises:
        UserError: not record files, one file twice, or not of the same objects.
    """
    if first.resolve() == second.resolve():
        raise UserError(f"{first} is given twice; name the record files of two heads")
    one, other = (head_objects(path, read_info(path)) for path in (first, second))
    if set(one.truth_id) != set(other.truth_id):
        raise UserError(f"{first} and {second} are not of the same photos: their true objects differ")
    table = pair_heads(other, one)
    columns = {name: name for name in OBJECT}
    for side, head in (("against", "first"), ("head", "second")):
        columns |= {f"{side}_iou": f"iou_{head}", f"{side}_score": f"score_{head}"}
        columns |= dict(zip(each(f"{side}_box", CORNERS), each(head, CORNERS), strict=True))
    table = table[[*columns, "gain"]].rename(columns=columns)
    return table.sort_values("gain", ascending=False, ignore_index=True)


def worst_cases(
    first: Path, second: Path, photos: Path, count: int = 12, palette: Palette = LIGHT
) -> tuple[pd.DataFrame, go.Figure, dict[str, Image.Image]]:
    """The table of :func:`head_to_head`, its figure, and a contact sheet for each head, by the head's name.

    A sheet shows the objects that its head finds, at IoU 0.5, and fits better than the other head does.

    Example:
        table, figure, sheets = worst_cases(Path("regression.parquet"), Path("obcn.parquet"), Path("photos"))

    Args:
        first: record file.
        second: record file of the same photos.
        photos: their folder.
        count: most objects on a sheet.
        palette: the theme's.

    Raises:
        UserError: as :func:`head_to_head`, or a photo cannot be read.
    """
    table = head_to_head(first, second)
    names = model_names([first, second])
    lines = model_lines(names, palette)
    wins = {
        names[0]: table[(table.gain < 0) & (table.iou_first >= MATCH_IOU)].iloc[::-1].head(count),
        names[1]: table[(table.gain > 0) & (table.iou_second >= MATCH_IOU)].head(count),
    }
    sheets = {
        name: _sheet(rows, photos, name, next(other for other in names if other != name), lines, palette)
        for name, rows in wins.items()
    }
    return table, gain_figure(table, lines, palette), sheets


def gain_figure(table: pd.DataFrame, lines: Mapping[str, Line], palette: Palette = LIGHT) -> go.Figure:
    """One dot per true object: its IoU by the first head against its IoU by the second.

    Args:
        table: of :func:`head_to_head`.
        lines: the two names, first and second, to their lines.
        palette: the theme's.
    """
    first, second = lines
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": palette.muted, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, better in ((first, table.gain < 0), (second, table.gain > 0)):
        part = table[better]
        figure.add_scatter(
            x=part.iou_first,
            y=part.iou_second,
            name=f"{name} is better ({len(part)} of {len(table)} objects)",
            mode="markers",
            marker={"color": lines[name].colour, "symbol": lines[name].symbol, "size": 8, "opacity": 0.65},
            customdata=part[["file_name", "category", "gain"]],
            hovertemplate=(
                "<b>%{customdata[1]}</b> in %{customdata[0]}"
                f"<br>{first} %{{x:.2f}}<br>{second} %{{y:.2f}} (%{{customdata[2]:+.2f}})<extra></extra>"
            ),
        )
    figure.update_xaxes(title_text=f"IoU by {first}; under 0.5 a miss", range=[-0.03, 1.03], constrain="domain")
    figure.update_yaxes(title_text=f"IoU by {second}; under 0.5 a miss", range=[-0.03, 1.03], scaleanchor="x")
    note = f"Above the diagonal {second} fits the object better."
    finish(figure, "Head to head", note, 760, palette, width=720)
    return figure


def _sheet(
    rows: pd.DataFrame, photos: Path, better: str, worse: str, lines: Mapping[str, Line], palette: Palette
) -> Image.Image:
    heads = dict(zip(lines, ("first", "second"), strict=True))
    tiles = []
    for row in rows.to_dict("records"):
        boxes, words = [], []
        for name in (worse, better):
            head = heads[name]
            corners = tuple(row[column] for column in each(head, CORNERS))
            found = not np.isnan(corners).any()
            if found:
                boxes.append((lines[name], corners))
            # The number first: a long name may be cut.
            words.append(f"IoU {row[f'iou_{head}']:.2f}: {name}" if found else f"nothing: {name}")
        boxes.append((palette.lines["truth"], tuple(row[name] for name in each("truth", CORNERS))))
        caption = f"{row['category']}, {row['file_name']}"
        tiles.append(Tile(read_photo(photos / row["file_name"]), boxes, (caption, *words[::-1])))
    legend = [("truth", palette.lines["truth"]), *((name, lines[name]) for name in (worse, better))]
    return contact_sheet(f"Where {better} beats {worse}", legend, tiles, palette)


@app.command()
def main(
    first: Annotated[Path, typer.Argument(help="Record file of the first head.")],
    second: Annotated[Path, typer.Argument(help="Record file of the second head, of the same photos.")],
    photos: Annotated[Path, typer.Option(help="Folder of the photos.")],
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/worst"),
    count: Annotated[int, typer.Option(min=1, help="Most objects on a sheet.")] = 12,
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside the page.")] = "svg",
) -> None:
    """Draw sheets of the objects on which each of two heads beats the other.

    Example: `obcn analyse worst-cases regression.parquet obcn.parquet --photos photos --output runs/worst`
    """
    table, figure, sheets = worst_cases(first, second, photos, count)
    write_tables(output, {"head_to_head": table})
    for number, (name, sheet) in enumerate(sheets.items(), start=1):
        path = output / f"wins_of_{number}.png"
        with replacing(path) as temporary:
            sheet.save(temporary, "PNG")
        typer.echo(f"{path} ({name})")
    write_figures(output, {"head_to_head": figure}, picture)


if __name__ == "__main__":
    run(app)
