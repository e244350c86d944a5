"""Whether what makes training faster changes what is learnt: the loss of the first steps, with it and without.

Three detectors of one start see the same batches in turn: as `obcn train` has it; plain, with torchvision's RoIAlign
and its search for proposals and with BatchNorm apart; and plain once more, with other samples of candidates and
anchors, which is how far two runs lie apart by chance.

Example: `python -m benchmarks.loss_curve --data docs/voc2012-animals/data.yaml`
"""

import json
from pathlib import Path
from types import MethodType
from typing import Annotated

import torch
import typer
from torch import Tensor, nn
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import MultiScaleRoIAlign

from benchmarks.measured import RESULTS, about
from obcn.checkpoints import initialise_from
from obcn.config import DetectorConfig, load_config
from obcn.data import load_data_config, read_annotations
from obcn.data.dataset import TrainingSet, batches_of_epoch, collate
from obcn.engine.schedule import learning_rate
from obcn.engine.start import build_optimizer
from obcn.files import write_whole
from obcn.models import build_detector
from obcn.models.detector import Detector
from obcn.models.training import prepare_for_training

CONFIG, START = "compact_obcn", "regression"
FAST, PLAIN, OTHER = "as `obcn train` does it", "plain", "plain, other samples"


def main(
    data: Annotated[Path, typer.Option(help="Where the photos lie, a YAML as `obcn train` takes it.")],
    steps: Annotated[int, typer.Option(min=40, help="Steps of each.")] = 200,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "loss_curve.json",
) -> None:
    """Print a line for each twenty steps, and write the losses of all."""
    config = load_config(CONFIG)
    train_set, _ = read_annotations(load_data_config(data))
    samples = TrainingSet(train_set, 0, config.input.crop, config.input.recolour)
    size = config.schedule.batch_size
    epochs = 1 + steps * size // len(train_set)
    batches = [keys for epoch in range(epochs) for keys in batches_of_epoch(train_set, size, 0, epoch)][:steps]
    runs = {name: _Run(config, train_set.classes, seed, plain) for name, seed, plain in _RUNS}
    losses: dict[str, list[float]] = {name: [] for name in runs}
    for step, keys in enumerate(batches):
        photos, targets = collate([samples[key] for key in keys])
        for name, run in runs.items():
            losses[name].append(run.step(step, steps, list(photos), [dict(target) for target in targets]))
        if step % 20 == 19:
            means = "  ".join(f"{name} {sum(values[-20:]) / 20:.3f}" for name, values in losses.items())
            typer.echo(f"step {step + 1:>4}  {means}")
    figures = {"losses": {name: [round(loss, 5) for loss in values] for name, values in losses.items()}}
    command = f"python -m benchmarks.loss_curve --data {data} --steps {steps}"
    write_whole(output, (json.dumps(about(command) | figures) + "\n").encode())


_RUNS = ((FAST, 0, False), (PLAIN, 0, True), (OTHER, 1, True))


class _Run:
    def __init__(self, config: DetectorConfig, classes: tuple[str, ...], seed: int, plain: bool) -> None:
        torch.manual_seed(0)
        self.schedule, self.seed = config.schedule, seed
        self.detector = build_detector(config, classes)
        initialise_from(self.detector, START)
        if plain:
            _undo_what_is_faster(self.detector)
        else:
            prepare_for_training(self.detector)
        self.optimizer = build_optimizer(self.detector.train(), config.schedule)

    def step(self, step: int, steps: int, photos: list[Tensor], targets: list[dict[str, Tensor]]) -> float:
        """The loss before the step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.schedule, step, steps, steps)
        torch.manual_seed(steps * self.seed + step)  # of the samples
        total = sum(self.detector(photos, targets).values())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.schedule.clip_norm)
        self.optimizer.step()
        return float(total.detach())


def _undo_what_is_faster(detector: Detector) -> None:
    pool = detector.roi_heads.box_roi_pool
    detector.roi_heads.box_roi_pool = MultiScaleRoIAlign(
        detector.backbone.level_names, pool.output_size, pool.sampling_ratio
    )
    filter_proposals = MethodType(RegionProposalNetwork.filter_proposals, detector.rpn)
    object.__setattr__(detector.rpn, "filter_proposals", filter_proposals)


if __name__ == "__main__":
    typer.run(main)
