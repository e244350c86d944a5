"""How long visitors of the Compare page wait, server side: ``python -m benchmarks.compare_latency``.

Runs the page's own script on the shipped checkpoints, with Streamlit's test runner in place of a browser: from an
upload to every model's boxes and figures, and from a moved control to the page redrawn. The aims are
0.25 s and 0.3 s on two CPU cores.
"""

import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer
from PIL import ImageEnhance, ImageOps
from streamlit.testing.v1 import AppTest

from app.components import photo_pair
from app.photos import sample_paths
from benchmarks.measured import RESULTS, about
from benchmarks.timing import LEGEND, Change, machine, report, timed
from obcn.data import read_photo
from obcn.files import write_whole

MAIN = Path(__file__).parents[1] / "app" / "main.py"
SIZE = (500, 375)
ROUNDS = 7
UPLOAD = "upload to both detectors' boxes"
OBJECTS_IN = "cows"  # a sample with several objects


def main(
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "compare_latency.json",
) -> None:
    """Measure, print and write."""
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    first, _ = timed(app)
    print(f"{SIZE[0]}x{SIZE[1]} px, CPU, {torch.get_num_threads()} torch threads, {machine()}; {LEGEND} of {ROUNDS}")
    print(f"{'first visit, checkpoints loaded':<44}{first:.2f}")
    seconds = {"first visit, checkpoints loaded": first}
    seconds[UPLOAD] = _until_boxes(app)
    print(f"{UPLOAD:<44}{seconds[UPLOAD]:.2f}")
    for what, changes in (
        ("upload to all figures", [_upload(app, photo) for photo in _photos(ROUNDS)]),
        ("sample picked again", [_open(app, photo.stem) for photo in (sample_paths() * 2)[:ROUNDS]]),
        ("another object", [_choose(app, 1 - k % 2) for k in range(ROUNDS)]),
        ("score threshold moved", [_set(app.slider, "score", 0.3 + 0.05 * k) for k in range(ROUNDS)]),
        ("decode rule switched", [_set(app.radio, "rule", ("argmax", "expectation")[k % 2]) for k in range(ROUNDS)]),
        ("stages switched", [_set(app.radio, "stages", 1 + k % 2) for k in range(ROUNDS)]),
        ("temperature moved", [_set(app.select_slider, "temperature", (0.5, 2.0)[k % 2]) for k in range(ROUNDS)]),
        ("a model left out or taken in", [_models(app, 1 + k % 2) for k in range(ROUNDS)]),
    ):
        seconds[what] = report(what, app, changes)
    if not app.get("bidi_component"):
        raise SystemExit("the page drew no photo")
    figures = {"photo": SIZE, "rounds": ROUNDS, "seconds": {what: round(each, 3) for what, each in seconds.items()}}
    write_whole(output, (json.dumps(about("python -m benchmarks.compare_latency") | figures, indent=1) + "\n").encode())


def _until_boxes(app: AppTest) -> float:
    """Median seconds until the photos with the boxes are on their way; figures follow."""
    draw = photo_pair.photo_pair
    taken, drawn = [], []

    def draw_and_note(*arguments: Any) -> None:
        draw(*arguments)
        drawn.append(time.perf_counter())

    with patch.object(photo_pair, "photo_pair", draw_and_note):
        for photo in _photos(0):
            started = time.perf_counter()
            timed(app, _upload(app, photo))
            taken.append(drawn[-1] - started)
    return statistics.median(taken)


def _upload(app: AppTest, photo: bytes) -> Change:
    return lambda: app.file_uploader(key="upload").set_value(("photo.jpg", photo, "image/jpeg"))


def _open(app: AppTest, sample: str) -> Change:
    def change() -> None:
        app.query_params.clear()
        app.query_params["photo"] = sample
        app.run()  # the networks see it here, where they have not before
        app.query_params["photo"] = OBJECTS_IN

    return change


def _choose(app: AppTest, index: int) -> Change:
    def change() -> None:
        app.query_params["photo"] = OBJECTS_IN
        app.selectbox(key="object").set_value(index)

    return change


def _set(widget: Callable, key: str, value: object) -> Change:
    return lambda: widget(key=key).set_value(value)


def _models(app: AppTest, count: int) -> Change:
    def change() -> None:
        choice = app.multiselect(key="models")
        choice.set_value(choice.options[:count])

    return change


def _photos(first: int) -> list[bytes]:
    """Photos that no cache has seen: one sample, each time a little darker, from the ``first`` on."""
    photo = ImageOps.fit(read_photo(sample_paths()[0]), SIZE)
    files = []
    for number in range(first, first + ROUNDS):
        buffer = io.BytesIO()
        ImageEnhance.Brightness(photo).enhance(1 - 0.02 * number).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


if __name__ == "__main__":
    typer.run(main)
