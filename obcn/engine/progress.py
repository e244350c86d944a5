"""What a training run shows while it runs: a bar with losses and time left, and a line per validation."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SMOOTHING = 0.98


def progress_bar(console: Console | None = None) -> Progress:
    """A rich progress bar with counts, time passed and time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


class TrainingDisplay:
    """The bar of one run; use it as a context manager."""

    def __init__(self, total_steps: int, steps_per_epoch: int, done: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.epochs = total_steps // steps_per_epoch
        self.steps_per_epoch = steps_per_epoch
        self.done = done
        self.smooth: dict[str, float] = {}
        self.bar = progress_bar(self.console)
        self.task = self.bar.add_task("training", total=total_steps, completed=done, note="")
        self.validation_task: TaskID | None = None

    def __enter__(self) -> "TrainingDisplay":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def advance(self, losses: dict[str, float]) -> None:
        """One optimiser step done, with these losses."""
        self.done += 1
        for name, value in losses.items():
            self.smooth[name] = SMOOTHING * self.smooth.get(name, value) + (1 - SMOOTHING) * value
        epoch = (self.done - 1) // self.steps_per_epoch + 1
        # Only the sum fits beside the bar; its parts are printed with each epoch's figures.
        note = f"loss {self.smooth['loss']:.3f}"
        self.bar.update(self.task, completed=self.done, note=note, description=f"epoch {epoch}/{self.epochs}")
        if not self.console.is_terminal and self.done % 100 == 0:
            # A log file shows no bar.
            self.say(f"step {self.done} (epoch {epoch}): {self._losses()}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def validation(self, photos: int) -> Callable[[], None]:
        """Show a second bar; call the result after each photo."""
        task = self.validation_task = self.bar.add_task("validating", total=photos, note="")
        return lambda: self.bar.advance(task)

    def end_validation(self, metrics: dict[str, float]) -> None:
        """Take the second bar away and print its outcome."""
        if self.validation_task is not None:
            self.bar.remove_task(self.validation_task)
        figures = "  ".join(f"{name} {metrics[name]:.1f}" for name in ("AP", "AP50", "AP70", "AP80", "AP90"))
        self.say(f"epoch {self.done // self.steps_per_epoch}: {figures}")
        if self.smooth:
            self.say(f"  {self._losses()}")

    def _losses(self) -> str:
        return "  ".join(f"{name.removeprefix('loss_')} {value:.3f}" for name, value in self.smooth.items())
