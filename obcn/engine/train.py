"""Training, from a config to checkpoints, resumable at any step."""

import math
import signal
import time
from contextlib import closing, nullcontext

import torch
from rich.console import Console
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
from obcn.data.dataset import mixed_seed
from obcn.engine.distributed import Ranks, joined
from obcn.engine.evaluate import evaluate
from obcn.engine.folder import RunFolder
from obcn.engine.loading import plain_loader_errors, remaining_batches
from obcn.engine.progress import TrainingDisplay
from obcn.engine.schedule import learning_rate, too_short, warmup_steps
from obcn.engine.settings import RunSettings, TrainingOptions, settings_of
from obcn.engine.start import build_for_training, build_optimizer, starting_point
from obcn.engine.state import Progress, random_state, read_state, save_state
from obcn.engine.stop import StopSignals
from obcn.errors import RunStoppedError, UserError
from obcn.models.training import prepare_for_training


def train(config: DetectorConfig, train_set: Annotations, val_set: Annotations, options: TrainingOptions) -> Card:
    """Train a detector; returns the card of the last checkpoint.

    Writes into ``options.output``: ``last`` and ``best`` (.safetensors and .json), ``state.safetensors`` for
    ``--resume``, ``metrics.jsonl`` with one line per validation, and TensorBoard curves. Started by ``torchrun``, each
    process takes its share of every batch (docs/scaling.md); the first one writes.

    Raises:
        UserError: nothing to resume, a run already there or at work there, other settings than the resumed run's,
            classes that differ, nothing to freeze, a loss that is not finite, no room to write, or a process that died.
        RunStoppedError: by Ctrl-C or SIGTERM, with everything saved.
    """
    if train_set.classes != val_set.classes:
        training, validation = ", ".join(train_set.classes), ", ".join(val_set.classes)
        raise UserError(
            f"the training classes ({training}) are not the validation classes ({validation}); both "
            "files must list the same categories"
        )
    folder = RunFolder(options.output)
    with (
        joined(options.device) as ranks,
        StopSignals() as stop,
        folder.opened(options.resume) if ranks.first else nullcontext(),
        folder.named_in_errors(),
    ):
        ranks.wait()
        return _Run(config, train_set, val_set, options, ranks, stop).execute()


