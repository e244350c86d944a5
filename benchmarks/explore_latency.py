"""How long visitors of the Explore page wait, server side: ``python -m benchmarks.explore_latency --rows 1000000``.

Writes two record files of the same random objects, opens the page's own script on them with Streamlit's test runner
in place of a browser, and moves one control after another. The aim is 0.3 s for each interaction once what it needs
has been read. Pictures are timed apart, on a page of photos that were never shown before. Processor time is beside each
figure: on a machine that does other work too, it is what the page itself takes.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.explore.tiles import Source, object_tiles
from benchmarks.records_growth import write_random_records
from benchmarks.timing import LEGEND, LIMIT, Change, machine, report, timed

PAGE = Path(__file__).parents[1] / "app" / "explore" / "page.py"
ROUNDS = 5
TILES, PHOTO_SIZES = 24, ((500, 375), (1600, 1200))


def main(rows: Annotated[int, typer.Option(min=1000, help="Objects in each of the two files.")] = 1_000_000) -> None:
    """Measure, print, and exit with 1 if an interaction takes longer than the aim."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{model}.parquet" for model in ("one", "other")]
        for seed, path in enumerate(files):
            write_random_records(path, rows, path.stem, seed)
        typer.echo(
            f"two files of {rows:,} objects, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB; "
            f"{machine()}; {LEGEND}"
        )
        slowest = _interactions(files)
    for size in PHOTO_SIZES:
        typer.echo(f"{TILES} new pictures of {size[0]}x{size[1]} px".ljust(44) + f"{_pictures(size):.2f}")
    if slowest > LIMIT:
        raise SystemExit(1)


def _interactions(files: list[Path]) -> float:
    """Time the page; the slowest median of an interaction."""
    app = AppTest.from_file(str(PAGE), default_timeout=600)
    app.query_params["records"] = [str(path) for path in files]
    wall, busy = timed(app)
    typer.echo(f"{'opened, both files read':<44}{wall:.2f} ({busy:.2f})")
    changes: dict[str, Callable[[int], object]] = {
        "class chosen": lambda k: app.multiselect(key="classes").set_value([f"class {k + 1}"]),
        "IoU gain narrowed": lambda k: app.slider(key="gain").set_value((0.05 * (k + 1), 1.0)),
        "score narrowed": lambda k: app.slider(key="scores").set_value((0.05 * k, 0.9)),
        "order changed": lambda k: app.selectbox(key="sort").set_value(("where it loses", "lowest IoU")[k % 2]),
        "page turned": lambda k: app.get("pagination")[0].set_value(k + 2),
        "another measure chosen": lambda k: app.selectbox(key="measure").set_value(
            ("error in x, pixels", "IoU")[k % 2]
        ),
        "its limit moved": lambda k: app.number_input(key="above").set_value(0.1 * k),
        "photos instead of objects": lambda k: app.segmented_control(key="show").set_value(
            ("photos", "objects")[k % 2]
        ),
    }
    medians = []
    for what, change in changes.items():
        moves: list[Change] = [partial(change, k) for k in range(ROUNDS + 1)]
        # Once unmeasured: a column that is looked at for the first time is read from the files.
        timed(app, moves.pop())
        medians.append(report(what, app, moves))
    return max(medians)


def _pictures(size: tuple[int, int]) -> float:
    """Seconds for one page of photos that nobody has seen."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(TILES):
            small = Image.fromarray(rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8))
            small.resize(size).save(Path(folder) / f"{number}.jpg", quality=90)
        rows = pd.DataFrame(
            {
                "file_name": [f"{number}.jpg" for number in range(TILES)],
                "image_width": size[0],
                "image_height": size[1],
                "category": "cat",
                "size": "large",
                "truth_x1": size[0] * 0.2,
                "truth_y1": size[1] * 0.2,
                "truth_x2": size[0] * 0.8,
                "truth_y2": size[1] * 0.8,
            }
        )
        started = time.perf_counter()
        tiles = object_tiles(rows, {}, Source(Path(folder), {}), whole=False)
        seconds = time.perf_counter() - started
    assert all(tile.picture for tile in tiles)
    return seconds


if __name__ == "__main__":
    typer.run(main)
