"""The one seam: how four numbers of a box are written as network outputs.

What the numbers mean is the codec's :mod:`box code <obcn.offsets.box_code>`: normalised offsets for this project's own
heads. A detector holds an :class:`OffsetCodec` and never asks which one. Codecs are plain frozen values: they own
no parameters, and work on tensors of any device and floating-point dtype.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from obcn.offsets.bins import UniformBins, as_full_precision, hierarchical_ranges, require_finite
from obcn.offsets.box_code import BoxCode, OffsetCode
from obcn.offsets.distribution import DecodeRule, OffsetExplanation, decode_stage, explain_stage
from obcn.offsets.losses import bin_cross_entropy, giou_loss, l2_loss, smooth_l1_loss

ResidualOrigin = Literal["true_bin", "predicted_bin", "prediction"]
RegressionLoss = Literal["l2", "smooth_l1", "giou"]


class OffsetCodec(Protocol):
    """How four numbers are written as ``num_outputs`` network outputs per candidate."""

    def __hash__(self) -> int:
        """A plain value's: what follows from a codec can be kept under it."""
        ...

    @property
    def box(self) -> BoxCode:
        """What the numbers mean for a box; all docstrings here say "offsets", as this project's heads have them."""
        ...

    @property
    def num_outputs(self) -> int:
        """Network outputs per candidate."""
        ...

    @property
    def num_stages(self) -> int:
        """How many distributions per coordinate add up to an offset; 0 for a head that keeps none."""
        ...

    @property
    def rule(self) -> DecodeRule | None:
        """How a distribution becomes an offset; None where there is none."""
        ...

    def describe(self) -> str:
        """What it writes and how it learns, in one line for people; not how it decodes."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Summed loss of (N, num_outputs) outputs against (N, 4) normalised target offsets.

        Raises:
            ValueError: if a target is NaN or infinite.
        """
        ...

    def decode(self, outputs: Tensor) -> Tensor:
        """(N, num_outputs) outputs to (N, 4) normalised offsets."""
        ...

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """Everything that :meth:`decode` went through on the way."""
        ...

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> "OffsetCodec":
        """The same codec decoding another way; None keeps what it does. Regression has one way only.

        Raises:
            ValueError: more stages than there are, or fewer than one.
        """
        ...


