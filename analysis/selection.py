"""How detections are best ranked and merged: AP over a grid of certainty weights and voting sigmas.

Every detector is run once; its candidates are then selected in each way. The shipped settings are chosen from such a
table on the validation photos, so what it says of the best row is what was chosen, not what other photos would give.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from analysis.output import run, script, write_tables
from obcn.checkpoints import load_for_inference
from obcn.data import Annotations, load_data_config, read_annotations
from obcn.engine.evaluate import average_precision
from obcn.metrics import BY_IOU
from obcn.models.detector import Detector
from obcn.models.selection import DetectionThresholds, ScoredCandidates, select_detections
from obcn.records.detections import category_ids, coco_rows

MODELS = ["regression", "obcn"]
WEIGHTS = [0.5, 1.0, 2.0]
SIGMAS = [0.0125, 0.025, 0.05]

app = script()


def grid(
    plain: DetectionThresholds, weights: Sequence[float], sigmas: Sequence[float], knows_certainty: bool
) -> Iterator[DetectionThresholds]:
    """Ways to select: plain, by voting for each sigma and, where the head knows it, by certainty and by both.

    Args:
        plain: thresholds that all have in common.
        weights: of certainty, lambda.
        sigmas: of voting.
        knows_certainty: whether the head keeps a distribution.
    """
    plain = replace(plain, rank_by="score", merge_by="suppression")
    voting = [replace(plain, merge_by="voting", voting_sigma=sigma) for sigma in sigmas]
    yield plain
    yield from voting
    if knows_certainty:
        for way in (plain, *voting):
            yield from (replace(way, rank_by="certainty", certainty_weight=weight) for weight in weights)


def selection_table(
    name: str, detector: Detector, annotations: Annotations, weights: Sequence[float], sigmas: Sequence[float]
) -> pd.DataFrame:
    """One row per way of :func:`grid`: ``model``, ``rank_by``, ``merge_by``, ``certainty_weight`` and ``voting_sigma``
    where they count, and AP to AP90 in percent.

    Args:
        name: of the model.
        detector: in evaluation mode.
        annotations: photos and their truth.
        weights: as in :func:`grid`.
        sigmas: as in :func:`grid`.

    Raises:
        UserError: a photo cannot be read, or the classes are not the data's.
    """
    ids = category_ids(detector, annotations)
    plain = detector.roi_heads.thresholds
    scored = [_probable(detector, annotations, record, plain.score) for record in annotations.images]
    lines = []
    for way in grid(plain, weights, sigmas, detector.codec.num_stages > 0):
        rows = []
        for record, candidates in zip(annotations.images, scored, strict=True):
            found = select_detections(candidates, (record["height"], record["width"]), detector.codec, way)
            rows += coco_rows(record["id"], found, ids)
        figures = average_precision(annotations, rows)
        lines.append(
            {
                "model": name,
                "rank_by": way.rank_by,
                "merge_by": way.merge_by,
                "certainty_weight": way.certainty_weight if way.rank_by == "certainty" else None,
                "voting_sigma": way.voting_sigma if way.merge_by == "voting" else None,
                **{figure: figures[figure] for figure in BY_IOU},
            }
        )
    return pd.DataFrame(lines)


@torch.inference_mode()
def _probable(detector: Detector, annotations: Annotations, record: dict, least: float) -> ScoredCandidates:
    """A photo's candidates, in its own pixels, without those of which no class counts."""
    scored = detector.score(annotations.photo(record)).candidates
    rows = (scored.probabilities[:, 1:] > least).any(1)
    return ScoredCandidates(scored.boxes[rows], scored.probabilities[rows], scored.offset_outputs[rows])


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Where the photos lie, a YAML as `obcn train` takes it; its val counts.")],
    model: Annotated[list[str], typer.Option(help="Shipped names or .safetensors files; once for each.")] = MODELS,
    output: Annotated[Path, typer.Option(help="Folder to write selection.csv into.")] = Path("runs/selection"),
    weight: Annotated[list[float], typer.Option(help="Certainty weights (lambda) to try.")] = WEIGHTS,
    sigma: Annotated[list[float], typer.Option(help="Voting sigmas to try.")] = SIGMAS,
) -> None:
    """Rank and merge boxes in every way of a grid, and print the AP of each.

    Example: `obcn analyse selection --data docs/voc2012-animals/data.yaml --output runs/selection`
    """
    _, photos = read_annotations(load_data_config(data))
    tables = [selection_table(name, load_for_inference(name)[0], photos, weight, sigma) for name in model]
    table = pd.concat(tables, ignore_index=True)
    typer.echo(table.round(dict.fromkeys(BY_IOU, 2)).to_string(index=False))
    write_tables(output, {"selection": table})


if __name__ == "__main__":
    run(app)