class _Run:
    """One training run: what its loop needs at hand."""

    def __init__(
        self,
        config: DetectorConfig,
        train_set: Annotations,
        val_set: Annotations,
        options: TrainingOptions,
        ranks: Ranks,
        stop: StopSignals,
    ) -> None:
        self.config, self.train_set, self.val_set, self.options = config, train_set, val_set, options
        self.ranks, self.stop = ranks, stop
        self.agreed_to_stop = False
        # Now: the tree may move on while this runs, but the code that runs is in memory.
        self.commit = current_commit()
        self.folder = RunFolder(options.output)
        saved = read_state(self.folder.state) if self.folder.state.exists() else None
        self.settings = settings_of(config, train_set, val_set, options, saved, ranks.count)
        self.epochs = self.settings.epochs
        self.steps_per_epoch = math.ceil(len(train_set) / config.schedule.batch_size)
        self.total_steps = self.epochs * self.steps_per_epoch
        self.device = ranks.device

        torch.manual_seed(self.settings.seed)
        self.detector = build_for_training(config, self.settings, resumed=saved is not None).to(self.device)
        self.detector.backbone.mixed_precision = self.device.type == "cuda"
        prepare_for_training(self.detector)
        self.optimizer = build_optimizer(self.detector, config.schedule)
        self.progress = Progress()
        self.processes_before = ranks.count
        if saved is not None:
            self.processes_before = RunSettings.model_validate(saved.settings).processes
            saved.restore(self.detector, self.optimizer, min(ranks.rank, self.processes_before - 1))
            self.progress = saved.progress
        if ranks.rank >= (0 if saved is None else self.processes_before) and ranks.rank > 0:
            # Each process draws its own samples.
            torch.manual_seed(mixed_seed(self.settings.seed, ranks.rank, self.progress.step))
        self.model = ranks.parallel(self.detector)

    def execute(self) -> Card:
        console = Console(stderr=True, quiet=not self.ranks.first)
        display = TrainingDisplay(self.total_steps, self.steps_per_epoch, self.progress.step, console)
        unclosed = self.progress.epochs_closed < self.progress.step // self.steps_per_epoch
        # What a killed run logged after its last state comes again: TensorBoard shall show it once.
        purge = self.progress.step + (not unclosed)
        writer = SummaryWriter(str(self.options.output), purge_step=purge) if self.ranks.first else nullcontext()
        for line in self._opening_lines():
            display.say(line)
        with display, writer as curves, plain_loader_errors():
            if unclosed:
                self._close_epoch(curves, display)
            self.detector.train()
            self._take_steps(curves, display)
        self.ranks.wait()
        return read_card(self.folder.last)

    def _opening_lines(self) -> list[str]:
        """What this run is about to do, for who has just started it."""
        schedule, settings, done = self.config.schedule, self.settings, self.progress.step
        classes = ", ".join(settings.classes[:8]) + (", ..." if len(settings.classes) > 8 else "")
        processes = f" in {self.ranks.count} processes" if self.ranks.count > 1 else ""
        lines = [
            f"{self.config.name} on {self._device_name()}{processes}: {len(self.train_set)} photos to train on, "
            f"{len(self.val_set)} to validate, {len(settings.classes)} class(es): {classes}",
            f"{self.epochs} epochs of {self.steps_per_epoch} steps, {schedule.batch_size} photos each, the first "
            f"{warmup_steps(schedule, self.total_steps)} steps to warm up; into {self.folder.path}",
        ]
        if done:
            lines.append(f"goes on after step {done} of {self.total_steps}")
            now, before = self.ranks.count, self.processes_before
            if now != before:
                lines.append(f"in {now} process(es), was in {before}: what is sampled by chance differs from here on")
            return lines
        short = too_short(schedule, self.epochs, self.steps_per_epoch, settings.init)
        return [*lines, starting_point(settings), *([f"warning: {short}"] if short else [])]

    def _device_name(self) -> str:
        return torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"

    def _take_steps(self, curves: SummaryWriter | None, display: TrainingDisplay) -> None:
        before = time.monotonic() - self.progress.seconds
        batches = remaining_batches(
            self.train_set, self.config, self.settings.seed, self.epochs, self.progress.step, self.ranks
        )
        # A traceback would keep the loader, and the loader's process this one from ending.
        with closing(batches):
            for photos, targets, weight in batches:
                losses = self._step(photos, targets, weight)
                self.progress.step += 1
                self.progress.seconds = time.monotonic() - before
                self._log(curves, losses)
                display.advance(losses)
                if self.progress.step % self.steps_per_epoch == 0:
                    # Before the validation too: a run that is stopped in it goes on with it.
                    self._save_state()
                    self._close_epoch(curves, display)
                elif self._told_to_stop() or self.progress.step % self.options.save_every == 0:
                    self._save_state()
                self._stop_if_told()

    def _told_to_stop(self) -> bool:
        """Whether this process was told to stop, or of several any one, as they found together in their last step."""
        return self.agreed_to_stop if self.ranks.count > 1 else self.stop.received is not None

    def _stop_if_told(self) -> None:
        """End the run, whose state must be on the disk."""
        if self._told_to_stop():
            command = typed_command()
            again = command if "--resume" in command.split() else f"{command} --resume"
            raise RunStoppedError(
                f"stopped after step {self.progress.step} of {self.total_steps}; all is kept, to go on: {again}",
                128 + (self.stop.received or signal.SIGTERM),
            )

    def _step(self, photos: list[Tensor], targets: list[dict[str, Tensor]], weight: float) -> dict[str, float]:
        """One optimiser step; returns the losses of the whole batch, over all processes."""
        schedule = self.config.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(schedule, self.progress.step, self.total_steps, self.steps_per_epoch)
        photos = [photo.to(self.device, non_blocking=True) for photo in photos]
        targets = [{k: v.to(self.device, non_blocking=True) for k, v in target.items()} for target in targets]
        losses = self.model(photos, targets)
        # A frozen trunk still reports its proposal losses; they have nothing to teach.
        total = weight * sum(loss for loss in losses.values() if loss.requires_grad)
        stopping = torch.tensor(float(self.stop.received is not None), device=self.device)
        means = [weight / self.ranks.count * loss.detach().float() for loss in losses.values()]
        shared = self.ranks.total(torch.stack([total.detach().float() / self.ranks.count, stopping, *means])).tolist()
        self.agreed_to_stop = shared[1] > 0
        if not math.isfinite(shared[0]):
            raise UserError(
                f"the loss is {shared[0]} at step {self.progress.step}; "
                "lower schedule.lr in the config and start again with another --output"
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], schedule.clip_norm)
        self.optimizer.step()
        return {"loss": shared[0], **dict(zip(losses, shared[2:], strict=True))}

    def _log(self, curves: SummaryWriter | None, losses: dict[str, float]) -> None:
        if curves is not None and self.progress.step % 20 == 0:
            for name, value in losses.items():
                curves.add_scalar(f"train/{name}", value, self.progress.step)
            curves.add_scalar("train/lr", self.optimizer.param_groups[0]["lr"], self.progress.step)

    def _close_epoch(self, curves: SummaryWriter | None, display: TrainingDisplay) -> None:
        """Validate the epoch whose last step is done and saved, and write its figures and checkpoints."""
        epoch = self.progress.step // self.steps_per_epoch
        due = epoch % self.options.validate_every == 0 or epoch == self.epochs
        measured = self._validate(display) if due else None
        best = measured is not None and measured.metrics.get("AP", -1.0) > self.progress.best_ap
        if measured is not None and best:
            self.progress.best_ap = measured.metrics["AP"]
        if curves is not None:
            self._write_epoch(epoch, measured, best, curves, display)
        self.progress.epochs_closed = epoch
        self._save_state()

    def _write_epoch(
        self, epoch: int, measured: Evaluation | None, best: bool, curves: SummaryWriter, display: TrainingDisplay
    ) -> None:
        card = self._card(measured)
        if measured is not None:
            for name, value in measured.metrics.items():
                curves.add_scalar(f"val/{name.replace(':', '/')}", value, self.progress.step)
            aside = self.folder.add_metrics(epoch, {"minutes": card.training.minutes, **measured.metrics})
            if aside is not None:
                display.say(aside)
        if best:
            save_checkpoint(self.folder.best, self.detector, card)
        save_checkpoint(self.folder.last, self.detector, card)

    def _validate(self, display: TrainingDisplay) -> Evaluation:
        advance = display.validation(len(self.val_set.part(self.ranks.rank, self.ranks.count)))

        def on_photo() -> None:
            advance()
            # Several processes stop together, in a step.
            if self.ranks.count == 1:
                self._stop_if_told()

        transform = self.detector.transform
        # As `obcn eval` will see the photos; the weights it reads were rounded to half precision on the disk.
        transform.min_size = (self.config.input.min_size,)
        metrics = evaluate(self.detector, self.val_set, on_photo, self.ranks)
        transform.min_size = self.config.input.train_min_sizes
        display.end_validation(metrics)
        self.detector.train()
        data = f"{self.options.data_name} (val)"
        return Evaluation(command=typed_command(), data=data, images=len(self.val_set), metrics=metrics)

    def _save_state(self) -> None:
        settings = self.settings.model_dump(mode="json")
        random = self.ranks.gathered(random_state())
        if self.ranks.first:
            save_state(self.folder.state, self.detector, self.optimizer, self.progress, settings, random)

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
