"""Several processes on one job, as ``torchrun`` starts them: who each is, and what they tell each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from obcn.errors import UserError

# NCCL does not see that a process died: who waits longer for another takes it for dead. gloo sees connections close.
PATIENCE = {"nccl": timedelta(seconds=50), "gloo": timedelta(minutes=10)}
# At a meeting point others may still read their data or validate.
LONG_WAIT = timedelta(hours=6)


@dataclass(frozen=True)
class Ranks:
    """One process among those of a job.

    Attributes:
        rank: from 0; process 0 alone writes files and shows progress.
        count: how many there are.
        device: where this one computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def parallel(self, model: nn.Module) -> nn.Module:
        """The model with its gradients averaged over the processes in each backward pass."""
        if self.count == 1:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    def share(self, batch: list) -> tuple[list, float]:
        """This process's part of a batch, and the weight of its mean loss.

        Averaged over the processes, weighted mean losses are the mean loss of the whole batch, if each photo has
        equally many samples. A process for which nothing is left gets the first photo with the weight 0: it must take
        part in the backward pass.
        """
        part = batch[self.rank :: self.count]
        return part or batch[:1], self.count * len(part) / len(batch)

    def total(self, values: Tensor) -> Tensor:
        """The sum of the processes' values, the same in each."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def gathered(self, value: Any) -> list[Any]:
        """Every process's value, by rank, in each process."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value, group=_patient_group())
        return values

    def wait(self) -> None:
        """Go on when every process is here."""
        self.gathered(None)


def is_first_process() -> bool:
    """Whether this is the process of its job that speaks; asked before and after the job itself."""
    return os.environ.get("RANK", "0") == "0"


ALONE = Ranks(0, 1, torch.device("cpu"))


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Take part in the job that ``torchrun`` started; alone where it did not.

    Args:
        device: ``cpu`` or ``cuda``; of several cards each process takes the one of its local rank.

    Raises:
        UserError: another process of the job is gone, or there are fewer cards than processes.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(0, 1, torch.device(device))
        return
    local, rank = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ["RANK"])
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise UserError(f"{torch.cuda.device_count()} card(s) here: give --nproc-per-node no more, or --device cpu")
        torch.cuda.set_device(local)
    place = torch.device(device, local) if device == "cuda" else torch.device(device)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE[backend])
    try:
        yield Ranks(rank, count, place)
    except (dist.DistBackendError, dist.DistNetworkError) as error:
        raise _gone() from error
    except RuntimeError as error:
        # gloo says it in a plain RuntimeError.
        if any(word in str(error).lower() for word in ("gloo", "connection", "peer", "timed out")):
            raise _gone() from error
        raise
    finally:
        _PATIENT.clear()
        dist.destroy_process_group()


def _gone() -> UserError:
    return UserError("another process of this run is gone, see above for its reason; go on with --resume")


_PATIENT: list[Any] = []


def _patient_group() -> Any:
    """A group on the CPU whose members wait for the slowest; made by all at their first use of it."""
    if not _PATIENT:
        _PATIENT.append(dist.new_group(backend="gloo", timeout=LONG_WAIT))
    return _PATIENT[0]
