"""What an ideal head of each kind would say: the head that knows the distribution of the offset given what it sees.

Trained to the end on labels y(t), a head says E[y(t)]. For OBCN's bins that is how probable each bin is. Labels that
spread over several points (two-hot, or decaying with the distance) make even the ideal head's distribution wider than
the offset's own, and its most probable point less probable than the offset is near. What is asked of a head is
therefore measured by its own labels: ``p_top`` against the label's share there, and the spread against the error plus
the label's variance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from obcn.config import BoxHeadConfig
from obcn.exported.described import ExportedCard
from obcn.offsets import BinCodec, DistanceBinCodec, OffsetCodec, RepooledCodec, SupportPointCodec
from obcn.offsets.bins import UniformBins
from obcn.offsets.layers import LayersCodec

StageLabels = UniformBins | SupportPointCodec | DistanceBinCodec


@dataclass(frozen=True)
class LabelMoments:
    """The labels of N true offsets, of one stage.

    Attributes:
        share: (N, n) labels as distributions, in spatial order.
        mean: (N,) of the representatives under them, in normalised offsets.
        variance: (N,) likewise, squared.
        reach: the outermost representative: no label has its mean beyond it.
    """

    share: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    reach: float


def card_stages(card: dict[str, Any]) -> tuple[StageLabels, ...]:
    """What the stages of a record file's head are trained on; empty where the card does not say."""
    try:
        if "points" in card:
            exported = TypeAdapter(ExportedCard).validate_python(card)
            return _stages(exported.codec) if exported.points else ()
        return _stages(BoxHeadConfig.model_validate(card["config"]["box_head"]).offsets.build())
    except (KeyError, TypeError, ValidationError):
        return ()


def label_moments(stage: StageLabels, targets: np.ndarray) -> LabelMoments:
    """Labels of a stage at true offsets, and their moments.

    Args:
        stage: of :func:`card_stages`.
        targets: (N,) normalised offsets from the stage's origin, finite.
    """
    given = torch.from_numpy(np.asarray(targets, dtype=np.float64))
    share, representatives = _labels(stage, given)
    mean = share @ representatives
    variance = share @ representatives.square() - mean.square()
    return LabelMoments(share.numpy(), mean.numpy(), variance.clamp(min=0).numpy(), representatives.max().item())


def _stages(codec: OffsetCodec) -> tuple[StageLabels, ...]:
    if isinstance(codec, RepooledCodec):
        return tuple(stage for look in codec.looks for stage in _stages(look))
    if isinstance(codec, LayersCodec):
        return (codec.layer,) * codec.num_layers
    if isinstance(codec, BinCodec):
        return codec.stages
    return (codec,) if isinstance(codec, SupportPointCodec | DistanceBinCodec) else ()


def _labels(stage: StageLabels, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(N, n) label distributions, and (n,) representatives."""
    if isinstance(stage, UniformBins):
        one_hot = torch.nn.functional.one_hot(stage.encode(targets), stage.num_labels).to(targets)
        return one_hot, stage.representatives(targets)
    representatives = stage.support.representatives(targets)
    if isinstance(stage, SupportPointCodec):
        return stage.support.two_hot(targets), representatives
    labels = stage.labels(targets)
    return labels / labels.sum(-1, keepdim=True), representatives
