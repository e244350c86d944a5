"""Rules that every record file keeps, checked column by column as it is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from obcn.errors import UserError
from obcn.records.schema import CORNERS, OUTCOMES, Column, each

# Beyond any photo and any offset.
_MOST = 1e9
# Float32 may lie so far beyond a probability of one.
_ROUNDING = 1e-4
# The longest side that annotations may give a photo; obcn.data.checks has it too, but not without torch.
_LONGEST_SIDE = 100_000
_SIDES = ("image_width", "image_height")
_NEVER_NULL = ("image_id", "file_name", *_SIDES, "category_id", "category", "outcome")
# What stands in every row that has a detection, and in every row that has a true object; by outcome such rows are:
_OF_DETECTION = ("score", *each("box", CORNERS))
_DETECTIONS = ("matched", "unmatched")
_OF_TRUTH = ("truth_id", *each("truth", CORNERS), "truth_area", "truth_crowd", "truth_difficult")
_ABOUT_TRUTH = ("matched", "missed", "ignored")


@dataclass(frozen=True)
class _Rule:
    """What holds in every row of a column, in words, and a mask of the rows where it does not."""

    words: str
    broken: np.ndarray


def check_rows(path: Path, table: pa.Table, columns: list[Column]) -> None:
    """Refuse a table whose columns are not of their types or that hold what no detector writes.

    Args:
        path: of the record file, for the message.
        table: the columns that were read.
        columns: all that the file's schema has.

    Raises:
        UserError: the message names column, row (from 0) and rule.
    """
    types = {column.name: column.type for column in columns}
    for name in table.column_names:
        kind = table.column(name).type
        if name in types and kind != types[name]:
            raise UserError(f"{path}: column {name} holds {kind}, not {types[name]}; write the file anew")
    detected, about_truth = _rows_of(table, _DETECTIONS, "score"), _rows_of(table, _ABOUT_TRUTH, "truth_id")
    for name in table.column_names:
        column = table.column(name)
        for rule in _rules(name, column, detected, about_truth):
            if rule.broken.any():
                row = int(rule.broken.argmax())
                value = repr(column[row].as_py())[:40]
                raise UserError(f"{path}: column {name}, row {row}: {value} is not {rule.words}; write the file anew")


def _rows_of(table: pa.Table, outcomes: tuple[str, ...], key: str) -> np.ndarray:
    """(rows,) mask of those with one of some outcomes or a value of ``key``, as far as these two columns were read."""
    rows = np.zeros(len(table), dtype=bool)
    if "outcome" in table.column_names:
        rows |= _mask(pc.is_in(table["outcome"].cast(pa.string()), pa.array(outcomes)))
    if key in table.column_names:
        rows |= _mask(pc.is_valid(table[key]))
    return rows


def _rules(name: str, column: pa.ChunkedArray, detected: np.ndarray, about_truth: np.ndarray) -> Iterator[_Rule]:
    if name in _NEVER_NULL:
        yield _Rule("a value", _mask(pc.is_null(column)))
    if name in _OF_DETECTION:
        yield _Rule("what a detection has", _mask(pc.is_null(column)) & detected)
    if name in _OF_TRUTH:
        yield _Rule("what a true object has", _mask(pc.is_null(column)) & about_truth)
    if name == "outcome":
        words = column.cast(pa.string())
        yield _Rule(f"one of {', '.join(OUTCOMES)}", _mask(pc.invert(pc.is_in(words, pa.array(OUTCOMES)))))
    if pa.types.is_floating(column.type) or name in _SIDES:
        low, high = _range(name)
        # A NaN is in no range.
        inside = pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))
        yield _Rule(f"from {low:g} to {high:g}", _mask(pc.invert(inside)))


def _range(name: str) -> tuple[float, float]:
    if name in _SIDES:
        return 1, _LONGEST_SIDE
    if name in ("score", "iou") or name.startswith("iou_") or "_p_true_" in name or "_p_top_" in name:
        return -_ROUNDING, 1 + _ROUNDING
    if name == "truth_area" or "_entropy_" in name or "_spread_" in name:
        return -_ROUNDING, 1e10
    return -_MOST, _MOST


def _mask(values: pa.ChunkedArray) -> np.ndarray:
    """As numpy; null, of which nothing is asked, is False."""
    return pc.fill_null(values, False).to_numpy()
