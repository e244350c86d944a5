"""How far true offsets reach: the share of candidates whose offset lies beyond a head's range.

Reads the frozen trunk's candidates, as the studies keep them, and writes ``offset_reach.csv``.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from torch import Tensor
from torchvision.ops import box_iou

from analysis.ablation import DATA, WORK, DataOption, WorkOption, read_photos
from analysis.frozen.features import FrozenFeatures, frozen_features
from analysis.frozen.runner import trunk_name
from analysis.output import run, script, write_tables
from obcn.checkpoints import load_checkpoint
from obcn.offsets import encode_boxes
from obcn.records.schema import COORDINATES
from obcn.studies.study import load_protocol

REACHES = (1.0, 3.0, 5.0)
FOREGROUND_IOU = 0.5

app = script()


def true_offsets(features: FrozenFeatures) -> Tensor:
    """(N, 4) normalised offsets of all candidates with IoU >= 0.5, each to the object that it overlaps most."""
    found = []
    for number in range(len(features)):
        photo = features.batch([number])
        candidates, objects = photo.proposals[0], photo.targets[0]["boxes"]
        if len(objects):
            overlap, nearest = box_iou(candidates, objects).max(1)
            close = overlap >= FOREGROUND_IOU
            found.append(encode_boxes(objects[nearest[close]], candidates[close]))
    return torch.cat(found)


def reach_table(offsets: Tensor) -> pd.DataFrame:
    """Share of offsets beyond +-a: one row per a; columns ``a``, ``candidates``, and a share per coordinate."""
    rows = []
    for reach in REACHES:
        shares = (offsets.abs() >= reach).double().mean(0).tolist()
        rows.append({"a": reach, "candidates": len(offsets), **dict(zip(COORDINATES, shares, strict=True))})
    return pd.DataFrame(rows)


@app.command()
def main(
    data: DataOption = DATA,
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/offset_reach"),
    work: WorkOption = WORK,
    trunk: Annotated[
        str, typer.Option(help="Checkpoint whose candidates are taken; the studies' by default.")
    ] = load_protocol().trunk,
) -> None:
    """Count true offsets beyond 1, 3 and 5 among the training photos' candidates with IoU >= 0.5.

    Example: `obcn analyse offset-reach --output runs/offset_reach`
    """
    train_set, _ = read_photos(data)
    features = frozen_features(load_checkpoint(trunk)[0], trunk_name(trunk), train_set, work / "features")
    write_tables(output, {"offset_reach": reach_table(true_offsets(features))})


if __name__ == "__main__":
    run(app)
