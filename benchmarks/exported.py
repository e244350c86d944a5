"""Reading distributions from an .onnx file beside running the plain file, photo by photo in turn.

Both sides prepare the photo alike and run one session; the plain one gives out what the file gives out, the other also
what stands behind it, decoded.

Example: `python -m benchmarks.exported yolo11n.onnx`
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import onnxruntime
import typer
from PIL import Image

from benchmarks.measured import RESULTS, summary
from benchmarks.timing import machine
from obcn.checkpoints import current_commit, now
from obcn.data import read_photo
from obcn.exported import open_exported
from obcn.exported.card import known_of
from obcn.exported.graph import Graph, read_model
from obcn.exported.hints import read_hints
from obcn.exported.preprocessing import feed
from obcn.files import write_whole

MOST = 1.15


def main(
    files: Annotated[list[Path], typer.Argument(help=".onnx files of detectors.")],
    photos: Annotated[Path, typer.Option(help="Folder of photos.")] = Path("app/samples"),
    rounds: Annotated[int, typer.Option(min=2, help="How often each photo is looked at.")] = 6,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "exported.json",
) -> None:
    """Print and write the medians of both in milliseconds, and their ratio; fail where it is above 1.15."""
    pictures = [read_photo(path) for path in sorted(photos.glob("*.jpg"))]
    measured = {}
    for file in files:
        taken = _taken(file, pictures, rounds)
        ratio = summary(taken["read"])["median"] / summary(taken["plain"])["median"]
        measured[file.name] = {name: summary(values) for name, values in taken.items()} | {"ratio": round(ratio, 3)}
        plain, read = (measured[file.name][name]["median"] for name in ("plain", "read"))
        typer.echo(f"{file.name:<26}{plain:8.1f} ms plain{read:8.1f} ms read{ratio:7.3f}")
    about = {"command": f"python -m benchmarks.exported {' '.join(file.name for file in files)} --rounds {rounds}"}
    about |= {"commit": current_commit(), "date": now(), "machine": machine(), "onnxruntime": onnxruntime.__version__}
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, (json.dumps(about | {"milliseconds": measured}, indent=1) + "\n").encode())
    if any(each["ratio"] > MOST for each in measured.values()):
        raise typer.Exit(1)


def _taken(file: Path, pictures: list[Image.Image], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each look."""
    graph = Graph(read_model(file))
    settings = known_of(graph, read_hints(file)).preprocessing
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    detector = open_exported(file)
    runs: dict[str, Callable[[Image.Image], object]] = {
        "plain": lambda photo: session.run(None, feed(graph.inputs, settings.for_photo(photo), photo)),
        "read": detector.score,
    }
    for run in runs.values():
        run(pictures[0])  # the first photo pays for what is set up once
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for photo in pictures:
            for name, run in runs.items():
                started = time.perf_counter()
                run(photo)
                taken[name].append(1000 * (time.perf_counter() - started))
    return taken


if __name__ == "__main__":
    typer.run(main)
