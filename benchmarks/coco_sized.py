"""How long AP takes on a data set of COCO's size, and how much of that is pycocotools alone.

Simulated: 5,000 photos with as many objects of 80 classes as COCO's val2017 has, and 100 detections in each, some near
an object and some anywhere. Once by `obcn.engine.evaluate.average_precision` and once by pycocotools with nothing
around it, in turn.

Example: `python -m benchmarks.coco_sized`
"""

import contextlib
import copy
import io
import json
import resource
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.measured import RESULTS, about
from obcn.data import Annotations
from obcn.engine.evaluate import average_precision
from obcn.files import write_whole

CLASSES, OBJECTS_PER_PHOTO, WIDTH, HEIGHT = 80, 36_781 / 5_000, 640, 480


def main(
    photos: Annotated[int, typer.Option(min=10, help="How many.")] = 5_000,
    detections: Annotated[int, typer.Option(min=1, help="In each photo.")] = 100,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "coco_sized.json",
) -> None:
    """Measure, print and write."""
    truth, rows = _simulated(photos, detections)
    started = time.perf_counter()
    plain = _by_pycocotools(truth, rows)
    plain_seconds = time.perf_counter() - started
    started = time.perf_counter()
    ours = average_precision(Annotations(Path(), truth), rows)["AP"]
    our_seconds = time.perf_counter() - started
    if abs(ours - plain) > 1e-9:
        raise SystemExit(f"AP differs: {ours} here, {plain} by pycocotools")
    figures = {
        "photos": photos,
        "objects": len(truth["annotations"]),
        "detections": len(rows),
        "AP": ours,
        "seconds": {"pycocotools": round(plain_seconds, 1), "obcn": round(our_seconds, 1)},
        # ru_maxrss counts kilobytes on Linux.
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }
    typer.echo(json.dumps(figures, indent=1))
    command = f"python -m benchmarks.coco_sized --photos {photos} --detections {detections}"
    write_whole(output, (json.dumps(about(command) | figures, indent=1) + "\n").encode())


def _simulated(photos: int, detections: int) -> tuple[dict, list[dict]]:
    """A COCO annotation file, and result rows."""
    rng = np.random.default_rng(0)
    objects: list[dict] = []
    rows: list[dict] = []
    for photo in range(1, photos + 1):
        here = [
            {"id": len(objects) + k, "image_id": photo, "category_id": int(rng.integers(1, CLASSES + 1)), "iscrowd": 0}
            | _measured(_box(rng))
            for k in range(1, rng.poisson(OBJECTS_PER_PHOTO) + 1)
        ]
        for _ in range(detections):
            if here and rng.random() < 0.3:
                near = here[rng.integers(len(here))]
                box = np.array(near["bbox"]) * rng.normal(1, 0.1, 4)
                category = near["category_id"]
            else:
                box, category = _box(rng), int(rng.integers(1, CLASSES + 1))
            bbox = box.round(2).tolist()
            rows.append({"image_id": photo, "category_id": category, "bbox": bbox, "score": float(rng.random())})
        objects += here
    images = [{"id": k, "file_name": f"{k}.jpg", "width": WIDTH, "height": HEIGHT} for k in range(1, photos + 1)]
    categories = [{"id": k, "name": f"class {k}"} for k in range(1, CLASSES + 1)]
    return {"images": images, "annotations": objects, "categories": categories}, rows


def _box(rng: np.random.Generator) -> np.ndarray:
    """(x, y, w, h) of any size."""
    size = np.exp(rng.uniform(np.log(10), np.log(300), 2))
    return np.concatenate((rng.uniform(0, (WIDTH, HEIGHT) - size), size))


def _measured(box: np.ndarray) -> dict:
    return {"bbox": box.round(2).tolist(), "area": float(box[2] * box[3])}


def _by_pycocotools(truth: dict, rows: list[dict]) -> float:
    """AP in percent."""
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = {"info": {}, **copy.deepcopy(truth)}
        index.createIndex()
        judge = COCOeval(index, index.loadRes(copy.deepcopy(rows)), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return 100 * float(judge.stats[0])


if __name__ == "__main__":
    typer.run(main)