@dataclass(frozen=True)
class RegressionCodec:
    """One output per coordinate: the offset itself (section 3.1, the baseline).

    Attributes:
        kind: ``l2`` (Eq. 2), ``smooth_l1`` (Eq. 3), or ``giou``, which the paper does not run.
        beta: where Smooth L1 turns from quadratic to linear, in normalised offsets. The paper's baseline is 1;
            torchvision's Faster R-CNN uses 1/9.
    """

    kind: RegressionLoss = "smooth_l1"
    beta: float = 1.0

    @property
    def box(self) -> OffsetCode:
        """Normalised offsets."""
        return OffsetCode()

    @property
    def num_outputs(self) -> int:
        """Four: one per coordinate."""
        return 4

    @property
    def num_stages(self) -> int:
        """None."""
        return 0

    @property
    def rule(self) -> None:
        """None: there is nothing to choose."""
        return None

    def describe(self) -> str:
        """Its loss; see :meth:`OffsetCodec.describe`."""
        losses = {"l2": "L2", "giou": "GIoU"}
        loss = losses.get(self.kind, f"Smooth L1 with \N{GREEK SMALL LETTER BETA} = {self.beta:.3g}")
        return f"Regression: one number per coordinate, trained by {loss}"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Regression loss summed over candidates and coordinates; see :meth:`OffsetCodec.loss`."""
        require_finite(targets)
        outputs, targets = as_full_precision(outputs), as_full_precision(targets)
        if self.kind == "giou":
            return giou_loss(outputs, targets).sum()
        error = outputs - targets
        return (l2_loss(error) if self.kind == "l2" else smooth_l1_loss(error, self.beta)).sum()

    def decode(self, outputs: Tensor) -> Tensor:
        """The outputs are the offsets."""
        return as_full_precision(outputs)

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """No stages: regression keeps no second opinion."""
        return OffsetExplanation(offsets=self.decode(outputs), stages=(), partial=(), used_stages=0)

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> "RegressionCodec":
        """Itself."""
        return self


@dataclass(frozen=True)
class BinCodec:
    """K stages of offset bins: scores of shape (N, K, 4, n), flattened (sections 3.2.1 to 3.2.4).

    Attributes:
        num_bins: m, uniform bins per stage; every stage has n = m + 2 labels.
        ranges: half ranges a_1..a_K in normalised offsets. :func:`BinCodec.hierarchical` fills them in.
        rule: how a stage's distribution becomes an offset: ``expectation`` (Eq. 10) or ``argmax``.
        residual_from: what a training sample's next-stage target is measured from. ``true_bin``: the
            representative of the target's own bin; ``predicted_bin``: that of the predicted (argmax) bin;
            ``prediction``: the stage's decoded offset. The paper leaves it open. No gradient flows through it.
        used_stages: decode with only the first so many stages; None uses all. Training always uses all.

    Raises:
        ValueError: on no stage, a bad range, or ``used_stages`` outside 1..K.
    """

    num_bins: int = 20
    ranges: tuple[float, ...] = (3.0,)
    rule: DecodeRule = "expectation"
    residual_from: ResidualOrigin = "prediction"
    used_stages: int | None = None

    def __post_init__(self) -> None:
        if not self.ranges:
            raise ValueError("a bin codec needs at least one stage")
        if self.used_stages is not None and not 1 <= self.used_stages <= self.num_stages:
            raise ValueError(f"this head has {self.num_stages} stage(s); {self.used_stages} cannot be used")
        _ = self.stages  # UniformBins checks its own numbers

    @classmethod
    def hierarchical(
        cls,
        num_bins: int = 20,
        half_range: float = 3.0,
        num_stages: int = 1,
        rule: DecodeRule = "expectation",
        residual_from: ResidualOrigin = "prediction",
    ) -> "BinCodec":
        """Ranges by the paper's rule, each stage as wide as one bin of the stage before."""
        return cls(num_bins, hierarchical_ranges(num_bins, half_range, num_stages), rule, residual_from)

    @property
    def box(self) -> OffsetCode:
        """Normalised offsets."""
        return OffsetCode()

    @property
    def stages(self) -> tuple[UniformBins, ...]:
        """The bins of each stage."""
        return tuple(UniformBins(self.num_bins, half_range) for half_range in self.ranges)

    @property
    def num_stages(self) -> int:
        """K."""
        return len(self.ranges)

    @property
    def num_labels(self) -> int:
        """n = m + 2."""
        return self.num_bins + 2

    @property
    def num_outputs(self) -> int:
        """4 K n."""
        return self.num_stages * 4 * self.num_labels

    def describe(self) -> str:
        """Its stages, bins and ranges; see :meth:`OffsetCodec.describe`."""
        stages = "one stage" if self.num_stages == 1 else f"{self.num_stages} stages"
        ranges = ", ".join(f"±{half_range:.3g}" for half_range in self.ranges)
        return f"Offset bins: {stages} of {self.num_bins} bins and two tails per coordinate, over {ranges}"

    def scores(self, outputs: Tensor) -> Tensor:
        """(N, 4 K n) outputs as (N, K, 4, n) scores, at least float32."""
        return as_full_precision(outputs).reshape(-1, self.num_stages, 4, self.num_labels)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy summed over candidates, coordinates and stages (Eq. 7); see :meth:`OffsetCodec.loss`."""
        scores = self.scores(outputs)
        residual = targets.to(scores)
        total = scores.sum() * 0
        for k, bins in enumerate(self.stages):
            labels = bins.encode(residual)
            total = total + bin_cross_entropy(scores[:, k], labels).sum()
            # Scores that are not finite have made the loss so already; they are no fault of the targets.
            residual = (residual - self._residual_origin(bins, scores[:, k].detach(), labels)).nan_to_num()
        return total

    def decode(self, outputs: Tensor) -> Tensor:
        """Sum of the used stages' offsets (Eq. 11): (N, 4 K n) outputs to (N, 4) normalised offsets."""
        scores = self.scores(outputs)
        used = self.stages[: self.used_stages]
        return torch.stack([decode_stage(bins, scores[:, k], self.rule) for k, bins in enumerate(used)]).sum(0)

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """Every stage's distribution, also of stages that ``used_stages`` leaves out of the sum."""
        scores = self.scores(outputs)
        origin = scores.new_zeros(scores.shape[0], 4)
        stages, partial = [], []
        for k, bins in enumerate(self.stages):
            stage = explain_stage(bins, scores[:, k], origin)
            origin = origin + (stage.argmax if self.rule == "argmax" else stage.expectation)
            stages.append(stage)
            partial.append(origin)
        return OffsetExplanation(
            offsets=self.decode(outputs),
            stages=tuple(stages),
            partial=tuple(partial),
            used_stages=self.used_stages or self.num_stages,
        )

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> "BinCodec":
        """The same bins decoded another way; see :meth:`OffsetCodec.decoding`."""
        used = self.used_stages if num_stages is None else num_stages
        return replace(self, rule=rule or self.rule, used_stages=used)

    def _residual_origin(self, bins: UniformBins, scores: Tensor, labels: Tensor) -> Tensor:
        if self.residual_from == "true_bin":
            return bins.representatives(scores)[labels]
        return decode_stage(bins, scores, "argmax" if self.residual_from == "predicted_bin" else self.rule)
