"""A photo through OBCN as shipped, beside torchvision's own FasterRCNN on the same trunk, photo by photo in turn.

torchvision's detector has the same weights of trunk and proposals, its own RoI heads of the same width with the shipped
regression's weights, and its own box coding and suppression; it runs in float32, as torchvision ships it.

Example: `python -m benchmarks.inference --photos data/voc2012-animals/JPEGImages`
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from benchmarks.timing import machine
from obcn.checkpoints import load_checkpoint, load_for_inference
from obcn.data import read_photo
from obcn.explain import photo_tensor
from obcn.models.detector import Detector


def torchvision_twin(detector: Detector) -> FasterRCNN:
    """torchvision's FasterRCNN around a detector's trunk and proposal network, with heads of the same width."""
    config = detector.roi_heads.box_head
    hidden, num_classes = config.shared.fc7.out_features, len(detector.classes)
    twin = FasterRCNN(
        detector.backbone,
        rpn_anchor_generator=detector.rpn.anchor_generator,
        rpn_head=detector.rpn.head,
        box_roi_pool=MultiScaleRoIAlign(detector.backbone.level_names, 7, sampling_ratio=2),
        box_head=config.shared,
        box_predictor=FastRCNNPredictor(hidden, num_classes + 1),
        rpn_pre_nms_top_n_test=detector.rpn.pre_nms_top_n(),
        rpn_post_nms_top_n_test=detector.rpn.post_nms_top_n(),
    )
    twin.roi_heads.box_predictor.cls_score.load_state_dict(config.class_scores.state_dict())
    offsets = config.offset_outputs.state_dict()
    # One box per class is how torchvision regresses: the same offsets for each.
    twin.roi_heads.box_predictor.bbox_pred.load_state_dict(
        {name: value.repeat(num_classes + 1, *[1] * (value.dim() - 1)) for name, value in offsets.items()}
    )
    twin.transform.min_size, twin.transform.max_size = detector.transform.min_size, detector.transform.max_size
    twin.transform.image_mean, twin.transform.image_std = detector.transform.image_mean, detector.transform.image_std
    return twin.eval()


def seconds(run: Callable[[list[Tensor]], object], photo: Tensor) -> float:
    """Of one photo by the clock."""
    started = time.perf_counter()
    with torch.inference_mode():
        run([photo])
    return time.perf_counter() - started


def main(
    photos: Annotated[Path, typer.Option(help="Folder of photos.")] = Path("app/samples"),
    count: Annotated[int, typer.Option(min=1, help="How many of them.")] = 40,
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("results/benchmarks/inference.json"),
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
    taken = {name: [] for name in runs}
    for photo in tensors:
        for name, run in runs.items():
            taken[name].append(1000 * seconds(run, photo))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    found = {
        "command": f"python -m benchmarks.inference --photos {photos} --count {count}",
        "machine": machine(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "photos": len(tensors),
        "milliseconds": {
            name: {"median": medians[name], "low": min(values), "high": max(values)} for name, values in taken.items()
        },
        "obcn_of_torchvision": medians["obcn"] / medians["torchvision FasterRCNN"],
    }
    for name, median in medians.items():
        typer.echo(f"{name:<24}{median:6.1f} ms")
    typer.echo(f"obcn takes {found['obcn_of_torchvision']:.2f} of torchvision's time")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
