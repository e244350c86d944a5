"""Hierarchical focusing with a second look: each stage reads features pooled at the box that the earlier ones predict.

METHOD 4 of the paper's readings, ``repooled``. The offsets of all stages stay in the first candidate's coordinates, so
their sum (Eq. 11) holds as it is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from obcn.offsets.bins import as_full_precision
from obcn.offsets.box_code import BoxCode
from obcn.offsets.codecs import OffsetCodec
from obcn.offsets.distribution import DecodeRule, OffsetExplanation


@dataclass(frozen=True)
class RepooledCodec:
    """Looks in a row, each a codec of its own; their outputs stand side by side and their offsets add up.

    A look's targets are what the looks before it leave over, with no gradient through them.

    Attributes:
        looks: one codec per look.
        used_looks: decode with only the first so many; None uses all. Training always uses all.

    Raises:
        ValueError: on fewer than two looks, a look of several stages, or ``used_looks`` outside 1..K.
    """

    looks: tuple[OffsetCodec, ...]
    used_looks: int | None = None

    def __post_init__(self) -> None:
        if len(self.looks) < 2:
            raise ValueError("a repooled head looks at least twice")
        if any(look.num_stages > 1 for look in self.looks):
            raise ValueError("each look of a repooled head has one stage")
        if self.used_looks is not None and not 1 <= self.used_looks <= len(self.looks):
            raise ValueError(f"this head has {len(self.looks)} stage(s); {self.used_looks} cannot be used")

    @property
    def box(self) -> BoxCode:
        """The first look's: every look writes in the first candidate's coordinates."""
        return self.looks[0].box

    @property
    def num_outputs(self) -> int:
        """Those of all looks."""
        return sum(look.num_outputs for look in self.looks)

    @property
    def num_stages(self) -> int:
        """Distributions that add up to an offset: one per look, or none where the looks regress."""
        return sum(look.num_stages for look in self.looks)

    @property
    def rule(self) -> DecodeRule | None:
        """How every look's distribution becomes an offset."""
        return self.looks[0].rule

    def describe(self) -> str:
        """Its looks; see :meth:`OffsetCodec.describe`."""
        looks = [look.describe() for look in self.looks]
        each = looks[0] if len(set(looks)) == 1 else "; ".join(looks)
        return f"{len(looks)} looks, each pooled where the one before puts the box: {each}"

    def split(self, outputs: Tensor) -> tuple[Tensor, ...]:
        """(N, num_outputs) outputs of all looks, or of the first few, as one (N, outputs) tensor per look."""
        widths, left = [], outputs.shape[-1]
        for look in self.looks:
            if left:
                widths.append(look.num_outputs)
                left -= look.num_outputs
        return outputs.split(widths, dim=-1)

    def offset_after(self, outputs: Tensor) -> Tensor:
        """(N, 4) normalised offsets from the outputs of the first looks; where the next look is pooled."""
        parts = zip(self.looks, self.split(outputs), strict=False)
        return torch.stack([look.decode(part) for look, part in parts]).sum(0)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the looks' losses; see :meth:`OffsetCodec.loss`."""
        residual = as_full_precision(targets)
        total = as_full_precision(outputs).sum() * 0
        for look, part in zip(self.looks, self.split(outputs), strict=True):
            total = total + look.loss(part, residual)
            # Outputs that are not finite have made the loss so already; they are no fault of the targets.
            residual = (residual - look.decode(part.detach())).nan_to_num()
        return total

    def decode(self, outputs: Tensor) -> Tensor:
        """Sum of the used looks' offsets (Eq. 11): (N, num_outputs) outputs to (N, 4) normalised offsets."""
        return torch.stack([look.decode(part) for look, part in self._used(outputs)]).sum(0)

    def explain(self, outputs: Tensor) -> OffsetExplanation:
        """Every look's distribution, from where the looks before it leave off."""
        origin = as_full_precision(outputs).new_zeros(outputs.shape[0], 4)
        stages, partial = [], []
        for look, part in zip(self.looks, self.split(outputs), strict=True):
            seen = look.explain(part)
            stages += [replace(stage, origin=origin + stage.origin) for stage in seen.stages]
            if seen.stages:
                partial.append(origin + seen.offsets)
            origin = origin + seen.offsets
        used = sum(look.num_stages for look, _ in self._used(outputs))
        return OffsetExplanation(self.decode(outputs), tuple(stages), tuple(partial), used)

    def decoding(self, rule: DecodeRule | None = None, num_stages: int | None = None) -> "RepooledCodec":
        """The same looks decoded another way; see :meth:`OffsetCodec.decoding`."""
        used = self.used_looks if num_stages is None else num_stages
        return replace(self, looks=tuple(look.decoding(rule) for look in self.looks), used_looks=used)

    def _used(self, outputs: Tensor) -> Iterator[tuple[OffsetCodec, Tensor]]:
        return zip(self.looks[: self.used_looks], self.split(outputs), strict=False)
