"""A photo through OBCN as shipped, beside torchvision's own FasterRCNN on the same trunk, photo by photo in turn.

torchvision's detector (:mod:`benchmarks.twin`) has the shipped regression's weights, and runs in float32 as
torchvision ships it.

Example: `python -m benchmarks.inference --photos data/voc2012-animals/JPEGImages`
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from benchmarks.measured import RESULTS, summary, write_result
from benchmarks.twin import torchvision_twin
from obcn.checkpoints import load_checkpoint, load_for_inference
from obcn.data import read_photo
from obcn.models.scoring import photo_tensor


def seconds(run: Callable[[list[Tensor]], object], photo: Tensor) -> float:
    """Of one photo by the clock."""
    started = time.perf_counter()
    with torch.inference_mode():
        run([photo])
    return time.perf_counter() - started


def main(
    photos: Annotated[Path, typer.Option(help="Folder of photos.")] = Path("app/samples"),
    count: Annotated[int, typer.Option(min=1, help="How many of them.")] = 40,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "inference.json",
) -> None:
    """Print and write the medians of both, in milliseconds, and their ratio."""
    regression, _ = load_checkpoint("regression")
    runs: dict[str, Callable[[list[Tensor]], object]] = {
        "torchvision FasterRCNN": torchvision_twin(regression),
        "regression": load_for_inference("regression")[0],
        "obcn": load_for_inference("obcn")[0],
    }
    tensors = [photo_tensor(read_photo(path)) for path in sorted(photos.glob("*.jpg"))[:count]]
    for run in runs.values():
        seconds(run, tensors[0])  # the first photo pays for what is set up once
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for photo in tensors:
        for name, run in runs.items():
            taken[name].append(1000 * seconds(run, photo))
    write_result(
        output,
        f"python -m benchmarks.inference --photos {photos} --count {count}",
        {"photos": len(tensors), "milliseconds": {name: summary(values) for name, values in taken.items()}},
    )


if __name__ == "__main__":
    typer.run(main)
