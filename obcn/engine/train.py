"""Training, from a config to checkpoints, resumable at any step."""

import math
import os
import time

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from obcn.checkpoints import (
    Card,
    Evaluation,
    Training,
    current_commit,
    now,
    read_card,
    save_checkpoint,
    typed_command,
)
from obcn.config import DetectorConfig
from obcn.data import Annotations
from obcn.engine.evaluate import evaluate
from obcn.engine.folder import RunFolder
from obcn.engine.loading import plain_loader_errors, remaining_batches
from obcn.engine.progress import TrainingDisplay
from obcn.engine.schedule import learning_rate, too_short, warmup_steps
from obcn.engine.settings import TrainingOptions, settings_of
from obcn.engine.start import build_for_training, build_optimizer, starting_point
from obcn.engine.state import Progress, read_state, save_state
from obcn.engine.stop import StopSignals
from obcn.errors import RunStoppedError, UserError


def train(config: DetectorConfig, train_set: Annotations, val_set: Annotations, options: TrainingOptions) -> Card:
    """Train a detector; returns the card of the last checkpoint.

    Writes into ``options.output``: ``last`` and ``best`` (.safetensors and .json), ``state.safetensors`` for
    ``--resume``, ``metrics.jsonl`` with one line per validation, and TensorBoard curves.

    Raises:
        UserError: nothing to resume, a run already there or at work there, other settings than the resumed run's,
            classes that differ, nothing to freeze, started by torchrun, a loss that is not finite, or no room to write.
        RunStoppedError: by Ctrl-C or SIGTERM, with everything saved.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("training runs in one process on one device: start it without torchrun")
    if train_set.classes != val_set.classes:
        training, validation = ", ".join(train_set.classes), ", ".join(val_set.classes)
        raise UserError(
            f"the training classes ({training}) are not the validation classes ({validation}); both "
            "files must list the same categories"
        )
    folder = RunFolder(options.output)
    with folder.opened(options.resume), StopSignals() as stop, folder.named_in_errors():
        return _Run(config, train_set, val_set, options, stop).execute()


class _Run:
    """One training run: what its loop needs at hand."""

    def __init__(
        self,
        config: DetectorConfig,
        train_set: Annotations,
        val_set: Annotations,
        options: TrainingOptions,
        stop: StopSignals,
    ) -> None:
        self.config, self.train_set, self.val_set, self.options, self.stop = config, train_set, val_set, options, stop
        # Now: the tree may move on while this runs, but the code that runs is in memory.
        self.commit = current_commit()
        self.folder = RunFolder(options.output)
        saved = read_state(self.folder.state) if self.folder.state.exists() else None
        self.settings = settings_of(config, train_set, val_set, options, saved)
        self.epochs = self.settings.epochs
        self.steps_per_epoch = math.ceil(len(train_set) / config.schedule.batch_size)
        self.total_steps = self.epochs * self.steps_per_epoch
        self.device = torch.device(options.device)

        torch.manual_seed(self.settings.seed)
        self.detector = build_for_training(config, self.settings, resumed=saved is not None).to(self.device)
        self.detector.backbone.mixed_precision = self.device.type == "cuda"
        self.optimizer = build_optimizer(self.detector, config.schedule)
        self.progress = Progress()
        if saved is not None:
            saved.restore(self.detector, self.optimizer)
            self.progress = saved.progress

    def execute(self) -> Card:
        display = TrainingDisplay(self.total_steps, self.steps_per_epoch, self.progress.step)
        unclosed = self.progress.epochs_closed < self.progress.step // self.steps_per_epoch
        # What a killed run logged after its last state comes again: TensorBoard shall show it once.
        curves = SummaryWriter(str(self.options.output), purge_step=self.progress.step + (not unclosed))
        for line in self._opening_lines():
            display.say(line)
        with display, curves, plain_loader_errors():
            if unclosed:
                self._close_epoch(curves, display)
            self.detector.train()
            self._take_steps(curves, display)
        return read_card(self.folder.last)

    def _opening_lines(self) -> list[str]:
        """What this run is about to do, for who has just started it."""
        schedule, settings, done = self.config.schedule, self.settings, self.progress.step
        classes = ", ".join(settings.classes[:8]) + (", ..." if len(settings.classes) > 8 else "")
        lines = [
            f"{self.config.name} on {self._device_name()}: {len(self.train_set)} photos to train on, "
            f"{len(self.val_set)} to validate, {len(settings.classes)} class(es): {classes}",
            f"{self.epochs} epochs of {self.steps_per_epoch} steps, {schedule.batch_size} photos each, the first "
            f"{warmup_steps(schedule, self.total_steps)} steps to warm up; into {self.folder.path}",
        ]
        if done:
            return [*lines, f"goes on after step {done} of {self.total_steps}"]
        short = too_short(schedule, self.epochs, self.steps_per_epoch, settings.init)
        return [*lines, starting_point(settings), *([f"warning: {short}"] if short else [])]

    def _device_name(self) -> str:
        return torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"

    def _take_steps(self, curves: SummaryWriter, display: TrainingDisplay) -> None:
        before = time.monotonic() - self.progress.seconds
        batches = remaining_batches(
            self.train_set, self.config, self.settings.seed, self.epochs, self.progress.step, self.device
        )
        for photos, targets in batches:
            losses = self._step(photos, targets)
            self.progress.step += 1
            self.progress.seconds = time.monotonic() - before
            self._log(curves, losses)
            display.advance(losses)
            if self.progress.step % self.steps_per_epoch == 0:
                # Before the validation too: a run that is stopped in it goes on with it.
                self._save_state()
                self._close_epoch(curves, display)
            elif self.stop.received or self.progress.step % self.options.save_every == 0:
                self._save_state()
            self._stop_if_told()

    def _stop_if_told(self) -> None:
        """End the run, whose state must be on the disk."""
        if self.stop.received:
            command = typed_command()
            again = command if "--resume" in command.split() else f"{command} --resume"
            raise RunStoppedError(
                f"stopped after step {self.progress.step} of {self.total_steps}; all is kept, to go on: {again}",
                128 + self.stop.received,
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

    def _close_epoch(self, curves: SummaryWriter, display: TrainingDisplay) -> None:
        """Validate the epoch whose last step is done and saved, and write its figures and checkpoints."""
        epoch = self.progress.step // self.steps_per_epoch
        due = epoch % self.options.validate_every == 0 or epoch == self.epochs
        measured = self._validate(display) if due else None
        card = self._card(measured)
        if measured is not None:
            for name, value in measured.metrics.items():
                curves.add_scalar(f"val/{name.replace(':', '/')}", value, self.progress.step)
            aside = self.folder.add_metrics(epoch, {"minutes": card.training.minutes, **measured.metrics})
            if aside is not None:
                display.say(aside)
            if measured.metrics.get("AP", -1.0) > self.progress.best_ap:
                self.progress.best_ap = measured.metrics["AP"]
                save_checkpoint(self.folder.best, self.detector, card)
        save_checkpoint(self.folder.last, self.detector, card)
        self.progress.epochs_closed = epoch
        self._save_state()

    def _validate(self, display: TrainingDisplay) -> Evaluation:
        advance = display.validation(len(self.val_set))

        def on_photo() -> None:
            advance()
            self._stop_if_told()

        transform = self.detector.transform
        # As `obcn eval` will see the photos; the weights it reads were rounded to half precision on the disk.
        transform.min_size = (self.config.input.min_size,)
        metrics = evaluate(self.detector, self.val_set, on_photo)
        transform.min_size = self.config.input.train_min_sizes
        display.end_validation(metrics)
        self.detector.train()
        data = f"{self.options.data_name} (val)"
        return Evaluation(command=typed_command(), data=data, images=len(self.val_set), metrics=metrics)

    def _save_state(self) -> None:
        settings = self.settings.model_dump(mode="json")
        save_state(self.folder.state, self.detector, self.optimizer, self.progress, settings)

    def _card(self, measured: Evaluation | None) -> Card:
        settings = self.settings
        training = Training(
            command=typed_command(),
            data=self.options.data_name,
            train_images=len(self.train_set),
            epochs=self.progress.step / self.steps_per_epoch,
            seed=settings.seed,
            device=self._device_name(),
            torch=torch.__version__,
            commit=self.commit,
            date=now(),
            started_from=settings.init,
            start=settings.start,
            frozen_trunk=settings.freeze_trunk,
            minutes=round(self.progress.seconds / 60, 1),
        )
        return Card(
            name=self.config.name,
            classes=self.train_set.classes,
            config=self.config,
            training=training,
            evaluation=measured,
        )
