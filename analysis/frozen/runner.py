"""Trains and judges whatever a study still lacks, and keeps every outcome in a file."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar

from analysis.frozen.features import FrozenFeatures, frozen_features
from analysis.frozen.gradients import summed_up
from analysis.frozen.heads import HeadSettings, build_head
from analysis.frozen.scoring import Metrics, score_side_by_side
from analysis.frozen.study import head_settings, reading_codec, run_id
from analysis.frozen.training import HeadRun, train_side_by_side
from obcn.checkpoints import current_commit, find_checkpoint, load_checkpoint, now
from obcn.data import Annotations
from obcn.data.dataset import batches_of_epoch
from obcn.engine.progress import progress_bar
from obcn.errors import UserError
from obcn.files import write_whole
from obcn.models.detector import Detector
from obcn.studies.study import Protocol, Row, Study

# Heads in memory at once: a stop costs no more than an epoch of so many.
SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Workplace:
    """Where a study finds its data and keeps what it has worked out.

    Attributes:
        train_set: photos to train on.
        val_set: photos to judge on.
        folder: of features, states and outcomes; git-ignored, and safe to delete.
    """

    train_set: Annotations
    val_set: Annotations
    folder: Path


@dataclass(frozen=True)
class _Task:
    """One head to train with one seed, and the rows that read it."""

    id: str
    settings: HeadSettings
    seed: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Outcomes:
    """What a study's heads reached.

    Attributes:
        metrics: figures in percent by row name and seed, and what :func:`analysis.frozen.gradients.summed_up` says of
            heads with a gate.
        commits: of the code that trained and judged them; one, unless work went on after a change.
        dates: UTC, of the first and the last of them.
    """

    metrics: dict[tuple[str, int], Metrics]
    commits: list[str]
    dates: tuple[str, str]


def run_study(study: Study, protocol: Protocol, place: Workplace) -> Outcomes:
    """Outcomes of a study.

    What other studies or a stopped run have worked out already is read from ``place``; the rest is trained and judged
    now, with a progress bar, and can be stopped and called again at any time.

    Raises:
        UserError: the trunk cannot be loaded, its classes are not the data's, or a loss is not finite.
    """
    trunk = protocol.trunk
    tasks = _tasks(study, protocol, place, trunk)
    missing = [task for task in tasks if {row.reading for row in task.rows} - set(_stored_metrics(place, task))]
    if missing:
        detector, card = load_checkpoint(trunk)
        if card.classes != place.train_set.classes or card.classes != place.val_set.classes:
            raise UserError(f"the classes of {trunk} ({', '.join(card.classes)}) are not those of the data")
        with progress_bar(Console(stderr=True)) as bar:
            features = [_features(detector, trunk, split, place, bar) for split in (place.train_set, place.val_set)]
            for seed in protocol.seeds:
                of_seed = [task for task in missing if task.seed == seed]
                _work(of_seed, detector, protocol, place, trunk, features, bar)
    found = {task.id: _outcome(place, task) for task in tasks}
    metrics = {(row.name, task.seed): found[task.id]["metrics"][row.reading] for task in tasks for row in task.rows}
    made = [stamp for outcome in found.values() for stamp in outcome["made"].values()]
    dates = sorted(stamp["date"] for stamp in made)
    return Outcomes(metrics, sorted({stamp["commit"] for stamp in made}), (dates[0], dates[-1]))


def trunk_name(trunk: str) -> str:
    """A checkpoint's name with a digest of its weights."""
    path = find_checkpoint(trunk)
    return f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"


def _tasks(study: Study, protocol: Protocol, place: Workplace, trunk: str) -> list[_Task]:
    digest = place.train_set.digest() + place.val_set.digest()
    rows: dict[tuple[str, int], list[Row]] = defaultdict(list)
    settings_of = {}
    for seed in protocol.seeds:
        for row in study.rows:
            settings = head_settings(row, protocol)
            identity = run_id(settings, protocol.schedule, trunk_name(trunk), digest, seed)
            rows[identity, seed].append(row)
            settings_of[identity] = settings
    return [_Task(key[0], settings_of[key[0]], key[1], tuple(found)) for key, found in rows.items()]


