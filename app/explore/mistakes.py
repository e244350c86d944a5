"""Explore's mistakes: false alarms and missed objects of one head by kind, with what each kind costs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.components.photo_grid import Tile, TileBox, photo_grid
from app.explore import load
from app.explore.paging import choose_page
from app.explore.table import TRUTH, Filters
from app.explore.tiles import Source, link_to, tiles_of
from app.exports import export_table
from app.tables import html_table
from obcn.figures.palette import Line, Palette
from obcn.records.schema import CORNERS, each
from obcn.tables.frames import rows_of
from obcn.tables.matched import size_of
from obcn.tables.mistakes import KINDS, Kind

KEY = "kinds"
MEANINGS: dict[Kind, str] = {
    "classification": "on an object, of another class",
    "localisation": "near an object of its class, IoU 0.1 to 0.5",
    "both": "near an object of another class",
    "duplicate": "on an object that a better box has",
    "background": "off every object, IoU under 0.1",
    "missed": "an object that none of these is about",
}

_BOX = each("box", CORNERS)


def show_mistakes(
    path: Path,
    name: str,
    filters: Filters,
    source: Source,
    whole: bool,
    lines: Mapping[str, Line],
    palette: Palette,
    on_open: Callable[[], None],
) -> None:
    """Draw how many there are of each kind, what they cost, and one page of their tiles.

    Args:
        path: the head's record file.
        name: the head's.
        filters: class, size and score are heeded; missed objects score 0.
        source: of the pictures.
        whole: show whole photos; else what is around the box.
        lines: of ``head`` and ``truth``.
        palette: the theme's.
        on_open: called when a tile is clicked.
    """
    table = load.load_mistakes(path)
    kinds = st.pills("Kind", KINDS, selection_mode="multi", key=KEY, bind="query-params")
    passing = keep_mistakes(table, filters, ())
    st.html(html_table(_overview(path, table, passing), f"Mistakes of {name} by kind"))
    st.caption("; ".join(f"**{kind}**: {meaning}" for kind, meaning in MEANINGS.items()) + ".")
    st.caption(
        "Mistakes at IoU 0.5 by the kinds of TIDE. What a kind costs is how much AP50 would rise, had all of it, at "
        "any score, been put right and nothing else; the costs do not add up. Best scores come first."
    )
    kept = keep_mistakes(table, filters, kinds or ())
    order = np.flatnonzero(kept)[np.argsort(-table.score.fillna(0).to_numpy()[kept], kind="stable")]
    if not len(order):
        st.info(f"None of the {len(table):,} mistakes passes the filters.", icon=":material/search_off:")
        return
    rows = table.iloc[order[choose_page(len(order), len(table), "mistakes", (filters, tuple(kinds or ()), name))]]
    with st.spinner(f"Reading {len(rows)} pictures…"):
        tiles = mistake_tiles(rows, name, source, whole)
    photo_grid(tiles, lines, palette, "grid", on_open)
    export_table(lambda: table.iloc[order], "explore mistakes")


def keep_mistakes(table: pd.DataFrame, filters: Filters, kinds: tuple[Kind, ...] | list[Kind]) -> np.ndarray:
    """(mistakes,) mask of those that stay.

    Args:
        table: of :func:`obcn.tables.mistakes.mistakes_of`.
        filters: of class (the detection's), size (the object's) and score.
        kinds: all if empty.
    """
    kept = np.ones(len(table), dtype=bool)
    if kinds:
        kept &= table.kind.isin(kinds).to_numpy()
    if filters.classes:
        kept &= table.category.isin(filters.classes).to_numpy()
    if filters.sizes:
        known = table.truth_area.notna().to_numpy()
        kept &= known & np.isin(size_of(table.truth_area.fillna(0).to_numpy()), filters.sizes)
    if filters.score is not None:
        score = table.score.fillna(0).to_numpy()
        kept &= (score >= np.float32(filters.score[0])) & (score <= np.float32(filters.score[1]))
    return kept


def mistake_tiles(rows: pd.DataFrame, name: str, source: Source, whole: bool) -> list[Tile]:
    """A tile per mistake; arguments as in :func:`show_mistakes`."""
    records = rows_of(rows)
    return tiles_of(
        records,
        [_boxes(row, name) for row in records],
        source,
        whole,
        lambda row: {
            "title": row["category"],
            "detail": f"{row['kind']} · {row['file_name']}",
            "values": [("head", _in_words(row))],
            "link": link_to(source, _as_object(row)),
        },
    )


def _overview(path: Path, table: pd.DataFrame, passing: np.ndarray) -> pd.DataFrame:
    """A row of text per kind."""
    counts = table.kind[passing].value_counts()
    costs = None
    if load.rows_in(path) <= load.MANY_ROWS or st.toggle("Work out what they cost, which takes minutes", key="costs"):
        costs = load.load_costs(path).set_index("kind").gain
    return pd.DataFrame(
        [
            {
                "kind": kind,
                "shown": f"{counts[kind]:,}",
                "costs AP50": "" if costs is None else f"{costs[kind]:.1f}",
            }
            for kind in KINDS
        ]
    )


def _boxes(row: Mapping[str, Any], name: str) -> list[TileBox]:
    boxes = []
    if row["truth_category"] == row["truth_category"]:  # NaN of none
        boxes.append(TileBox("truth", f"truth: {row['truth_category']}", tuple(row[each] for each in TRUTH)))
    if not np.isnan(row["score"]):
        found = f"{name}: {row['category']} {row['score']:.2f}"
        boxes.append(TileBox("head", found, tuple(row[corner] for corner in _BOX)))
    return boxes


def _in_words(row: Mapping[str, Any]) -> str:
    if row["kind"] == "missed":
        return "nothing"
    if row["kind"] == "background":
        return f"{row['score']:.2f}, no object"
    return f"{row['score']:.2f}, IoU {row['iou']:.2f} with {row['truth_category']}"


def _as_object(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as links want an object: where the mistake is."""
    corners = TRUTH if row["kind"] == "missed" else _BOX
    place = {name: row[corner] for name, corner in zip(TRUTH, corners, strict=True)}
    return {
        "file_name": row["file_name"],
        "category": row["category"],
        "truth_id": 0,
        "head_score": row["score"],
        **place,
    }
