"""A frozen trunk's feature pyramids and candidates, worked out once per photo and kept on disk.

Pyramids, not pooled candidates: a pyramid is no larger than 64 pooled candidates, and every head then samples, pools
and refines through the package's own RoI heads, cascades included.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from obcn.data import Annotations
from obcn.errors import UserError
from obcn.models.detector import Detector
from obcn.models.scoring import photo_tensor

_HALF = np.dtype(np.float16)


@dataclass(frozen=True)
class FeatureBatch:
    """What a frozen trunk says of B photos.

    Attributes:
        pyramid: level name to (B, C, H, W), padded with zeros at the right and the bottom.
        proposals: per photo (R, 4) candidate boxes in pixels of the resized photo.
        image_shapes: per photo (height, width) after resizing.
        targets: per photo ``boxes`` and ``ignored`` in the same pixels, and ``labels``, as training takes them.
    """

    pyramid: dict[str, Tensor]
    proposals: list[Tensor]
    image_shapes: list[tuple[int, int]]
    targets: list[dict[str, Tensor]]


@dataclass(frozen=True)
class FrozenFeatures:
    """One trunk's features of one split: an index in JSON beside one file of float16 numbers.

    Attributes:
        annotations: the split.
        index: per photo, where its numbers stand and what shape they have.
        numbers: all pyramids and proposals, flat.
    """

    annotations: Annotations
    index: list[dict]
    numbers: np.memmap

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, photos: Sequence[int]) -> FeatureBatch:
        """Several photos together, float32.

        Args:
            photos: their places in ``annotations.images``.
        """
        entries = [self.index[number] for number in photos]
        pyramid = {}
        for name in entries[0]["levels"]:
            maps = [self._tensor(entry["levels"][name]) for entry in entries]
            height, width = (max(level.shape[axis] for level in maps) for axis in (1, 2))
            padded = [F.pad(level, (0, width - level.shape[2], 0, height - level.shape[1])) for level in maps]
            pyramid[name] = torch.stack(padded)
        return FeatureBatch(
            pyramid=pyramid,
            proposals=[self._tensor(entry["proposals"]) for entry in entries],
            image_shapes=[(entry["height"], entry["width"]) for entry in entries],
            targets=[self._target(number) for number in photos],
        )

    def _target(self, number: int) -> dict[str, Tensor]:
        record, entry = self.annotations.images[number], self.index[number]
        scale = torch.tensor([entry["width"] / record["width"], entry["height"] / record["height"]]).repeat(2)
        target = self.annotations.target(record)
        return target | {name: target[name] * scale for name in ("boxes", "ignored")}

    def _tensor(self, place: dict) -> Tensor:
        start, shape = place["start"], place["shape"]
        return torch.from_numpy(self.numbers[start : start + int(np.prod(shape))].astype(np.float32)).reshape(shape)


def frozen_features(
    detector: Detector,
    trunk: str,
    annotations: Annotations,
    folder: Path,
    on_photo: Callable[[], None] = lambda: None,
) -> FrozenFeatures:
    """Read a split's features from ``folder``, or work them out and write them there.

    A run that is stopped goes on after the last photo that is whole. Proposals are the proposal network's at inference.
    Half precision moves a proposal by at most a quarter of a pixel, and every head starts from where it then lies.

    Args:
        detector: whose trunk and proposal network to use; in evaluation mode.
        trunk: names its weights; features of other weights are never mixed up.
        annotations: the split.
        folder: of the cache.
        on_photo: called once per photo.

    Raises:
        UserError: a photo cannot be read, or the folder not written.
    """
    stem = folder / f"{trunk}-{_fingerprint(annotations)}"
    numbers, index_file, lines = stem.with_suffix(".f16"), stem.with_suffix(".json"), stem.with_suffix(".jsonl")
    if not index_file.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _extract(detector, annotations, numbers, lines, on_photo)
        except OSError as error:
            raise UserError(f"cannot write features into {folder}: {error.strerror}") from error
        temporary = index_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(_whole(lines)), encoding="utf-8")
        temporary.replace(index_file)
        lines.unlink()
    else:
        for _ in annotations.images:
            on_photo()
    index = json.loads(index_file.read_text(encoding="utf-8"))
    return FrozenFeatures(annotations, index, np.memmap(numbers, dtype=_HALF, mode="r"))


def _fingerprint(annotations: Annotations) -> str:
    seen = [(image["file_name"], image["width"], image["height"]) for image in annotations.images]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]


def _whole(lines: Path) -> list[dict]:
    """The entries of a log, but for a last line that is cut short."""
    return [
        json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"
    ]


def _extract(
    detector: Detector, annotations: Annotations, numbers: Path, lines: Path, on_photo: Callable[[], None]
) -> None:
    done = _whole(lines) if lines.is_file() else []
    end = done[-1]["end"] if done else 0
    if not done:
        numbers.unlink(missing_ok=True)
    # A kill may have cut the last line short.
    lines.write_text("".join(json.dumps(entry) + "\n" for entry in done), encoding="utf-8")
    with numbers.open("ab") as store, lines.open("a", encoding="utf-8") as log:
        # What a killed run wrote after its last whole photo.
        store.truncate(end * _HALF.itemsize)
        for _ in done:
            on_photo()
        for record in annotations.images[len(done) :]:
            entry, arrays = _look(detector, annotations, record, end)
            for array in arrays:
                store.write(array.astype(_HALF).tobytes())
            store.flush()
            log.write(json.dumps(entry) + "\n")
            log.flush()
            end = entry["end"]
            on_photo()


@torch.inference_mode()
def _look(detector: Detector, annotations: Annotations, record: dict, start: int) -> tuple[dict, list[np.ndarray]]:
    """One photo's index entry, its numbers starting at ``start``, and those numbers."""
    images, _ = detector.transform([photo_tensor(annotations.photo(record))])
    pyramid = detector.backbone(images.tensors)
    (proposals,), _ = detector.rpn(images, pyramid)
    levels = {name: pyramid[name][0] for name in detector.backbone.level_names}
    arrays = [value.numpy() for value in (*levels.values(), proposals)]
    ends = np.cumsum([start, *(array.size for array in arrays)]).tolist()
    places = [
        {"start": low, "shape": list(array.shape)} for (low, _), array in zip(pairwise(ends), arrays, strict=True)
    ]
    height, width = images.image_sizes[0]
    entry = {
        "levels": dict(zip(levels, places, strict=False)),
        "proposals": places[-1],
        "height": height,
        "width": width,
        "end": ends[-1],
    }
    return entry, arrays
