"""Whether two detectors say the same of a photo, as a network and the file made of it should."""

from dataclasses import dataclass

import torch
from torch import Tensor

from obcn.explain import PhotoDetections

# Boxes further apart than this, in pixels, are not the same box.
FAR = 2.0


@dataclass(frozen=True)
class Agreement:
    """How far the detections of two detectors lie apart.

    Attributes:
        boxes: detections that both have.
        alone: detections that only one of them has.
        pixels: largest distance of any side between two of the same box.
        score: largest difference between their scores.
    """

    boxes: int
    alone: int
    pixels: float
    score: float

    def __add__(self, other: "Agreement") -> "Agreement":
        """That of both photos together."""
        return Agreement(
            self.boxes + other.boxes,
            self.alone + other.alone,
            max(self.pixels, other.pixels),
            max(self.score, other.score),
        )


NOTHING = Agreement(0, 0, 0.0, 0.0)


def agreement(one: PhotoDetections, other: PhotoDetections) -> Agreement:
    """Pair the detections of one photo, each with the nearest of its class."""
    apart = torch.cdist(one.boxes.double(), other.boxes.double(), p=torch.inf)
    same = torch.tensor([[mine == its for its in other.names] for mine in one.names], dtype=torch.bool)
    apart = apart.masked_fill(~same.reshape(apart.shape), torch.inf)
    if not apart.numel():
        return Agreement(0, len(one) + len(other), 0.0, 0.0)
    nearest, partner = apart.min(1)
    found = nearest <= FAR
    partners: Tensor = partner[found]
    pairs = len(partners.unique())
    if not pairs:
        return Agreement(0, len(one) + len(other), 0.0, 0.0)
    scores = (one.scores[found] - other.scores[partners]).abs().max()
    return Agreement(pairs, len(one) + len(other) - 2 * pairs, float(nearest[found].max()), float(scores))
