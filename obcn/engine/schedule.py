"""The learning rate of every step, and whether a run is long enough to learn at all."""

import math

from obcn.config import ScheduleConfig


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
