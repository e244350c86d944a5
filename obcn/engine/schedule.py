"""The learning rate of every step, and whether a run is long enough to learn at all."""

import math

from obcn.config import ScheduleConfig

# Rules of thumb, in steps at the full rate. From ImageNet's trunk `compact_obcn` found nothing after 260 steps that its
# warm-up kept at a third of the rate; from a shipped detector 15 steps at a hundredth already gave some boxes.
FEW_STEPS_FROM_IMAGENET = 150
FEW_STEPS_FROM_CHECKPOINT = 5


def warmup_steps(schedule: ScheduleConfig, total_steps: int) -> int:
    """Steps of the warm-up: its share of the run, but no more than ``warmup_steps``."""
    return min(schedule.warmup_steps, round(schedule.warmup * total_steps))


def learning_rate(schedule: ScheduleConfig, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """Learning rate of one step: linear warm-up, then tenfold drops after the milestones or a half cosine to zero."""
    warmup = warmup_steps(schedule, total_steps)
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if schedule.shape == "cosine":
        return schedule.lr * rise * 0.5 * (1 + math.cos(math.pi * step / total_steps))
    drops = sum(step >= milestone * steps_per_epoch for milestone in schedule.milestones)
    return schedule.lr * rise * 0.1**drops


def full_rate_steps(schedule: ScheduleConfig, total_steps: int, steps_per_epoch: int) -> float:
    """How many steps at the full rate a schedule is worth: the sum of its rates over the highest."""
    rates = (learning_rate(schedule, step, total_steps, steps_per_epoch) for step in range(total_steps))
    return sum(rates) / schedule.lr


def too_short(schedule: ScheduleConfig, epochs: int, steps_per_epoch: int, init: str | None) -> str | None:
    """Why a run cannot be expected to find anything, and what to do instead; None where it can.

    Args:
        schedule: of the run.
        epochs: of the run.
        steps_per_epoch: optimiser steps in each.
        init: checkpoint that it starts from; None for ImageNet's trunk.
    """
    worth = full_rate_steps(schedule, epochs * steps_per_epoch, steps_per_epoch)
    enough = FEW_STEPS_FROM_CHECKPOINT if init else FEW_STEPS_FROM_IMAGENET
    if worth >= enough:
        return None
    more = math.ceil(epochs * enough / worth)
    start = "a checkpoint" if init else "ImageNet's trunk"
    way_out = f"give --epochs {more} or more" + ("" if init else ", or start from a trained detector with --init obcn")
    return (
        f"too short to learn much: {epochs * steps_per_epoch} steps, worth {worth:.0f} at the full rate, where a start "
        f"from {start} takes {enough} or more; {way_out}"
    )
