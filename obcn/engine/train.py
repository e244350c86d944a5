"""Training, from a config to checkpoints, resumable at any step."""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import SGD
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from obcn.checkpoints import (
    Card,
    Evaluation,
    Training,
    current_commit,
    find_checkpoint,
    initialise_from,
    now,
    read_card,
    save_checkpoint,
    typed_command,
)
from obcn.config import DetectorConfig, ScheduleConfig
from obcn.data import Annotations, TrainingSet, batches_of_epoch, collate
from obcn.engine.evaluate import evaluate
from obcn.engine.progress import TrainingDisplay
from obcn.engine.state import Progress, load_state, save_state
from obcn.errors import UserError
from obcn.models import build_detector
from obcn.models.detector import Detector

STATE_FILE = "state.safetensors"


@dataclass(frozen=True)
class TrainingOptions:
    """What a run is told beside its config and data.

    Attributes:
        output: folder for checkpoints, state, curves and metrics.
        data_name: what the card calls the data.
        epochs: overrides the config's.
        device: ``cpu`` or ``cuda``.
        seed: of every random choice.
        resume: go on from the state in ``output``.
        init: checkpoint to start from instead of ImageNet's trunk.
        freeze_trunk: train only the box head.
        validate_every: epochs between validations; the last epoch is always validated.
        save_every: steps between states on disk.
    """

    output: Path
    data_name: str
    epochs: int | None = None
    device: str = "cpu"
    seed: int = 0
    resume: bool = False
    init: str | None = None
    freeze_trunk: bool = False
    validate_every: int = 1
    save_every: int = 200


