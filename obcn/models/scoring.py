"""All that viewer, evaluation and records need of a detector: what it says of a photo, before any decision."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms.v2.functional import to_dtype, to_image

from obcn.models.selection import DetectionThresholds, ScoredCandidates
from obcn.offsets import OffsetCodec

# No network input needs more pixels than this on the long side; a float copy of a 48-megapixel photo takes 0.6 GB.
LONGEST_SIDE = 4096


@dataclass(frozen=True)
class ScoredPhoto:
    """One pass of a detector over a photo, before any decision.

    Attributes:
        width: of the photo, in pixels.
        height: of the photo, in pixels.
        classes: the detector's class names; label 1 is the first.
        candidates: what it says of every candidate, boxes in the photo's pixels, on the CPU.
    """

    width: int
    height: int
    classes: tuple[str, ...]
    candidates: ScoredCandidates


class DetectorCard(Protocol):
    """What is kept of a detector beside its figures."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names; label 1 is the first."""
        ...

    @property
    def codec(self) -> OffsetCodec:
        """How its outputs are read where nobody asks for another way."""
        ...

    @property
    def thresholds(self) -> DetectionThresholds:
        """What survives of its candidates where nobody asks for more or less."""
        ...

    def model_dump(self, *, mode: str = ...) -> dict[str, Any]:
        """All of it, for JSON with ``mode="json"``."""
        ...


class PhotoScorer(Protocol):
    """A detector, whoever made it."""

    classes: tuple[str, ...]

    @property
    def codec(self) -> OffsetCodec:
        """How its outputs are read; settable to ``codec.decoding(...)``."""
        ...

    @codec.setter
    def codec(self, codec: OffsetCodec) -> None: ...

    @property
    def thresholds(self) -> DetectionThresholds:
        """What survives of the scored candidates; settable."""
        ...

    @thresholds.setter
    def thresholds(self, thresholds: DetectionThresholds) -> None: ...

    def score(self, photo: Image) -> ScoredPhoto:
        """Run the network once over an RGB photo.

        Raises:
            UserError: the photo is of a shape that cannot be looked at.
        """
        ...


def photo_tensor(photo: Image) -> Tensor:
    """An RGB photo as the (3, H, W) float tensor in [0, 1] that detectors take."""
    return to_dtype(to_image(photo), torch.float32, scale=True).as_subclass(Tensor)


def reduced(photo: Image) -> Image:
    """The photo, reduced by a whole number where a side is longer than :data:`LONGEST_SIDE`."""
    factor = math.ceil(max(photo.size) / LONGEST_SIDE)
    return photo.reduce(factor) if factor > 1 else photo
