"""Training samples whose every random choice follows from (seed, epoch, photo), so that a resumed run repeats them."""

import hashlib

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from obcn.data.annotations import Annotations

Sample = tuple[Tensor, dict[str, Tensor]]


class TrainingSet(Dataset):
    """Photos with targets, flipped left to right half of the time.

    Indexed by ``(epoch, number)``: chance depends on both and on the seed, not on who asks or in what order.

    Args:
        annotations: photos and boxes.
        seed: of every random choice.
        crop: how often a photo is cropped around some of its objects (Liu et al., SSD, ECCV 2016). One with ignored
            boxes is left whole: a part of a crowd may be anything.
        recolour: how often brightness, contrast, saturation and hue change.
    """

    def __init__(self, annotations: Annotations, seed: int, crop: float = 0.0, recolour: float = 0.0) -> None:
        self.annotations = annotations
        self.seed = seed
        # What never happens draws no random numbers: runs without it stay what they were.
        self.crop = v2.RandomApply([v2.RandomIoUCrop(), v2.SanitizeBoundingBoxes()], crop) if crop else None
        self.recolour = v2.RandomApply([v2.RandomPhotometricDistort(p=1.0)], recolour) if recolour else None
        self.augment = v2.Compose([v2.RandomHorizontalFlip(0.5), v2.ToDtype(torch.float32, scale=True)])

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """A (3, H, W) photo in [0, 1] and its target, as :meth:`Annotations.target` describes."""
        epoch, number = key
        record = self.annotations.images[number]
        photo = v2.functional.to_image(self.annotations.photo(record))
        target = self.annotations.target(record)
        boxes, ignored = (
            tv_tensors.BoundingBoxes(target[name], format="XYXY", canvas_size=photo.shape[-2:])
            for name in ("boxes", "ignored")
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(self.seed, epoch, number))
            if self.crop is not None and len(boxes) and not len(ignored):
                cropped = self.crop({"photo": photo, "boxes": boxes, "labels": target["labels"]})
                photo, boxes, target["labels"] = cropped["photo"], cropped["boxes"], cropped["labels"]
            if self.recolour is not None:
                photo = self.recolour(photo)
            photo, boxes, ignored = self.augment(photo, boxes, ignored)
        target |= {"boxes": boxes.as_subclass(Tensor), "ignored": ignored.as_subclass(Tensor)}
        return photo.as_subclass(Tensor), target


def collate(samples: list[Sample]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Photos differ in size, so a batch is two lists."""
    photos, targets = zip(*samples, strict=True)
    return list(photos), list(targets)


def batches_of_epoch(annotations: Annotations, batch_size: int, seed: int, epoch: int) -> list[list[tuple[int, int]]]:
    """Shuffled keys of one epoch. Upright and wide photos keep to themselves, so that a batch pads little."""
    generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    waiting: tuple[list, list] = ([], [])
    batches = []
    for number in torch.randperm(len(annotations), generator=generator).tolist():
        record = annotations.images[number]
        group = waiting[record["height"] > record["width"]]
        group.append((epoch, number))
        if len(group) == batch_size:
            batches.append(group.copy())
            group.clear()
    rest = waiting[0] + waiting[1]
    return batches + [rest[start : start + batch_size] for start in range(0, len(rest), batch_size)]


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers; close numbers give unrelated seeds."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