def _stored_metrics(place: Workplace, task: _Task) -> dict[str, Metrics]:
    return _outcome(place, task)["metrics"] if _outcome_file(place, task).is_file() else {}


def _outcome(place: Workplace, task: _Task) -> dict:
    return json.loads(_outcome_file(place, task).read_text(encoding="utf-8"))


def _outcome_file(place: Workplace, task: _Task) -> Path:
    return place.folder / "outcomes" / f"{task.id}.json"


def _features(detector: Detector, trunk: str, split: Annotations, place: Workplace, bar: Bar) -> FrozenFeatures:
    task = bar.add_task("features", total=len(split), note="")
    folder = place.folder / "features"
    features = frozen_features(detector, trunk_name(trunk), split, folder, lambda: bar.advance(task))
    bar.remove_task(task)
    return features


def _work(
    tasks: Sequence[_Task],
    detector: Detector,
    protocol: Protocol,
    place: Workplace,
    trunk: str,
    features: Sequence[FrozenFeatures],
    bar: Bar,
) -> None:
    """Train and judge tasks of one seed, as many side by side as stand at the same step."""
    runs = {task.id: _head_run(task, protocol, place, detector) for task in tasks}
    by_step: dict[int, list[_Task]] = defaultdict(list)
    for task in tasks:
        by_step[runs[task.id].progress.step].append(task)
    for step, same in by_step.items():
        for first in range(0, len(same), SIDE_BY_SIDE):
            group = same[first : first + SIDE_BY_SIDE]
            names = ", ".join(dict.fromkeys(row.name for task in group for row in task.rows))
            note = f"seed {group[0].seed}: {names}"
            _train([runs[task.id] for task in group], features[0], group[0].seed, step, bar, note)
            _judge(group, [runs[task.id] for task in group], protocol, place, trunk, features[1], bar)


def _head_run(task: _Task, protocol: Protocol, place: Workplace, detector: Detector) -> HeadRun:
    state = place.folder / "states" / f"{task.id}.safetensors"
    head = build_head(task.settings, detector, task.seed)
    return HeadRun(task.rows[0].name, head, state, task.id, protocol.schedule)


def _train(runs: Sequence[HeadRun], features: FrozenFeatures, seed: int, step: int, bar: Bar, note: str) -> None:
    schedule = runs[0].schedule
    steps = schedule.epochs * len(batches_of_epoch(features.annotations, schedule.batch_size, seed, 0))
    progress = bar.add_task(f"training {len(runs)} heads", total=steps, completed=step, note=note)
    train_side_by_side(runs, features, seed, lambda: bar.advance(progress))
    bar.remove_task(progress)


def _judge(
    tasks: Sequence[_Task],
    runs: Sequence[HeadRun],
    protocol: Protocol,
    place: Workplace,
    trunk: str,
    features: FrozenFeatures,
    bar: Bar,
) -> None:
    readings = [{row.reading: reading_codec(row, task.settings) for row in task.rows} for task in tasks]
    progress = bar.add_task(f"judging {len(runs)} heads", total=len(features), note="")
    found = score_side_by_side([run.head for run in runs], readings, features, lambda: bar.advance(progress))
    bar.remove_task(progress)
    stamp = {"commit": current_commit(), "date": now()}
    for task, run, judged in zip(tasks, runs, found, strict=True):
        gradients = summed_up(run.gradients, protocol.schedule.warmup_steps)
        metrics = {reading: figures | gradients for reading, figures in judged.items()}
        before = _outcome(place, task) if _outcome_file(place, task).is_file() else {"made": {}, "metrics": {}}
        outcome = {
            "seed": task.seed,
            "trunk": trunk_name(trunk),
            "head": task.settings.model_dump(mode="json"),
            "schedule": protocol.schedule.model_dump(mode="json"),
            "made": before["made"] | dict.fromkeys(metrics, stamp),
            "metrics": before["metrics"] | metrics,
        }
        path = _outcome_file(place, task)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(outcome, indent=1) + "\n")
