"""Several heads trained side by side on one stream of candidates.

All heads of one seed see the same photos, in the same order, with the same sampled candidates: what differs between
them is the head. A photo's candidates are pooled once for all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import SGD

from analysis.frozen.features import FeatureBatch, FrozenFeatures
from analysis.frozen.gradients import (
    EVERY,
    SharedGradients,
    is_measured,
    read_gradients,
    shared_gradients,
    write_gradients,
)
from analysis.frozen.heads import Head, branches_of
from obcn.config import ScheduleConfig
from obcn.data.dataset import batches_of_epoch, mixed_seed
from obcn.engine.schedule import learning_rate
from obcn.engine.state import Progress, read_state, save_state
from obcn.errors import UserError
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.roi_heads import Losses, OffsetRoIHeads


@dataclass
class HeadRun:
    """One head on its way.

    Attributes:
        name: for messages.
        head: what is trained.
        state: file that holds weights, momentum and progress after each epoch.
        fingerprint: names everything that decides the outcome; a state of another is refused.
        schedule: how it is trained.
        progress: where it stands; taken from ``state`` where there is one.
        gradients: what was measured in the shared layers of a head with a gate; kept beside ``state``.
    """

    name: str
    head: Head
    state: Path
    fingerprint: str
    schedule: ScheduleConfig
    progress: Progress = field(default_factory=Progress)
    gradients: list[SharedGradients] = field(default_factory=list)

    def __post_init__(self) -> None:
        schedule = self.schedule
        self.optimizer = SGD(self.head.parameters(), schedule.lr, schedule.momentum, weight_decay=schedule.weight_decay)
        if self.state.is_file():
            saved = read_state(self.state)
            if saved.settings != self._settings():
                raise UserError(f"{self.state} belongs to a run with other settings; delete it to train anew")
            with _kept_randomness():
                saved.restore(self.head, self.optimizer)
            self.progress = saved.progress
            self.gradients = read_gradients(self._gradients_file, self.progress.step)

    @property
    def _gradients_file(self) -> Path:
        return self.state.with_suffix(".gradients.json")

    def save(self) -> None:
        """Write the state."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        if self.gradients:
            write_gradients(self._gradients_file, self.gradients)
        save_state(self.state, self.head, self.optimizer, self.progress, self._settings())

    def _settings(self) -> dict[str, str]:
        return {"fingerprint": self.fingerprint}


def train_side_by_side(
    runs: Sequence[HeadRun],
    features: FrozenFeatures,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> None:
    """Train heads that stand at the same step to the end of the schedule, saving each after every epoch.

    Args:
        runs: all at the same step, at an epoch's end, with the same schedule.
        features: of the training split.
        seed: of photo order and candidate sampling.
        on_step: called after each step of all heads.

    Raises:
        UserError: a loss is not finite, or single heads sample their candidates differently.
    """
    _require_one_sampling(runs)
    schedule = runs[0].schedule
    per_epoch = len(batches_of_epoch(features.annotations, schedule.batch_size, seed, 0))
    start = runs[0].progress.step
    for run in runs:
        run.head.train()
    for epoch in range(start // per_epoch, schedule.epochs):
        batches = batches_of_epoch(features.annotations, schedule.batch_size, seed, epoch)
        for number, batch in enumerate(batches):
            step = epoch * per_epoch + number
            rate = learning_rate(schedule, step, schedule.epochs * per_epoch, per_epoch)
            photos = features.batch([photo for _, photo in batch])
            for run, losses in zip(runs, _losses(runs, photos, mixed_seed(seed, step)), strict=True):
                _step(run, losses, rate)
            on_step()
        for run in runs:
            run.save()


def _require_one_sampling(runs: Sequence[HeadRun]) -> None:
    """Refuse single heads that would train on another head's candidates, which are not what their settings say."""
    ways = {_sampling(run.head): run.name for run in runs if isinstance(run.head, OffsetRoIHeads)}
    if len(ways) > 1:
        sampled = "; ".join(
            f"{name}: {count} of which {share:g} at IoU {iou:g}" for (count, share, iou), name in ways.items()
        )
        raise UserError(
            f"heads side by side share their candidates, but these sample differently ({sampled}); "
            "give each its own study"
        )


def _sampling(head: OffsetRoIHeads) -> tuple[int, float, float]:
    sampler = head.fg_bg_sampler
    return sampler.batch_size_per_image, sampler.positive_fraction, head.proposal_matcher.high_threshold


def _losses(runs: Sequence[HeadRun], photos: FeatureBatch, seed: int) -> Iterator[Losses]:
    """Each head's losses; heads of one look share what they sample and pool, others go their own way.

    A head with a second look samples the same candidates, for the seed is the same; a cascade's second head its own.
    """
    shared: tuple[Tensor, Tensor, Tensor] | None = None
    for run in runs:
        with _kept_randomness():
            torch.manual_seed(seed)
            if isinstance(run.head, CascadeRoIHeads) or run.head.later_looks:
                yield run.head(photos.pyramid, photos.proposals, photos.image_shapes, photos.targets)[1]
                continue
            if shared is None:
                sampled, _, labels, offsets = run.head.select_training_samples(photos.proposals.copy(), photos.targets)
                pooled = run.head.box_roi_pool(photos.pyramid, sampled, photos.image_shapes)
                shared = pooled, torch.cat(labels), torch.cat(offsets)
            scores, outputs = run.head.box_head(shared[0])
            yield run.head.losses(scores, outputs, *shared[1:])


def _step(run: HeadRun, losses: Losses, rate: float) -> None:
    if isinstance(run.head, OffsetRoIHeads) and is_measured(run.head) and run.progress.step % EVERY == 0:
        run.gradients.append(shared_gradients(run.progress.step, run.head, losses))
    loss = sum(losses.values(), torch.zeros(()))
    if not torch.isfinite(loss):
        raise UserError(f"the loss of {run.name} is {loss.item()} at step {run.progress.step}; lower the protocol's lr")
    run.optimizer.param_groups[0]["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for branch in branches_of(run.head):
        torch.nn.utils.clip_grad_norm_(branch.parameters(), run.schedule.clip_norm)
    run.optimizer.step()
    run.progress.step += 1


@contextmanager
def _kept_randomness() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield
