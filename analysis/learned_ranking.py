"""Does a learned reading of the distributions rank boxes better than their spread?

Generalized Focal Loss V2 (Li et al., CVPR 2021) feeds statistics of each side's distribution, its largest probabilities
and their mean, to a small layer that predicts the box's IoU, and ranks by class score times that. Here the detector
stays as it ships: its candidates on part of the training photos teach the layer, and its detections on the validation
photos are ranked by it, beside class score alone and certainty (:func:`obcn.models.selection.uncertainty`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from torch import Tensor, nn
from torchvision.ops import box_iou

from analysis.output import run, script, write_tables
from obcn.checkpoints import load_for_inference
from obcn.data import Annotations, load_data_config, read_annotations
from obcn.engine.evaluate import average_precision, category_ids, coco_rows
from obcn.engine.progress import progress_bar
from obcn.errors import UserError
from obcn.metrics import BY_IOU
from obcn.models.detector import Detector
from obcn.models.roi_heads import OffsetRoIHeads
from obcn.models.selection import MergeBy, ScoredCandidates, select_detections
from obcn.offsets import OffsetCodec

# GFLv2's: the four largest probabilities and their mean, and a hidden layer of 64.
LARGEST = 4
HIDDEN = 64
EPOCHS = 30
BATCH = 512
RATE = 1e-3

app = script()


def distribution_statistics(codec: OffsetCodec, outputs: Tensor) -> Tensor:
    """GFLv2's statistics of (N, num_outputs) outputs: (N, K x 4 x 5), of each stage and coordinate the four largest
    probabilities and their mean.

    Raises:
        ValueError: the head keeps no distribution.
    """
    stages = codec.explain(outputs).stages
    if not stages:
        raise ValueError("a head that keeps no distribution has no statistics")
    largest = torch.stack([stage.probabilities.topk(LARGEST).values for stage in stages], 1)
    return torch.cat((largest, largest.mean(-1, keepdim=True)), -1).flatten(1)


def quality_layer(statistics: Tensor, ious: Tensor, seed: int) -> nn.Module:
    """GFLv2's two layers, trained to predict the IoU by binary cross entropy.

    Args:
        statistics: (N, S) of training candidates.
        ious: (N,) of their boxes with the nearest true object of their class, 0 without one.
        seed: of the layers and of the order of candidates.

    Returns:
        (N, S) statistics to (N,) logits of the IoU.
    """
    torch.manual_seed(seed)
    layers = nn.Sequential(
        nn.Linear(statistics.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Flatten(start_dim=0)
    )
    optimiser = torch.optim.Adam(layers.parameters(), RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(statistics)).split(BATCH):
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(layers(statistics[rows]), ious[rows]).backward()
            optimiser.step()
    return layers.eval()


def true_ious(codec: OffsetCodec, scored: ScoredCandidates, truth: Sequence[dict], ids: Sequence[int]) -> Tensor:
    """(N,) IoU of each candidate's decoded box with the nearest true object of its most probable class.

    Args:
        codec: of the head, whose boxes are class-agnostic.
        scored: N candidates, in the photo's pixels.
        truth: COCO annotations of the photo.
        ids: category id of each class.
    """
    boxes = codec.box.decode(codec.decode(scored.offset_outputs[:, 0]), scored.boxes)
    found = torch.zeros(len(boxes))
    classes = scored.probabilities[:, 1:].argmax(1)
    for number, category in enumerate(ids):
        corners = [
            (x, y, x + w, y + h) for x, y, w, h in (box["bbox"] for box in truth if box["category_id"] == category)
        ]
        rows = classes == number
        if corners and rows.any():
            found[rows] = box_iou(boxes[rows], torch.tensor(corners, dtype=boxes.dtype)).max(1).values.float()
    return found


def ranking_table(
    detector: Detector, photos: Annotations, scored: Sequence[ScoredCandidates], layer: nn.Module
) -> pd.DataFrame:
    """One row per way of ranking and merging: ``rank_by`` (score, certainty or learned), ``merge_by``, AP to AP90.

    Ranked by the learned IoU, votes are weighted by the product with it too.

    Args:
        detector: whose candidates they are.
        photos: to judge on.
        scored: the candidates of each.
        layer: of :func:`quality_layer`.
    """
    ids = category_ids(detector, photos)
    lines = []
    merges: tuple[MergeBy, ...] = ("suppression", "voting")
    for rank_by in ("score", "certainty", "learned"):
        for merge_by in merges:
            rows = []
            for record, candidates in zip(photos.images, scored, strict=True):
                way = replace(detector.thresholds, rank_by="score", merge_by=merge_by)
                if rank_by == "certainty":
                    way = replace(way, rank_by="certainty")
                elif rank_by == "learned":
                    # What was above the threshold stays: the product ranks, it does not drop.
                    candidates, way = reranked(detector.codec, candidates, way.score, layer), replace(way, score=0.0)
                shape = record["height"], record["width"]
                rows += coco_rows(record["id"], select_detections(candidates, shape, detector.codec, way), ids)
            figures = average_precision(photos, rows)
            lines.append({"rank_by": rank_by, "merge_by": merge_by} | {name: figures[name] for name in BY_IOU})
    return pd.DataFrame(lines)


@torch.no_grad()
def reranked(codec: OffsetCodec, scored: ScoredCandidates, least: float, layer: nn.Module) -> ScoredCandidates:
    """Candidates whose probabilities are multiplied by the learned IoU, and are 0 where they did not pass ``least``."""
    quality = layer(distribution_statistics(codec, scored.offset_outputs[:, 0])).sigmoid()[:, None]
    counted = scored.probabilities * (scored.probabilities > least)
    return ScoredCandidates(scored.boxes, counted * quality, scored.offset_outputs)


def probable_candidates(detector: Detector, photos: Annotations, records: Sequence[dict]) -> Iterator[ScoredCandidates]:
    """Of each photo the candidates that some class is probable enough for, in the photo's pixels."""
    for record in records:
        with torch.inference_mode():
            scored = detector.score(photos.photo(record)).candidates
        rows = (scored.probabilities[:, 1:] > detector.thresholds.score).any(1)
        # Clones: what inference mode made cannot teach a layer.
        yield ScoredCandidates(
            *(values[rows].clone() for values in (scored.boxes, scored.probabilities, scored.offset_outputs))
        )


