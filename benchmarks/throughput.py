"""Photos a second through what `obcn eval` does with a data set, in one process and in two, from files on the disk.

Beside it a plain torchvision loop over the same files. Each runs in processes of its own, which begin together once all
have looked at a few photos; an evaluation in several processes divides the photos as `torchrun` has it.

Example: `python -m benchmarks.throughput --data docs/voc2012-animals/data.yaml`
"""

import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.measured import PLAIN, RESULTS, about
from obcn.files import write_whole

if TYPE_CHECKING:
    from obcn.data import Annotations

Looks = Callable[["Annotations"], Iterator[object]]

WARM = 5
EVAL, EVAL_IN_TWO = "obcn eval", "obcn eval, two processes"
PROCESSES = {PLAIN: 1, EVAL: 1, EVAL_IN_TWO: 2}


def main(
    data: Annotated[Path, typer.Option(help="Data set, a YAML as `obcn eval` takes it.")],
    photos: Annotated[int, typer.Option(min=4 * WARM, help="How many of its validation photos.")] = 120,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run, in turn.")] = 3,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "throughput.json",
) -> None:
    """Print and write photos a second, the seconds that reading takes, and the memory of each process."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PROCESSES}
    for _ in range(rounds):
        for name in PROCESSES:
            runs[name].append(run(name, data, photos))
            typer.echo(f"{name:<26}{runs[name][-1]['photos_per_second']:6.1f} photos a second")
    command = f"python -m benchmarks.throughput --data {data} --photos {photos} --rounds {rounds}"
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, (json.dumps(about(command) | {"photos": photos, "runs": runs}, indent=1) + "\n").encode())


def run(name: str, data: Path, photos: int) -> dict[str, Any]:
    """Photos over the seconds of the slowest process, and what each process measured."""
    context = multiprocessing.get_context("spawn")
    start, measured = context.Barrier(PROCESSES[name]), context.Queue()
    workers = [
        context.Process(target=_work, args=(name, data, photos, rank, start, measured))
        for rank in range(PROCESSES[name])
    ]
    for worker in workers:
        worker.start()
    parts = [measured.get() for _ in workers]
    for worker in workers:
        worker.join()
    return {"photos_per_second": round(photos / max(part["seconds"] for part in parts), 2), "processes": parts}


def _work(name: str, data: Path, photos: int, rank: int, start: Barrier, measured: Queue) -> None:
    """A process's share of the photos: seconds in all, of them for reading, and MB at most after each half."""
    import torch

    from obcn.data import load_data_config, read_validation

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // PROCESSES[name]))
    truth = read_validation(load_data_config(data))
    share = _first(truth, photos).part(rank, PROCESSES[name])
    looks = _torchvision() if name == PLAIN else _obcn()
    for _ in looks(_first(share, WARM)):
        pass
    start.wait()
    started, megabytes = time.perf_counter(), []
    for number, _ in enumerate(looks(share), start=1):
        if number in (len(share) // 2, len(share)):
            megabytes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    for record in share.images:
        share.photo(record).load()
    reading = time.perf_counter() - started
    measured.put({"seconds": round(seconds, 2), "reading": round(reading, 2), "megabytes": megabytes})


def _first(truth: "Annotations", count: int) -> "Annotations":
    return replace(truth, coco={**truth.coco, "images": truth.images[:count]})


def _obcn() -> Looks:
    """The shipped OBCN's detections of each photo, as `obcn eval` finds them."""
    from obcn.checkpoints import load_for_inference
    from obcn.records.detections import detect

    return partial(detect, load_for_inference("obcn")[0])


def _torchvision() -> Looks:
    """torchvision's detections, photo by photo."""
    import torch

    from benchmarks.twin import torchvision_twin
    from obcn.checkpoints import load_checkpoint
    from obcn.models.scoring import photo_tensor

    twin = torchvision_twin(load_checkpoint("regression")[0])

    def looks(truth: "Annotations") -> Iterator[object]:
        for record in truth.images:
            with torch.inference_mode():
                yield twin([photo_tensor(truth.photo(record))])

    return looks


if __name__ == "__main__":
    typer.run(main)
