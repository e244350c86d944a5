"""Explore's tables, made once per choice of files for all visitors, and anew when a file changes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from app.explore import table
from app.explore.table import Collection, Side
from app.records.choice import Choice
from app.records.found import stamp
from app.sources import read_source, source_stamp
from obcn.records.files import read_info, read_records
from obcn.tables.mistakes import costs_of_mistakes, mistakes_of
from obcn.tables.pairs import head_objects, pair_heads

# cache_resource and not cache_data: a million rows must not be copied for every click. Nobody writes into them.
_READING = "Reading the records…"


def load_head(choice: Choice, number: int) -> pd.DataFrame:
    """:func:`obcn.tables.pairs.head_objects` of one of the files."""
    return _head(choice.paths[number], stamp(choice.paths[number]))


def load_pair(choice: Choice, sides: Mapping[Side, int]) -> Collection:
    """The objects of one record file, or of two, and their photos.

    Args:
        choice: of files.
        sides: number of the file that is looked at, and of the one that it is compared with.

    Raises:
        UserError: a file is damaged, or two have no object in common.
    """
    return _pair(*((choice.paths[number], stamp(choice.paths[number])) for number in sides.values()))


def load_data(data: str, photos: str) -> Collection:
    """The objects and photos of a data set.

    Raises:
        UserError: missing or damaged.
    """
    return _data(data, photos, source_stamp(data))


def load_measure(path: Path, column: str) -> np.ndarray:
    """A whole column of a record file, NaN where a row has no value."""
    return _measure(path, column, stamp(path))


def load_alarms(path: Path) -> pd.DataFrame:
    """:func:`app.explore.table.false_alarms` of a record file."""
    return _alarms(path, stamp(path))


def load_mistakes(path: Path) -> pd.DataFrame:
    """:func:`obcn.tables.mistakes.mistakes_of` of a record file."""
    return _mistakes(path, stamp(path))


def load_costs(path: Path) -> pd.DataFrame:
    """:func:`obcn.tables.mistakes.costs_of_mistakes` of a record file."""
    return _costs(path, stamp(path))


# AP of more rows takes minutes: it waits until it is asked for.
MANY_ROWS = 200_000


def rows_in(path: Path) -> int:
    """Rows of a record file."""
    return len(load_measure(path, "score"))


@st.cache_resource(max_entries=6, show_spinner=False)
def _head(path: Path, stamp: int) -> pd.DataFrame:
    return head_objects(path, read_info(path))


@st.cache_resource(max_entries=4, show_spinner=_READING)
def _pair(*files: tuple[Path, int]) -> Collection:
    head, *others = (_head(path, when) for path, when in files)
    objects = pair_heads(head, others[0] if others else None)
    return Collection.of(objects, table.photos_of_records([path for path, _ in files]))


@st.cache_resource(max_entries=4, show_spinner="Reading the data set…")
def _data(data: str, photos: str, stamp: int) -> Collection:
    annotations = read_source(data, photos)
    return Collection.of(table.objects_of_data(annotations), table.photos_of_data(annotations))


@st.cache_resource(max_entries=24, show_spinner=_READING)
def _measure(path: Path, column: str, stamp: int) -> np.ndarray:
    return read_records(path, [column]).column(column).to_numpy().astype(np.float32)


@st.cache_resource(max_entries=6, show_spinner=_READING)
def _alarms(path: Path, stamp: int) -> pd.DataFrame:
    return table.false_alarms(path)


@st.cache_resource(max_entries=6, show_spinner=_READING)
def _mistakes(path: Path, stamp: int) -> pd.DataFrame:
    return mistakes_of(path)


@st.cache_resource(max_entries=6, show_spinner="Working out what each kind of mistake costs…")
def _costs(path: Path, stamp: int) -> pd.DataFrame:
    return costs_of_mistakes(path, _mistakes(path, stamp))
