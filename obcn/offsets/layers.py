"""Decoder layers in a row that each say the whole box anew, as D-FINE's and DEIM's do."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from obcn.offsets.bins import as_full_precision
from obcn.offsets.box_code import BoxCode
from obcn.offsets.distribution import DecodeRule, OffsetExplanation
from obcn.offsets.support_points import SupportPointCodec


@dataclass(frozen=True)
class LayersCodec:
    """L layers, each with a distribution of its own over the same points; their outputs stand side by side.

    Layers start from one reference box. They do not add up: the last used one's numbers are the answer.

    Attributes:
        layer: how each is read.
        num_layers: L.
        used_layers: read only the first so many; None uses all.

    Raises:
        ValueError: on no layer, or ``used_layers`` outside 1..L.
    """

    layer: SupportPointCodec
    num_layers: int
    used_layers: int | None = None

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise ValueError("there must be at least one layer")
        if self.used_layers is not None and not 1 <= self.used_layers <= self.num_layers:
            raise ValueError(f"this head has {self.num_layers} stage(s); {self.used_layers} cannot be used")

    @property
    def box(self) -> BoxCode:
        """That of every layer."""
        return self.layer.box

    @property
    def num_outputs(self) -> int:
        """4 L n."""
        return self.num_layers * self.layer.num_outputs

    @property
    def num_stages(self) -> int:
        """L."""
        return self.num_layers

    @property
    def rule(self) -> DecodeRule:
        """How every layer's distribution becomes a number."""
        return self.layer.rule

    def describe(self) -> str:
        """How many layers, and the points of each; see :meth:`OffsetCodec.describe`."""
        return f"{self.num_layers} layers that each say the whole box: {self.layer.describe()}"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the layers' losses; see :meth:`OffsetCodec.loss`."""
        return torch.stack([self.layer.loss(part, targets) for part in self._parts(outputs)]).sum()

    def decode(self, outputs: Tensor) -> Tensor:
        """(N, 4 L n) outputs to the (N, 4) numbers of the last used layer."""
        return self.layer.decode(self._parts(outputs)[(self.used_layers or self.num_layers) - 1])

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """Every layer's distribution, all from the same origin."""
        seen = [self.layer.explain(part) for part in self._parts(as_full_precision(outputs))]
        used = self.used_layers or self.num_layers
        return OffsetExplanation(
            offsets=seen[used - 1].offsets,
            stages=tuple(one.stages[0] for one in seen),
            partial=tuple(one.offsets for one in seen),
            used_stages=used,
            anew=True,
        )

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> "LayersCodec":
        """The same layers decoded another way; see :meth:`OffsetCodec.decoding`."""
        used = self.used_layers if num_stages is None else num_stages
        return replace(self, layer=self.layer.decoding(rule), used_layers=used)

    def _parts(self, outputs: Tensor) -> tuple[Tensor, ...]:
        return outputs.split(self.layer.num_outputs, dim=-1)
