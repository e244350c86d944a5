"""What a bar or point of the Errors page stands for: a set of objects that Explore can show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.explore.controls import NOTHING
from app.explore.table import Filters, measures_of
from obcn.figures.box_errors import COORDINATE_TITLES
from obcn.records.files import RecordInfo
from obcn.records.rows import MATCH_IOU
from obcn.tables.box_errors import UNITS
from obcn.tables.frames import rows_of


@dataclass(frozen=True)
class Pick:
    """Objects, as Explore can be asked for them.

    Attributes:
        label: what they have in common.
        model: whose figure the bar or point is; None where it is of the objects, whatever any head made of them.
        filters: which objects.
        column: of the head's record file, that ``filters.measure`` is about.
        sort: how Explore should order them; empty for its first order.
    """

    label: str
    model: str | None
    filters: Filters
    column: str | None = None
    sort: str = ""

    def link(self, info: RecordInfo, model: str, against: str | None) -> dict[str, str | list[str]]:
        """Query parameters of Explore for one model's objects.

        Args:
            info: of the model's record file.
            model: its name.
            against: the model to compare with.
        """
        link: dict[str, str | list[str]] = {"head": model, "against": against or NOTHING}
        link |= {"classes": list(self.filters.classes), "sizes": list(self.filters.sizes), "sort": self.sort}
        if self.column is not None and self.filters.measure is not None:
            words = next(words for words, column in measures_of(info).items() if column == self.column)
            above, below = (repr(end) if end is not None else "" for end in self.filters.measure)
            link |= {"measure": words, "above": above, "below": below}
        return {name: value for name, value in link.items() if value}


Picks = dict[str, Pick]


def histogram_picks(histograms: pd.DataFrame, unit: str) -> Picks:
    """One per bar of the error histograms, the two beyond the axis included, by :func:`histogram_key`."""
    picks = {}
    first = histograms[(histograms.unit == unit) & (histograms.model == histograms.model.iloc[0])]
    for row in rows_of(first):
        # Beyond the axis lie two open bins.
        low, high = (None if np.isinf(end) else float(end) for end in (row["left"], row["right"]))
        column = f"{UNITS[unit]}_{row['coordinate']}"
        label = f"error in {COORDINATE_TITLES[row['coordinate']]}: {interval(low, high)} {unit}"
        picks[histogram_key(row["coordinate"], row["left"])] = Pick(label, None, Filters(measure=(low, high)), column)
    return picks


def histogram_key(coordinate: str, left: float) -> str:
    """Tells bars apart."""
    return f"{coordinate}:{left:.6g}"


def group_picks(summary: pd.DataFrame, by: str) -> Picks:
    """One per size or class, by its name; in Explore the boxes that fit worst come first."""
    picks = {}
    for group in dict.fromkeys(summary[summary.by == by].group):
        filters = Filters(sizes=(group,)) if by == "size" else Filters(classes=(group,))
        picks[group] = Pick(f"{by} {group}, found or missed", None, filters, sort="lowest IoU")
    return picks


def calibration_picks(tables: Mapping[str, pd.DataFrame], stage: int) -> Picks:
    """One per point of the reliability curves of a stage, by :func:`calibration_key`.

    Args:
        tables: ``bins`` and ``spreads``, of :mod:`obcn.tables.calibration`.
        stage: from 1.
    """
    picks = {}
    for name, by, column, words in (
        ("bins", "confidence", "p_top", "top bin's probability"),
        ("spreads", "spread", "spread", "spread"),
    ):
        table = tables[name]
        for row in rows_of(table[table.stage == stage]):
            # The interval's upper end is open, and belongs to the group.
            low, high = float(row["low"]), float(np.nextafter(np.float32(row["high"]), np.float32(np.inf)))
            place = COORDINATE_TITLES[row["coordinate"]]
            label = f"{row['model']}, {words} in {place}: {row['low']:.3g} to {row['high']:.3g}"
            picks[calibration_key(row["model"], row["coordinate"], by, row["low"])] = Pick(
                label, row["model"], Filters(measure=(low, high)), f"stage{stage}_{column}_{row['coordinate']}"
            )
    return picks


def calibration_key(model: str, coordinate: str, by: str, low: float) -> str:
    """Tells points apart."""
    return f"{model}:{coordinate}:{by}:{low:.6g}"


def precision_picks(table: pd.DataFrame) -> Picks:
    """One per model and IoU threshold of ``ap_by_iou``, by :func:`precision_key`: the objects that fail there."""
    picks = {}
    for row in rows_of(table):
        missed = row["iou"] <= MATCH_IOU
        what = "not found at IoU" if missed else "found, but boxed worse than IoU"
        picks[precision_key(row["model"], row["iou"])] = Pick(
            f"{row['model']}, {what} {row['iou']:.2f}",
            row["model"],
            Filters(measure=(None if missed else MATCH_IOU, round(float(row["iou"]), 2))),
            "iou",
            sort="lowest IoU" if missed else "highest IoU",
        )
    return picks


def precision_key(model: str, iou: float) -> str:
    """Tells points apart."""
    return f"{model}:{iou:.2f}"


def interval(low: float | None, high: float | None) -> str:
    """Words for a range that may be open."""
    if low is None:
        return f"below {high:+.3g}"
    return f"{low:+.3g} or more" if high is None else f"{low:+.3g} to {high:+.3g}"
