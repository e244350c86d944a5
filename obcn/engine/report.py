"""Measured figures as tables."""

import json
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from obcn.checkpoints import Card, Evaluation
from obcn.data import Annotations
from obcn.engine.distributed import ALONE, Ranks
from obcn.engine.evaluate import average_precision, result_rows
from obcn.engine.progress import progress_bar
from obcn.errors import UserError
from obcn.files import write_whole
from obcn.metrics import FIGURES
from obcn.models.scoring import DetectorCard, PhotoScorer
from obcn.records.detections import detect
from obcn.records.write import recorded


def measure(
    detector: PhotoScorer,
    name: str,
    card: DetectorCard,
    truth: Annotations,
    command: str,
    data: str,
    records: Path | None = None,
    detections: Path | None = None,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Evaluate with a progress bar on stderr.

    Args:
        detector: what to measure.
        name: what its records call it.
        card: its card.
        truth: annotated photos.
        command: what the user typed, kept beside the figures.
        data: what to call the photos.
        records: also write a record file here (:mod:`obcn.records.write`).
        detections: also write all COCO result rows here, as JSON.
        ranks: processes among which the photos are divided. Records are then a folder with a part of each.

    Raises:
        UserError: classes differ, a photo cannot be read, or a file cannot be written.
    """
    part = truth.part(ranks.rank, ranks.count)
    with progress_bar(Console(stderr=True, quiet=not ranks.first)) as bar:
        task = bar.add_task("photos", total=len(part), note="")
        photos = detect(detector, part)
        if records is not None:
            path = records if ranks.count == 1 else _part_of(records, ranks)
            photos = recorded(photos, detector, name, card, part, path, command, data)
        rows = result_rows(detector, truth, photos, lambda: bar.advance(task), ranks)
    if detections is not None and ranks.first:
        write_whole(detections, json.dumps(rows))
    metrics = average_precision(truth, rows)
    return Evaluation(command=command, data=data, images=len(truth), metrics=metrics)


def _part_of(folder: Path, ranks: Ranks) -> Path:
    """Where this process's records go; parts of an earlier evaluation are gone when any process goes on."""
    if ranks.first:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for part in folder.glob("part-*.parquet"):
                part.unlink()
        except OSError as error:
            raise UserError(f"several processes write records into a folder, but {folder}: {error.strerror}") from error
    ranks.wait()
    return folder / f"part-{ranks.rank:05}.parquet"


def print_table(measured: dict[str, Evaluation]) -> None:
    """AP figures in percent, then AP per class; one column per model."""
    first = next(iter(measured.values()))
    table = Table("percent", *measured, title=f"{first.images} photos")
    for name in [*FIGURES, *(name for name in first.metrics if name.startswith("AP:"))]:
        figures = (evaluation.metrics.get(name, math.nan) for evaluation in measured.values())
        table.add_row(name, *(_percent(figure) for figure in figures))
    Console().print(table)


def print_cards(cards: dict[str, Card]) -> None:
    """One row per checkpoint: what it is, how it was trained, and what it reaches."""
    table = Table()
    # Names are what one types: they stay whole however narrow the terminal is.
    for heading in ("checkpoint", "config", "classes", "training", "AP", "AP50", "AP90"):
        table.add_column(heading, no_wrap=heading not in ("classes", "training"))
    for name, card in cards.items():
        training = card.training
        epochs = f"{training.epochs:g} epochs" + (f" after {training.start.epochs:g}" if training.start else "")
        trained = f"{training.data}, {training.train_images} photos, {epochs}, seed {training.seed}"
        metrics = card.evaluation.metrics if card.evaluation else {}
        figures = [_percent(metrics.get(figure, math.nan)) for figure in ("AP", "AP50", "AP90")]
        table.add_row(name, card.config.name, ", ".join(card.classes), trained, *figures)
    Console().print(table)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"