def _has_one_distribution(detector: Detector) -> bool:
    """Whether each candidate has one box, whose distributions one head keeps."""
    heads = detector.roi_heads
    return detector.codec.num_stages > 0 and isinstance(heads, OffsetRoIHeads) and heads.box_head.num_groups == 1


def _fewest_labels(codec: OffsetCodec) -> int:
    """Of each coordinate, in the stage that has the fewest."""
    stages = codec.explain(torch.zeros(1, codec.num_outputs)).stages
    return min(stage.probabilities.shape[-1] for stage in stages)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Where the photos lie, a YAML as `obcn train` takes it.")],
    model: Annotated[str, typer.Option(help="A shipped name or .safetensors file, of a head with bins.")] = "obcn",
    output: Annotated[Path, typer.Option(help="Folder to write learned_ranking.csv into.")] = Path("runs/ranking"),
    photos: Annotated[int, typer.Option(min=1, help="Training photos to learn from, the first so many.")] = 800,
    seed: Annotated[int, typer.Option(help="Of the layer.")] = 0,
) -> None:
    """Rank boxes by an IoU learned from their distributions, and print the AP of each way.

    It learns from the training photos and ranks on the validation photos.

    Example: `obcn analyse learned-ranking --data docs/voc2012-animals/data.yaml --output runs/ranking`
    """
    train_set, val_set = read_annotations(load_data_config(data))
    detector, _ = load_for_inference(model)
    if not _has_one_distribution(detector):
        raise UserError(
            f"{model} is a cascade, or keeps no distribution, or one per class; name a detector of one class-agnostic "
            "head with bins"
        )
    labels = _fewest_labels(detector.codec)
    if labels < LARGEST:
        raise UserError(
            f"{model} keeps {labels} probabilities of each coordinate, and the {LARGEST} largest are read; name a "
            "detector with more bins"
        )
    ids, records = category_ids(detector, train_set), train_set.images[:photos]
    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task("photos", total=len(records) + len(val_set), note="")
        statistics, ious = [], []
        for record, scored in zip(records, probable_candidates(detector, train_set, records), strict=True):
            statistics.append(distribution_statistics(detector.codec, scored.offset_outputs[:, 0]))
            ious.append(true_ious(detector.codec, scored, train_set.boxes_of(record), ids))
            bar.advance(task)
        layer = quality_layer(torch.cat(statistics), torch.cat(ious), seed)
        judged = []
        for scored in probable_candidates(detector, val_set, val_set.images):
            judged.append(scored)
            bar.advance(task)
    table = ranking_table(detector, val_set, judged, layer)
    typer.echo(table.round(dict.fromkeys(BY_IOU, 2)).to_string(index=False))
    write_tables(output, {"learned_ranking": table})


if __name__ == "__main__":
    run(app)
