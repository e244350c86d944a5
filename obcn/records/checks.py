"""Rules that every record file keeps, checked column by column as it is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from obcn.errors import UserError
from obcn.records.schema import OUTCOMES, Column

# Beyond any photo and any offset.
_MOST = 1e9
# Float32 may lie so far beyond a probability of one.
_ROUNDING = 1e-4
_NEVER_NULL = ("image_id", "outcome")
# What a row says of its true object stands in every row that has one.
_OF_TRUTH = ("truth_area", "truth_crowd", "truth_difficult")
# Outcomes of rows that have a true object which counts.
_ABOUT_TRUTH = ("matched", "missed")


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
        column = table.column(name)
        if name in types and column.type != types[name]:
            raise UserError(f"{path}: column {name} holds {column.type}, not {types[name]}; write the file anew")
        for rule in _rules(name, column, table):
            if rule.broken.any():
                row = int(rule.broken.argmax())
                value = repr(column[row].as_py())[:40]
                raise UserError(f"{path}: column {name}, row {row}: {value} is not {rule.words}; write the file anew")


def _rules(name: str, column: pa.ChunkedArray, table: pa.Table) -> Iterator[_Rule]:
    if name in _NEVER_NULL:
        yield _Rule("a value", _mask(pc.is_null(column)))
    if name in _OF_TRUTH and "truth_id" in table.column_names:
        yield _Rule("what a true object has", _mask(pc.and_(pc.is_null(column), pc.is_valid(table["truth_id"]))))
    if name == "truth_id" and "outcome" in table.column_names:
        about = pc.is_in(table["outcome"].cast(pa.string()), pa.array(_ABOUT_TRUTH))
        yield _Rule("the id that a matched or missed object has", _mask(pc.and_(pc.is_null(column), about)))
    if name == "outcome":
        words = column.cast(pa.string())
        yield _Rule(f"one of {', '.join(OUTCOMES)}", _mask(pc.invert(pc.is_in(words, pa.array(OUTCOMES)))))
    if pa.types.is_floating(column.type):
        low, high = _range(name)
        # A NaN is in no range.
        inside = pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))
        yield _Rule(f"from {low:g} to {high:g}", _mask(pc.invert(inside)))


def _range(name: str) -> tuple[float, float]:
    if name in ("score", "iou") or name.startswith("iou_") or "_p_true_" in name or "_p_top_" in name:
        return -_ROUNDING, 1 + _ROUNDING
    if name == "truth_area" or "_entropy_" in name or "_spread_" in name:
        return -_ROUNDING, 1e10
    return -_MOST, _MOST


def _mask(values: pa.ChunkedArray) -> np.ndarray:
    """As numpy; null, of which nothing is asked, is False."""
    return pc.fill_null(values, False).to_numpy()
