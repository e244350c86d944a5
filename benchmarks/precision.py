"""What a trunk in bfloat16 costs the shipped OBCN in AP, on a CPU that computes in it.

Example: `python -m benchmarks.precision --data docs/voc2012-animals/data.yaml`
"""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.results import RESULTS
from benchmarks.timing import machine
from obcn.checkpoints import current_commit, load_for_inference, now
from obcn.data import load_data_config
from obcn.data.sources import read_validation
from obcn.engine.evaluate import evaluate
from obcn.files import write_whole


def main(
    data: Annotated[Path, typer.Option(help="Where the validation photos lie, a YAML as `obcn eval` takes it.")],
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "precision.json",
) -> None:
    """Evaluate twice, print and write the figures of both."""
    exact, _ = load_for_inference("obcn", to_measure=True)
    fast, _ = load_for_inference("obcn")
    if fast.backbone.dtype != torch.bfloat16:
        raise SystemExit("this CPU does not compute in bfloat16: there is nothing to compare")
    photos = read_validation(load_data_config(data), exact.classes)
    found = {
        "command": f"python -m benchmarks.precision --data {data}",
        "commit": current_commit(),
        "date": now(),
        "machine": machine(),
        "photos": len(photos),
        "float32": evaluate(exact, photos),
        "bfloat16": evaluate(fast, photos),
    }
    for kind in ("float32", "bfloat16"):
        typer.echo(
            f"{kind:<10}" + "  ".join(f"{name} {found[kind][name]:.2f}" for name in ("AP", "AP50", "AP75", "AP90"))
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