def train(config: DetectorConfig, train_set: Annotations, val_set: Annotations, options: TrainingOptions) -> Card:
    """Train a detector; returns the card of the last checkpoint.

    Writes into ``options.output``: ``last`` and ``best`` (.safetensors and .json), ``state.safetensors`` for
    ``--resume``, ``metrics.jsonl`` with one line per validation, and TensorBoard curves.

    Raises:
        UserError: nothing to resume, a run already there, classes that differ, nothing to freeze, started by torchrun,
            or a loss that is not finite.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("training runs in one process on one device: start it without torchrun")
    return _Run(config, train_set, val_set, options).execute()


class _Run:
    """One training run: what its loop needs at hand."""

    def __init__(
        self, config: DetectorConfig, train_set: Annotations, val_set: Annotations, options: TrainingOptions
    ) -> None:
        if train_set.classes != val_set.classes:
            training, validation = ", ".join(train_set.classes), ", ".join(val_set.classes)
            raise UserError(
                f"the training classes ({training}) are not the validation classes ({validation}); both "
                "files must list the same categories"
            )
        self.config, self.options = config, options
        # Now: the tree may move on while this runs, but the code that runs is in memory; so may the start.
        self.commit = current_commit()
        self.start = None if options.init is None else read_card(find_checkpoint(options.init)).training
        self.train_set, self.val_set = train_set, val_set
        self.epochs = options.epochs or config.schedule.epochs
        self.steps_per_epoch = math.ceil(len(train_set) / config.schedule.batch_size)
        self.total_steps = self.epochs * self.steps_per_epoch
        self.device = torch.device(options.device)

        torch.manual_seed(options.seed)
        self.detector = _build(config, train_set.classes, options).to(self.device)
        self.detector.backbone.mixed_precision = self.device.type == "cuda"
        self.optimizer = _optimizer(self.detector, config.schedule)
        self.progress = self._start_or_resume()

    def execute(self) -> Card:
        loader = self._loader()
        display = TrainingDisplay(self.total_steps, self.steps_per_epoch, self.progress.step)
        # Steps that a killed run logged after its last state come again: TensorBoard shall show them once.
        curves = SummaryWriter(str(self.options.output), purge_step=self.progress.step + 1)
        with display, curves, _plain_user_errors():
            self.detector.train()
            before = time.monotonic() - self.progress.seconds
            for photos, targets in loader:
                losses = self._step(photos, targets)
                self.progress.step += 1
                self.progress.seconds = time.monotonic() - before
                self._log(curves, losses)
                display.advance(losses)
                if self.progress.step % self.steps_per_epoch == 0:
                    self._end_epoch(curves, display)
                elif self.progress.step % self.options.save_every == 0:
                    self._save_state()
        return read_card(self.options.output / "last.safetensors")

    def _start_or_resume(self) -> Progress:
        state = self.options.output / STATE_FILE
        if self.options.resume and state.is_file():
            return load_state(state, self.detector, self.optimizer, self._fingerprint())
        if state.is_file():
            raise UserError(f"{self.options.output} holds a run; give --resume to go on, or another --output")
        # A folder without a state is a run that was stopped before its first one: it starts again.
        if self.options.resume and not self.options.output.is_dir():
            raise UserError(f"{self.options.output}: no such run to resume")
        try:
            self.options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {self.options.output}: {error.strerror}") from error
        return Progress()

    def _fingerprint(self) -> str:
        options = self.options
        settings = [
            self.config.model_dump_json(),
            self.train_set.digest(),
            self.val_set.digest(),
            repr((self.epochs, options.seed, options.init, options.freeze_trunk, self.train_set.classes)),
        ]
        return hashlib.sha256("\n".join(settings).encode()).hexdigest()

    def _loader(self) -> DataLoader:
        batch_size = self.config.schedule.batch_size
        first_epoch = self.progress.step // self.steps_per_epoch
        batches = [
            batch
            for epoch in range(first_epoch, self.epochs)
            for batch in batches_of_epoch(self.train_set, batch_size, self.options.seed, epoch)
        ]
        return DataLoader(
            TrainingSet(self.train_set, self.options.seed, self.config.input.crop, self.config.input.recolour),
            batch_sampler=batches[self.progress.step - first_epoch * self.steps_per_epoch :],
            num_workers=1 if self.device.type == "cpu" else 8,
            collate_fn=collate,
            pin_memory=self.device.type == "cuda",
            # Its own generator: else each start of the loader would draw from the global random state.
            generator=torch.Generator(),
        )

    def _step(self, photos: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, float]:
        schedule = self.config.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(schedule, self.progress.step, self.total_steps, self.steps_per_epoch)
        photos = [photo.to(self.device, non_blocking=True) for photo in photos]
        targets = [{k: v.to(self.device, non_blocking=True) for k, v in target.items()} for target in targets]
        losses = self.detector(photos, targets)
        # A frozen trunk still reports its proposal losses; they have nothing to teach.
        total = sum(loss for loss in losses.values() if loss.requires_grad)
        if not torch.isfinite(total):
            raise UserError(
                f"the loss is {total.item()} at step {self.progress.step}; "
                "lower schedule.lr in the config and start again with another --output"
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], schedule.clip_norm)
        self.optimizer.step()
        return {"loss": total.item(), **{name: loss.item() for name, loss in losses.items()}}

    def _log(self, curves: SummaryWriter, losses: dict[str, float]) -> None:
        if self.progress.step % 20 == 0:
            for name, value in losses.items():
                curves.add_scalar(f"train/{name}", value, self.progress.step)
            curves.add_scalar("train/lr", self.optimizer.param_groups[0]["lr"], self.progress.step)

    def _end_epoch(self, curves: SummaryWriter, display: TrainingDisplay) -> None:
        epoch = self.progress.step // self.steps_per_epoch
        output = self.options.output
        due = epoch % self.options.validate_every == 0 or epoch == self.epochs
        measured = self._validate(display) if due else None
        card = self._card(measured)
        if measured is not None:
            for name, value in measured.metrics.items():
                curves.add_scalar(f"val/{name.replace(':', '/')}", value, self.progress.step)
            _write_metrics(output / "metrics.jsonl", epoch, card.training.minutes, measured)
            if measured.metrics.get("AP", -1.0) > self.progress.best_ap:
                self.progress.best_ap = measured.metrics["AP"]
                save_checkpoint(output / "best.safetensors", self.detector, card)
        save_checkpoint(output / "last.safetensors", self.detector, card)
        self._save_state()

    def _validate(self, display: TrainingDisplay) -> Evaluation:
        advance = display.validation(len(self.val_set))
        transform = self.detector.transform
        # As `obcn eval` will see the photos; the weights it reads were rounded to half precision on the disk.
        transform.min_size = (self.config.input.min_size,)
        metrics = evaluate(self.detector, self.val_set, advance)
        transform.min_size = self.config.input.train_min_sizes
        display.end_validation(metrics)
        self.detector.train()
        data = f"{self.options.data_name} (val)"
        return Evaluation(command=typed_command(), data=data, images=len(self.val_set), metrics=metrics)

    def _save_state(self) -> None:
        path = self.options.output / STATE_FILE
        save_state(path, self.detector, self.optimizer, self.progress, self._fingerprint())

    def _card(self, measured: Evaluation | None) -> Card:
        options = self.options
        training = Training(
            command=typed_command(),
            data=options.data_name,
            train_images=len(self.train_set),
            epochs=self.progress.step / self.steps_per_epoch,
            seed=options.seed,
            device=torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            torch=torch.__version__,
            commit=self.commit,
            date=now(),
            started_from=options.init,
            start=self.start,
            frozen_trunk=options.freeze_trunk,
            minutes=round(self.progress.seconds / 60, 1),
        )
        return Card(
            name=self.config.name,
            classes=self.train_set.classes,
            config=self.config,
            training=training,
            evaluation=measured,
        )


def _write_metrics(path: Path, epoch: int, minutes: float | None, measured: Evaluation) -> None:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    # A run killed between this line and its next state validates the same epoch again.
    lines = [line for line in lines if json.loads(line)["epoch"] < epoch]
    lines.append(json.dumps({"epoch": epoch, "minutes": minutes, **measured.metrics}))
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


@contextmanager
def _plain_user_errors() -> Iterator[None]:
    """A data loader's worker sends an error as a whole traceback; its last line is the message."""
    try:
        yield
    except UserError as error:
        name = f"{UserError.__module__}.{UserError.__name__}: "
        raise UserError(str(error).splitlines()[-1].removeprefix(name)) from error


def learning_rate(schedule: ScheduleConfig, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """Learning rate of one step: linear warm-up, then tenfold drops after the milestones or a half cosine to zero."""
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    if schedule.shape == "cosine":
        return schedule.lr * warmup * 0.5 * (1 + math.cos(math.pi * step / total_steps))
    drops = sum(step >= milestone * steps_per_epoch for milestone in schedule.milestones)
    return schedule.lr * warmup * 0.1**drops


def _build(config: DetectorConfig, classes: tuple[str, ...], options: TrainingOptions) -> Detector:
    detector = build_detector(config, classes, pretrained=options.init is None)
    copied = set() if options.init is None else initialise_from(detector, options.init)
    detector.transform.min_size = config.input.train_min_sizes
    if options.freeze_trunk:
        frozen = {name for name in detector.state_dict() if name.startswith(("backbone.", "rpn."))}
        if frozen - copied:
            raise UserError(
                "a frozen trunk must come whole from a trained detector: give --init a checkpoint with the same "
                "pyramid and anchors as this config"
            )
        detector.backbone.requires_grad_(False)
        detector.rpn.requires_grad_(False)
    return detector


def _optimizer(detector: Detector, schedule: ScheduleConfig) -> SGD:
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    return SGD(parameters, schedule.lr, schedule.momentum, weight_decay=schedule.weight_decay)
