"""What benchmarks write: figures as JSON, with the machine in words."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import typer

from benchmarks.timing import machine
from obcn.checkpoints import current_commit, now
from obcn.files import write_whole

RESULTS = Path("results/benchmarks")
PLAIN = "torchvision FasterRCNN"


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(values, n=4)
    return {"median": round(median, 1), "low": round(low, 1), "high": round(high, 1)}


def write_result(path: Path, command: str, figures: dict[str, Any]) -> None:
    """Print the medians, each beside torchvision's, and write everything with commit, date and machine.

    Args:
        path: file to write; folders are made.
        command: that wrote it.
        figures: with ``milliseconds``, a :func:`summary` by name, one of which is ``PLAIN``.
    """
    medians = {name: each["median"] for name, each in figures["milliseconds"].items()}
    for name, median in medians.items():
        typer.echo(f"{name:<26}{median:8.1f} ms{median / medians[PLAIN]:7.2f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(about(command) | figures, indent=1) + "\n").encode())


def about(command: str) -> dict[str, Any]:
    """What made a result: command, commit, date, the machine in words."""
    return {
        "command": command,
        "commit": current_commit(),
        "date": now(),
        "machine": machine(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def read_result(path: Path) -> dict[str, Any]:
    """What :func:`write_result` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
