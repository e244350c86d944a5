"""A toy that learns one offset: gradient descent on the outputs that say it, under any head's loss."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from obcn.offsets import DistanceBinCodec, OffsetCodec


@dataclass(frozen=True)
class LossCurve:
    """What a loss says of the start, a prediction of 0, for each of E errors.

    Attributes:
        errors: (E,) target minus prediction, normalised offsets.
        losses: (E,) loss of that one coordinate.
        gradients: (E,) its :func:`gradient_size`.
    """

    errors: Tensor
    losses: Tensor
    gradients: Tensor


@dataclass(frozen=True)
class Descent:
    """S steps of gradient descent towards one target; index 0 is the start.

    Attributes:
        target: normalised offset.
        predictions: (S + 1,) decoded offsets.
        losses: (S + 1,) losses of that one coordinate.
        gradients: (S + 1,) its :func:`gradient_size`.
        edges: (n + 1,) edges of the bins, or of the stretch around each point, that the outputs stand for; the ends
            are infinite. Empty for a regression head.
        beliefs: (S + 1, n) probabilities over them.
    """

    target: float
    predictions: Tensor
    losses: Tensor
    gradients: Tensor
    edges: Tensor
    beliefs: Tensor

    def steps_until(self, error: float) -> int | None:
        """Steps after which the prediction comes within ``error`` of the target and stays there; None if never."""
        near = (self.predictions - self.target).abs() <= error
        away = (~near).nonzero().flatten().tolist()
        first = away[-1] + 1 if away else 0
        return first if first < len(near) else None


@lru_cache(maxsize=64)
def loss_curve(codec: OffsetCodec, errors: tuple[float, ...], spread: float) -> LossCurve:
    """Loss and gradient of a head that predicts 0, against the error.

    Args:
        codec: the head's.
        errors: E of them, normalised offsets.
        spread: standard deviation of what a head with a distribution believes, normalised offsets.
    """
    start = start_outputs(codec, spread)
    others = _loss_of_others(codec, start)
    rows = [_loss_and_gradient(codec, start, start, error) for error in errors]
    return LossCurve(
        torch.tensor(errors, dtype=torch.float64),
        torch.stack([loss for loss, _ in rows]) - others,
        torch.stack([gradient_size(gradient) for _, gradient in rows]),
    )


@lru_cache(maxsize=64)
def descend(codec: OffsetCodec, target: float, rate: float, steps: int, spread: float) -> Descent:
    """Learn one offset, from a prediction of 0, by plain gradient descent.

    Args:
        codec: the head's.
        target: normalised offset to learn; the other three coordinates are right from the start.
        rate: learning rate.
        steps: S.
        spread: as for :func:`loss_curve`.
    """
    start = start_outputs(codec, spread)
    outputs = start
    states, losses, gradients = [], [], []
    for _ in range(steps + 1):
        loss, gradient = _loss_and_gradient(codec, outputs, start, target)
        states.append(outputs)
        losses.append(loss)
        gradients.append(gradient_size(gradient))
        outputs = outputs - rate * gradient
    outputs_by_step = torch.stack([torch.cat((state, start.repeat(3))) for state in states])
    stages = codec.explain(outputs_by_step).stages
    return Descent(
        target,
        codec.decode(outputs_by_step)[:, 0],
        torch.stack(losses) - _loss_of_others(codec, start),
        torch.stack(gradients),
        stages[0].edges if stages else start.new_zeros(0),
        stages[0].probabilities[:, 0] if stages else start.new_zeros(steps + 1, 0),
    )


def start_outputs(codec: OffsetCodec, spread: float) -> Tensor:
    """(n,) outputs of one coordinate that predict 0: a regression head's one, or a bell over a head's n offsets.

    A softmax head's scores are the logarithm of the bell; a head of sigmoids gives scores whose sigmoids are the bell,
    0.9 high.
    """
    start = torch.zeros(codec.num_outputs // 4, dtype=torch.float64)
    stages = codec.explain(start.repeat(4)[None]).stages
    if not stages:
        return start
    logarithms = -(stages[0].representatives / spread).square() / 2
    if not isinstance(codec, DistanceBinCodec):
        return logarithms
    return torch.logit(0.9 * logarithms.exp(), eps=1e-6)


def gradient_size(gradient: Tensor) -> Tensor:
    """How hard the (n,) outputs of one coordinate are pushed: the sum over those that are pushed one way.

    For regression the size of its one gradient, for cross entropy 1 - p of the true bin. Where the label is shared
    among bins, so is the push, and no single output would tell it.
    """
    return torch.maximum(gradient.clamp(min=0).sum(), -gradient.clamp(max=0).sum())


def _loss_and_gradient(codec: OffsetCodec, outputs: Tensor, start: Tensor, target: float) -> tuple[Tensor, Tensor]:
    """Loss of four coordinates of which one has (n,) ``outputs`` and the others are right, and the one's gradient."""
    learned = outputs.clone().requires_grad_()
    targets = torch.tensor([[target, 0.0, 0.0, 0.0]], dtype=torch.float64)
    loss = codec.loss(torch.cat((learned, start.repeat(3)))[None], targets)
    (gradient,) = torch.autograd.grad(loss, learned)
    return loss.detach(), gradient


def _loss_of_others(codec: OffsetCodec, start: Tensor) -> Tensor:
    """What three coordinates add that are right: nothing with regression, something with a belief that is not sure."""
    return 0.75 * codec.loss(start.repeat(4)[None], start.new_zeros(1, 4))
