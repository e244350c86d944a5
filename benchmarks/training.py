"""Training steps of ours beside a plain torchvision loop on the same batches, in turn.

torchvision's FasterRCNN (:mod:`benchmarks.twin`) starts from the same weights, with the same frozen stages, optimiser
and clipping; each takes a step on every batch. Photos are read and augmented beforehand, which costs both the same.

Example: `python -m benchmarks.training --data docs/voc2012-animals/data.yaml`
"""

import copy
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn
from torch.optim import SGD

from benchmarks.measured import RESULTS, summary, write_result
from benchmarks.twin import torchvision_twin
from obcn.checkpoints import load_checkpoint
from obcn.data import load_data_config, read_annotations
from obcn.data.dataset import TrainingSet, batches_of_epoch, collate
from obcn.models.training import prepare_for_training

# Small, so that the weights stay where they are: what is measured is a step late in training.
LEARNING_RATE, CLIP_NORM = 1e-4, 10.0


class Trainee:
    """A detector with its optimiser."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.train()
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = SGD(self.parameters, LEARNING_RATE, momentum=0.9)

    def step(self, photos: list[Tensor], targets: list[dict[str, Tensor]]) -> tuple[float, float]:
        """Seconds by the clock, and the loss before the step."""
        started = time.perf_counter()
        losses = self.model(photos, targets)
        total = sum(loss for loss in losses.values() if loss.requires_grad)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.optimizer.step()
        return time.perf_counter() - started, float(total.detach())


def main(
    data: Annotated[Path, typer.Option(help="Where the photos lie, a YAML as `obcn train` takes it.")],
    steps: Annotated[int, typer.Option(min=2, help="Steps of each.")] = 30,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "training.json",
) -> None:
    """Print and write the seconds of a step and the losses of each, and the photos per second."""
    torch.manual_seed(0)  # of the samples that the losses draw
    regression, card = load_checkpoint("regression")
    obcn, _ = load_checkpoint("obcn")
    config = card.config
    train_set, _ = read_annotations(load_data_config(data))
    twin = torchvision_twin(copy.deepcopy(regression))
    for detector in (regression, obcn):
        prepare_for_training(detector)  # as `obcn train` does
    trainees = {"torchvision FasterRCNN": Trainee(twin), "regression": Trainee(regression), "obcn": Trainee(obcn)}
    samples = TrainingSet(train_set, 0, config.input.crop, config.input.recolour)
    batches = batches_of_epoch(train_set, config.schedule.batch_size, 0, 0)[: steps + 1]
    taken: dict[str, list[float]] = {name: [] for name in trainees}
    losses: dict[str, list[float]] = {name: [] for name in trainees}
    for number, keys in enumerate(batches):
        photos, targets = collate([samples[key] for key in keys])
        # torchvision writes into what it is given.
        for name, trainee in trainees.items():
            lent = [dict(target) for target in targets]
            seconds, loss = trainee.step(list(photos), lent)
            if number:  # the first step pays for what is set up once
                taken[name].append(1000 * seconds)
                losses[name].append(loss)
    write_result(
        output,
        f"python -m benchmarks.training --data {data} --steps {steps}",
        {
            "batch_size": config.schedule.batch_size,
            "milliseconds": {name: summary(values) for name, values in taken.items()},
            "mean_loss": {name: sum(values) / len(values) for name, values in losses.items()},
        },
    )


if __name__ == "__main__":
    typer.run(main)
