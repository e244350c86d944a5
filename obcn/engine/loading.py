"""The training batches that a run has still to see, read by processes of their own."""

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from traceback import clear_frames

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from obcn.config import DetectorConfig
from obcn.data import Annotations, TrainingSet, batches_of_epoch, collate
from obcn.engine.distributed import Ranks
from obcn.errors import UserError


def remaining_batches(
    train_set: Annotations, config: DetectorConfig, seed: int, epochs: int, step: int, ranks: Ranks
) -> Generator[tuple[list[Tensor], list[dict[str, Tensor]], float], None, None]:
    """Photos and targets of each step after ``step``, in the order that seed and epoch decide.

    Yields:
        This process's photos, their targets, and the weight of their mean loss (:meth:`Ranks.share`).
    """
    size = config.schedule.batch_size
    steps_per_epoch = -(-len(train_set) // size)
    first_epoch = step // steps_per_epoch
    batches = [
        batch for epoch in range(first_epoch, epochs) for batch in batches_of_epoch(train_set, size, seed, epoch)
    ]
    shares = [ranks.share(batch) for batch in batches[step - first_epoch * steps_per_epoch :]]
    loader = DataLoader(
        TrainingSet(train_set, seed, config.input.crop, config.input.recolour),
        batch_sampler=[own for own, _ in shares],
        num_workers=1 if ranks.device.type == "cpu" else 8,
        collate_fn=collate,
        pin_memory=ranks.device.type == "cuda",
        # Its own generator: else each start of the loader would draw from the global random state.
        generator=torch.Generator(),
        worker_init_fn=_leave_signals_to_the_run,
    )
    for (photos, targets), (_, weight) in zip(loader, shares, strict=True):
        yield photos, targets, weight


@contextmanager
def plain_loader_errors() -> Iterator[None]:
    """One line for what a reading process sends as a whole traceback, and for its death, which may come at any time.

    The traceback's frames are cleared: they hold the loader, and the garbage collector takes five seconds to end it.

    Raises:
        UserError: as the reading process raised it, or because it was killed.
    """
    try:
        yield
    except UserError as error:
        if "\n" not in str(error):
            raise
        clear_frames(error.__traceback__)
        name = f"{UserError.__module__}.{UserError.__name__}: "
        raise UserError(str(error).splitlines()[-1].removeprefix(name)) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        clear_frames(error.__traceback__)
        raise UserError(
            "the process that reads photos was killed, perhaps for want of memory; go on with --resume"
        ) from error


def _leave_signals_to_the_run(_: int) -> None:
    """Ctrl-C and a cluster's SIGTERM reach every process, but the run must not lose its batches within a step.

    A second SIGTERM counts, so that a run that is gone can still end its loader.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))
