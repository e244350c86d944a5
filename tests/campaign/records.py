"""Record files: a column that holds what no detector writes, is of another type, or is gone."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from obcn.records.files import read_info
from obcn.tables.ap_curves import ap_tables
from obcn.tables.box_errors import error_histograms, error_summary
from obcn.tables.calibration import reliability_of_bins
from obcn.tables.matched import load_matched
from obcn.tables.pairs import head_objects
from obcn.tables.precision import load_results
from tests.app.test_errors_page import write
from tests.campaign.cases import HANDLED, ODD_VALUES, Case, damage, swap_one

METADATA = b"obcn.records"


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """A whole file of either head, then odd ones without end."""
    paths = [Path(write(str(folder / f"{name}.parquet"), name, stages)) for name, stages in (("flat", 0), ("bins", 1))]
    for path in paths:
        yield Case(f"{path.stem}, whole", partial(_read, path), (HANDLED,))
    changes: tuple[Callable, ...] = (_other_values, _other_values, _other_type, _no_column, _one_row, _other_metadata)
    for number in count():
        path = rng.choice(paths)
        odd = folder / f"{number}.parquet"
        if rng.random() < 0.2:
            odd.write_bytes(damage(rng, path.read_bytes()))
            what = "damaged"
        else:
            table, what = rng.choice(changes)(rng, pq.read_table(path))
            pq.write_table(table, odd)
        yield Case(f"{path.stem}: {what}", partial(_read, odd))


def _read(path: Path) -> None:
    """All that the pages and the scripts read of a file."""
    info = read_info(path)
    matched = load_matched([path])
    error_summary(matched)
    error_histograms(matched)
    if info.num_stages:
        reliability_of_bins(matched)
    head_objects(path, info)
    ap_tables([load_results(path)], [info.model], samples=2)


def _other_values(rng: random.Random, table: pa.Table) -> tuple[pa.Table, str]:
    place = rng.randrange(table.num_columns)
    column = table.column(place)
    value = rng.choice(ODD_VALUES)
    values = column.to_pylist()
    for row in range(len(values)) if rng.random() < 0.5 else (rng.randrange(len(values)),):
        values[row] = value
    try:
        changed = pa.array(values, column.type)
    except (pa.ArrowException, OverflowError, TypeError, UnicodeError):
        # Such a value only fits into a null's place.
        value, changed = None, pa.nulls(len(values), column.type)
    return _with_column(table, place, changed), f"{table.field(place).name} is {repr(value)[:40]}"


def _other_type(rng: random.Random, table: pa.Table) -> tuple[pa.Table, str]:
    place = rng.randrange(table.num_columns)
    kind = rng.choice((pa.string(), pa.bool_(), pa.int64(), pa.list_(pa.float32())))
    name = table.field(place).name
    return _with_column(table, place, pa.nulls(table.num_rows, kind)), f"{name} is of type {kind}"


def _no_column(rng: random.Random, table: pa.Table) -> tuple[pa.Table, str]:
    place = rng.randrange(table.num_columns)
    return table.remove_column(place), f"no {table.field(place).name}"


def _one_row(rng: random.Random, table: pa.Table) -> tuple[pa.Table, str]:
    rows = rng.choice((0, 1))
    return table.slice(0, rows), f"{rows} rows"


def _other_metadata(rng: random.Random, table: pa.Table) -> tuple[pa.Table, str]:
    value = rng.choice(ODD_VALUES)
    place, changed = swap_one(rng, json.loads(table.schema.metadata[METADATA]), value)
    return table.replace_schema_metadata({METADATA: json.dumps(changed).encode()}), f"info{place} is {repr(value)[:40]}"


def _with_column(table: pa.Table, place: int, column: pa.Array) -> pa.Table:
    field = pa.field(table.field(place).name, column.type)
    return table.set_column(place, field, column)
