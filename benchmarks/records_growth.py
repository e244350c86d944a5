"""How time and memory of the analyses grow with the rows of a record file, from 10^4 to 10^7.

Makes the files from random numbers first (K = 2, all columns, parts of a million rows), then runs each analysis in a
process of its own. Processor time is what other programs on the machine disturb least.

Example: `python -m benchmarks.records_growth --rows 10000 --rows 100000`
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from benchmarks.measured import RESULTS, about
from obcn.files import write_whole
from obcn.records.files import ROWS_PER_GROUP, RecordInfo, RecordWriter
from obcn.records.schema import COORDINATES, record_columns

NUM_STAGES, NUM_BINS = 2, 22
OBJECTS_PER_PHOTO = 5
ROWS_PER_PART = 10**6


def write_random_parts(folder: Path, rows: int) -> Path:
    """A folder of record files with ``rows`` rows in all, at most ``ROWS_PER_PART`` in each."""
    folder.mkdir()
    for number, first in enumerate(range(0, rows, ROWS_PER_PART)):
        here = min(ROWS_PER_PART, rows - first)
        write_random_records(folder / f"part-{number:05d}.parquet", here, seed=number, first=first)
    return folder


def write_random_records(path: Path, rows: int, model: str = "random", seed: int = 0, first: int = 0) -> None:
    """A record file of ``rows`` matched detections of twenty classes, five per photo, with random figures in every
    column; objects are numbered from ``first``. Files of any seed are of the same objects."""
    categories = {number: f"class {number}" for number in range(1, 21)}
    info = RecordInfo(
        model=model,
        card={},
        command="",
        data="",
        photos=rows // OBJECTS_PER_PHOTO,
        categories=categories,
        bins=(NUM_BINS,) * NUM_STAGES,
    )
    rng = np.random.default_rng(seed)
    with RecordWriter(path, info) as writer:
        for start in range(first, first + rows, ROWS_PER_GROUP):
            ids = np.arange(start, min(start + ROWS_PER_GROUP, first + rows))
            writer.add(_random_columns(rng, ids, categories))


def _random_columns(rng: np.random.Generator, ids: np.ndarray, categories: dict[int, str]) -> dict[str, np.ndarray]:
    rows, photos = len(ids), ids // OBJECTS_PER_PHOTO
    columns = {
        column.name: rng.random(rows, dtype=np.float32)
        for column in record_columns(NUM_STAGES)
        if pa.types.is_floating(column.type)
    }
    labels = 1 + ids % len(categories)
    for stage in range(1, NUM_STAGES + 1):
        for coordinate in COORDINATES:
            for bin_name in ("true_bin", "top_bin"):
                columns[f"stage{stage}_{bin_name}_{coordinate}"] = rng.integers(0, NUM_BINS, rows)
    return {
        **columns,
        "image_id": photos,
        "file_name": np.char.add(photos.astype(str), ".jpg"),
        "image_width": np.full(rows, 640),
        "image_height": np.full(rows, 480),
        "truth_id": ids,
        "category_id": labels,
        "category": np.array([categories[label] for label in labels], dtype=object),
        "outcome": np.full(rows, "matched", dtype=object),
        "truth_crowd": np.zeros(rows, dtype=bool),
        "truth_difficult": np.zeros(rows, dtype=bool),
        "truth_area": 100 + 997.0 * (ids % 41),
    }


def _error_distributions(path: Path) -> None:
    from analysis.error_distributions import error_distributions

    error_distributions([path])


def _ap_by_iou(path: Path) -> None:
    from analysis.ap_by_iou import ap_by_iou

    ap_by_iou([path], samples=0)


def _explore(path: Path) -> None:
    from obcn.records.files import read_info
    from obcn.tables.pairs import head_objects, pair_heads

    pair_heads(head_objects(path, read_info(path)), None)


ANALYSES = {"error_distributions": _error_distributions, "ap_by_iou": _ap_by_iou, "explore": _explore}


def _measure(analysis: Callable[[Path], None], path: Path, sender: Connection) -> None:
    started = time.perf_counter()
    analysis(path)
    seconds, busy = time.perf_counter() - started, time.process_time()
    # ru_maxrss counts kilobytes on Linux.
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    sender.send({"seconds": round(seconds, 1), "processor_seconds": round(busy, 1), "megabytes": round(megabytes)})


def measured(name: str, path: Path) -> dict[str, float]:
    """Seconds by the clock and of the processor, and the most memory, of one analysis in a new process."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(ANALYSES[name], path, sender))
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    return found


def main(
    rows: Annotated[list[int], typer.Option(min=1, help="Rows of a file; as often as you like.")] = [  # noqa: B006
        10**4,
        10**5,
        10**6,
        10**7,
    ],
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "records_growth.json",
) -> None:
    """Measure, print and write."""
    figures: dict[str, dict[int, dict[str, float]]] = {name: {} for name in ANALYSES}
    command = "python -m benchmarks.records_growth" + "".join(f" --rows {count}" for count in rows)
    for count in rows:
        with tempfile.TemporaryDirectory() as folder:
            path = write_random_parts(Path(folder) / "records", count)
            for name in ANALYSES:
                figures[name][count] = found = measured(name, path)
                typer.echo(f"{count:>10,} rows  {name:<20}{found}")
                # After each: a run of an hour that is stopped has lost nothing.
                write_whole(output, (json.dumps(about(command) | {"analyses": figures}, indent=1) + "\n").encode())


if __name__ == "__main__":
    typer.run(main)
