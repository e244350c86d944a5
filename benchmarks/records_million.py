"""How long and how much memory ``error_distributions`` takes on a record file of a million rows.

Makes the file from random numbers first (K = 2, all columns), in a process of its own, so that only the analysis is
measured. Example: ``python -m benchmarks.records_million --rows 1000000``
"""

import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from obcn.records.files import ROWS_PER_GROUP, RecordInfo, RecordWriter
from obcn.records.schema import COORDINATES, record_columns

SECONDS, MEGABYTES = 30, 1000
NUM_STAGES, NUM_BINS = 2, 22
OBJECTS_PER_PHOTO = 5


def write_random_records(path: Path, rows: int, model: str = "random", seed: int = 0) -> None:
    """A record file of ``rows`` matched detections of twenty classes, five per photo, with random figures in every
    column. Files of any seed are of the same objects."""
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
        for start in range(0, rows, ROWS_PER_GROUP):
            ids = np.arange(start, min(start + ROWS_PER_GROUP, rows))
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


def _measure(path: Path, sender) -> None:
    started = time.perf_counter()
    from analysis.error_distributions import error_distributions

    error_distributions([path])
    # ru_maxrss counts kilobytes on Linux.
    wall, megabytes = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    sender.send((wall, time.process_time(), megabytes))


def main(rows: Annotated[int, typer.Option(min=1, help="Rows of the file.")] = 1_000_000) -> None:
    """Measure, print, and exit with 1 if a limit is passed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.parquet"
        write_random_records(path, rows)
        size = path.stat().st_size / 1e6
        receiver, sender = get_context("spawn").Pipe(duplex=False)
        process = get_context("spawn").Process(target=_measure, args=(path, sender))
        process.start()
        sender.close()
        seconds, busy, megabytes = receiver.recv()
        process.join()
    typer.echo(f"{rows} rows, {size:.0f} MB on disk")
    typer.echo(f"{seconds:.1f} s ({busy:.1f} s of processor time), limit {SECONDS} s")
    typer.echo(f"{megabytes:.0f} MB of memory at most, limit {MEGABYTES} MB")
    if seconds > SECONDS or megabytes > MEGABYTES:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
