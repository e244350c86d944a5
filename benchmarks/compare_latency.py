"""How long visitors of the Compare page wait, server side: ``python -m benchmarks.compare_latency``.

Runs the page's own script on the shipped checkpoints, with Streamlit's test runner in place of a browser: from an
upload to every model's boxes and figures, and from a moved control to the page redrawn. The aims are 2 s and 0.3 s
on two CPU cores.
"""

import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import ImageEnhance, ImageOps
from streamlit.testing.v1 import AppTest

from app.photos import sample_paths
from obcn.data import read_photo

MAIN = Path(__file__).parents[1] / "app" / "main.py"
SIZE = (500, 375)
ROUNDS = 7
OBJECTS_IN = "cows"  # a sample with several objects


def main() -> None:
    """Measure and print."""
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    started = time.perf_counter()
    _run(app)
    first = time.perf_counter() - started
    print(
        f"{SIZE[0]}x{SIZE[1]} px, CPU, {torch.get_num_threads()} torch threads on {os.cpu_count()} cores, "
        f"load average {os.getloadavg()[0]:.1f}; seconds: median (slowest) of {ROUNDS}, and median of the processor's"
    )
    print(f"{'first visit, checkpoints loaded':<36} {first:.2f}")
    for what, changes in (
        ("upload to all models' results", [_upload(app, photo) for photo in _photos()]),
        ("sample picked again", [_open(app, photo.stem) for photo in (sample_paths() * 2)[:ROUNDS]]),
        ("another object", [_choose(app, 1 - k % 2) for k in range(ROUNDS)]),
        ("score threshold moved", [_set(app.slider, "score", 0.3 + 0.05 * k) for k in range(ROUNDS)]),
        ("decode rule switched", [_set(app.radio, "rule", ("argmax", "expectation")[k % 2]) for k in range(ROUNDS)]),
        ("stages switched", [_set(app.radio, "stages", 1 + k % 2) for k in range(ROUNDS)]),
        ("temperature moved", [_set(app.select_slider, "temperature", (0.5, 2.0)[k % 2]) for k in range(ROUNDS)]),
        ("a model left out or taken in", [_models(app, 1 + k % 2) for k in range(ROUNDS)]),
    ):
        seconds, processor = zip(*(_timed(app, change) for change in changes), strict=True)
        median, slowest = statistics.median(seconds), max(seconds)
        print(f"{what:<36} {median:.2f} ({slowest:.2f}) {statistics.median(processor):.2f}")


def _timed(app: AppTest, change: Callable[[], object]) -> tuple[float, float]:
    """Seconds that pass, and that a processor works: on a busy machine they part."""
    change()
    started, worked = time.perf_counter(), time.process_time()
    _run(app)
    return time.perf_counter() - started, time.process_time() - worked


def _run(app: AppTest) -> None:
    app.run()
    if app.exception or app.error or not app.get("bidi_component"):
        raise SystemExit("the page did not draw: " + "; ".join(item.value for item in (*app.exception, *app.error)))


def _upload(app: AppTest, photo: bytes) -> Callable[[], object]:
    return lambda: app.file_uploader(key="upload").set_value(("photo.jpg", photo, "image/jpeg"))


def _open(app: AppTest, sample: str) -> Callable[[], object]:
    def change() -> None:
        app.query_params.clear()
        app.query_params["photo"] = sample
        app.run()  # the networks see it here, where they have not before
        app.query_params["photo"] = OBJECTS_IN

    return change


def _choose(app: AppTest, index: int) -> Callable[[], object]:
    def change() -> None:
        app.query_params["photo"] = OBJECTS_IN
        app.selectbox(key="object").set_value(index)

    return change


def _set(widget: Callable, key: str, value: object) -> Callable[[], object]:
    return lambda: widget(key=key).set_value(value)


def _models(app: AppTest, count: int) -> Callable[[], object]:
    def change() -> None:
        choice = app.multiselect(key="models")
        choice.set_value(choice.options[:count])

    return change


def _photos() -> list[bytes]:
    """Photos that no cache has seen: one sample, each time a little darker."""
    photo = ImageOps.fit(read_photo(sample_paths()[0]), SIZE)
    files = []
    for number in range(ROUNDS):
        buffer = io.BytesIO()
        ImageEnhance.Brightness(photo).enhance(1 - 0.02 * number).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


if __name__ == "__main__":
    main()
