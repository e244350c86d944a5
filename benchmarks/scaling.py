"""Training steps in one process and in several, and from their cost how long the paper's runs take on many GPUs.

Usage: ``python -m benchmarks.scaling --data docs/voc2012-animals/data.yaml``. Runs ``obcn train`` in turn with 1 and 2
processes of one core each on the same batches, writes ``results/benchmarks/scaling.json`` and fills in
``docs/scaling.md``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import machine
from obcn.checkpoints import current_commit, now
from obcn.config import DetectorConfig, load_config
from obcn.data import load_data_config, read_annotations
from obcn.engine.state import read_state
from obcn.files import write_whole
from obcn.models import build_detector

ROOT = Path(__file__).resolve().parents[1]
RESULT, PAGE = ROOT / "results" / "benchmarks" / "scaling.json", ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- by python -m benchmarks.scaling -->\n", "<!-- end -->\n"

# What the prediction takes for granted; the page says so.
PHOTOS_PER_SECOND = 10.0
BYTES_PER_SECOND = {"one node": 50e9, "several nodes": 5e9}
GPUS_PER_NODE = 8
RUNS = {
    "VOC 07+12 (16,551 photos, 12 epochs)": ("voc_obcn_r50", 16_551, 20),
    "COCO train2017 (118,287 photos, 12 epochs)": ("coco_obcn_r50", 118_287, 80),
}


def measure(data: Path, photos: int, rounds: int) -> dict[str, list[float]]:
    """Seconds per training step of ``compact_obcn`` by number of processes, once per round, taken in turn."""
    found: dict[str, list[float]] = {"1": [], "2": []}
    with tempfile.TemporaryDirectory() as folder:
        data_file = Path(folder, "data.yaml")
        train, _ = read_annotations(load_data_config(data))
        images = [image | {"file_name": str(train.path(image).resolve())} for image in train.images[:photos]]
        kept = {image["id"] for image in images}
        boxes = [box for box in train.coco["annotations"] if box["image_id"] in kept]
        Path(folder, "few.json").write_text(json.dumps({**train.coco, "images": images, "annotations": boxes}))
        one = {"images": images[:1], "annotations": [box for box in boxes if box["image_id"] == images[0]["id"]]}
        Path(folder, "one.json").write_text(json.dumps({**train.coco, **one}))
        data_file.write_text(
            "format: coco\ntrain: {images: ., annotations: few.json}\nval: {images: ., annotations: one.json}\n"
        )
        for turn in range(rounds):
            for processes, seconds in found.items():
                output = Path(folder, f"{processes}-{turn}")
                launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", "obcn.cli"]
                command = ["train", "compact_obcn", "--data", str(data_file), "--output", str(output), "--init", "obcn"]
                subprocess.run(
                    [sys.executable, "-m", *launcher, *command, "--epochs", "1", "--device", "cpu"],
                    check=True,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                )
                progress = read_state(output / "state.safetensors").progress
                seconds.append(progress.seconds / progress.step)
    return found


def gradient_bytes(config: DetectorConfig, classes: int) -> int:
    """What the processes of a run exchange in each step: the gradients of all that is trained, in float32."""
    detector = build_detector(config, [str(number) for number in range(classes)])
    return 4 * sum(value.numel() for value in detector.parameters() if value.requires_grad)


def hours(config: DetectorConfig, photos: int, classes: int, gpus: int) -> float:
    """Predicted time of a run at the config's photos per GPU and step (half of ``batch_size``, as in the paper).

    A step is the GPU's own work, and a ring that sums the gradients: each GPU sends 2 (N - 1) / N of their bytes.
    Nothing is hidden behind the backward pass, which is worse than DistributedDataParallel does.
    """
    per_gpu = config.schedule.batch_size / 2
    speed = BYTES_PER_SECOND["one node" if gpus <= GPUS_PER_NODE else "several nodes"]
    exchange = 2 * (gpus - 1) / gpus * gradient_bytes(config, classes) / speed
    steps = config.schedule.epochs * photos / (per_gpu * gpus)
    return steps * (per_gpu / PHOTOS_PER_SECOND + exchange) / 3600


def page_part(measured: dict) -> str:
    """The measured and the predicted table."""
    medians = {count: statistics.median(values) for count, values in measured["seconds_per_step"].items()}
    lines = ["| processes | seconds per step, median (lowest to highest) | times as fast |", "| ---: | ---: | ---: |"]
    for count, values in measured["seconds_per_step"].items():
        spread = f"{medians[count]:.2f} ({min(values):.2f} to {max(values):.2f})"
        lines.append(f"| {count} | {spread} | {medians['1'] / medians[count]:.2f} |")
    lines += [
        "",
        f"Measured {measured['date'][:10]} at {measured['commit']}: {measured['machine']}, one core a process.",
        "",
        "| run, predicted hours | 1 GPU | 8 GPUs | 64 GPUs |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (config, photos, classes) in RUNS.items():
        times = [f"{hours(load_config(config), photos, classes, gpus):.2f}" for gpus in (1, 8, 64)]
        lines.append(f"| {name} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, keep, and fill in the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="data file as `obcn train` takes it")
    parser.add_argument("--photos", type=int, default=64, help="in each run, four a step")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measured = {
        "command": f"python -m benchmarks.scaling --data {options.data} --photos {options.photos}"
        f" --rounds {options.rounds}",
        "date": now(),
        "commit": current_commit(),
        "machine": machine(),
        "seconds_per_step": measure(options.data, options.photos, options.rounds),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    write_whole(RESULT, json.dumps(measured, indent=1) + "\n")
    before, after = PAGE.read_text(encoding="utf-8").split(BEGIN)
    write_whole(PAGE, before + BEGIN + page_part(measured) + END + after.split(END)[1])


if __name__ == "__main__":
    main()
