"""Three lines in a notebook: open a detector, show it photos, look at what it found and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args, overload

import numpy as np
import torch
from PIL import Image

from obcn.checkpoints import checkpoint_name, find_checkpoint, load_checkpoint
from obcn.data.images import as_rgb, read_photo
from obcn.errors import UserError
from obcn.explain import PhotoDetections, detect_above
from obcn.models.scoring import DetectorCard, PhotoScorer
from obcn.offsets.distribution import DecodeRule
from obcn.opening import is_exported
from obcn.opening import open_detector as open_any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import supervision as sv
    from numpy.typing import ArrayLike

Photo = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class PhotoDetector:
    """A trained detector, ready for photos; :func:`obcn.load` gives one.

    Attributes:
        name: what it is called: a shipped one by its file, any other by its folder and file.
        network: the network itself, in evaluation mode.
        card: its card: classes, config, how it was trained and what was measured.

    Examples:
        >>> import obcn
        >>> detector = obcn.load("obcn")
        >>> detector.classes
        ('person', 'cat', 'cow', 'dog', 'horse', 'sheep')
        >>> dog, kitten = detector.predict(["dog.jpg", "kitten.jpg"])
        >>> dog.names[0], kitten.names[0]
        ('dog', 'cat')
    """

    name: str
    network: PhotoScorer
    card: DetectorCard

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what it can find."""
        return self.network.classes

    @overload
    def predict(  # type: ignore[overload-overlap]  # text is a sequence of texts too
        self, photos: Photo, score: float = ..., decode: DecodeRule | None = ...
    ) -> Found: ...

    @overload
    def predict(self, photos: Sequence[Photo], score: float = ..., decode: DecodeRule | None = ...) -> list[Found]: ...

    def predict(
        self, photos: Photo | Sequence[Photo], score: float = 0.5, decode: DecodeRule | None = None
    ) -> Found | list[Found]:
        """What is on one photo, or on each of several.

        Args:
            photos: a path, a PIL image, or an (H, W, 3) uint8 array in RGB; or a list of these, which gives a list.
                Files are turned as their EXIF says; images and arrays are taken as they lie.
            score: detections below it are left out.
            decode: how a distribution becomes an offset, ``"expectation"`` or ``"argmax"``; by default as trained.

        Raises:
            UserError: a photo cannot be read or is none of these, or there is no such way to decode, or none at all.

        Examples:
            >>> import numpy as np, obcn
            >>> from PIL import Image
            >>> array = np.asarray(Image.open("dog.jpg").convert("RGB"))
            >>> obcn.load("obcn").predict(array, score=0.3).names[0]
            'dog'
        """
        if isinstance(photos, str | Path | Image.Image | np.ndarray) or not isinstance(photos, Iterable):
            return self._found(photos, score, decode)
        return [self._found(photo, score, decode) for photo in photos]

    def _found(self, source: Photo, score: float, decode: DecodeRule | None) -> Found:
        photo = _as_image(source)
        if decode not in (None, *get_args(DecodeRule)):
            raise UserError(f"decode is {decode!r}; give one of {', '.join(get_args(DecodeRule))}")
        if decode is not None and self.network.codec.rule is None:
            raise UserError(f"{self.name} keeps no distribution to decode by {decode}; leave decode out")
        found = detect_above(self.network, photo, score, self.network.codec.decoding(decode))
        return Found(photo, self.name, self.classes, found)


@dataclass(frozen=True)
class Found:
    """What one detector found on one photo, best first.

    Attributes:
        photo: the photo, upright, in RGB.
        model: the detector's name.
        classes: all that the detector can find.
        detections: all that stands behind the boxes, as tensors.

    Examples:
        >>> import obcn
        >>> found = obcn.load("obcn").predict("dog.jpg")
        >>> found
        <1 object found by ...: dog ...>
        >>> found.boxes.shape, found.scores.shape, found.names
        ((1, 4), (1,), ('dog',))
    """

    photo: Image.Image
    model: str
    classes: tuple[str, ...]
    detections: PhotoDetections

    def __len__(self) -> int:
        return len(self.detections)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} {score:.2f}" for name, score in zip(self.names, self.scores, strict=True))
        count = f"{len(self)} object{'' if len(self) == 1 else 's'}"
        return f"<{count} found by {self.model}{': ' if listed else ''}{listed}>"

    @property
    def boxes(self) -> np.ndarray:
        """(D, 4) float32 corners (x1, y1, x2, y2) in pixels of the photo, clipped to it."""
        return self.detections.boxes.numpy()

    @property
    def scores(self) -> np.ndarray:
        """(D,) float32 scores in [0, 1], falling."""
        return self.detections.scores.numpy()

    @property
    def names(self) -> tuple[str, ...]:
        """D class names."""
        return self.detections.names

    def drawn(self) -> Image.Image:
        """A copy of the photo with boxes, names and scores."""
        from obcn.drawing import draw_detections

        return draw_detections(self.photo, self.detections)

    def figure(self, index: int = 0, beside: Mapping[str, ArrayLike] | None = None) -> go.Figure:
        """What the head believes about one object: the distribution of each coordinate, stage by stage.

        Args:
            index: which object, from 0.
            beside: (4,) boxes in pixels to mark in it, by name: ``truth``, or what another detector found.

        Returns:
            A plotly figure with four columns: x, y, w and h.

        Raises:
            UserError: plotly is not installed, there is no such object, or the head is a regression, which keeps no
                distributions.

        Examples:
            >>> import obcn
            >>> found = obcn.load("obcn").predict("dog.jpg")
            >>> rival = obcn.load("regression").predict("dog.jpg")
            >>> figure = found.figure(0, beside={"regression": rival.boxes[0]})
            >>> [note.text for note in figure.layout.annotations if note.text.startswith("<b>")]
            ['<b>x</b> · centre x', '<b>y</b> · centre y', '<b>w</b> · width', '<b>h</b> · height']
        """
        try:
            from obcn.figures.belief import belief_of
            from obcn.figures.histograms import belief_histograms
            from obcn.figures.lines import model_lines, with_head, with_models
            from obcn.figures.palette import LIGHT
        except ImportError as error:
            raise UserError("figures need plotly, which is not installed; pip install 'obcn[figures]'") from error
        if not 0 <= index < len(self):
            raise UserError(f"there is no object {index}: {len(self)} found, counted from 0")
        if not self.detections.explanation.stages:
            raise UserError(f"{self.model} is a regression, which keeps no distributions to draw")
        rivals = {name: _as_box(name, box) for name, box in (beside or {}).items()}
        belief = belief_of(self.detections, index, rivals)
        unknown = [name for name in rivals if name not in LIGHT.lines]
        palette = with_models(LIGHT, model_lines([self.model, *unknown], LIGHT))
        return belief_histograms(belief, with_head(palette, self.model))

    def to_supervision(self) -> sv.Detections:
        """The same as ``supervision.Detections``: class ids from 0 in the order of the detector's classes.

        Its ``data`` has ``class_name``, and for each stage K of a head with distributions ``stageK_probabilities``
        (D, 4, n) over x, y, w, h and ``stageK_spread`` (D, 4), their standard deviations in normalised offsets.

        Raises:
            UserError: supervision is not installed.

        Examples:
            >>> import obcn
            >>> detections = obcn.load("obcn").predict("dog.jpg").to_supervision()
            >>> detections.class_id, detections["class_name"]
            (array([3]), array(['dog'], dtype='<U3'))
            >>> detections["stage1_spread"].shape
            (1, 4)
        """
        try:
            import supervision as sv
        except ImportError as error:
            raise UserError("supervision is not installed; pip install supervision") from error
        data: dict[str, np.ndarray | list] = {"class_name": np.array(self.names, dtype=str)}
        for number, stage in enumerate(self.detections.explanation.stages, start=1):
            data[f"stage{number}_probabilities"] = stage.probabilities.numpy()
            data[f"stage{number}_spread"] = stage.spread.numpy()
        return sv.Detections(
            xyxy=self.boxes.reshape(-1, 4),
            confidence=self.scores,
            class_id=np.array([self.classes.index(name) for name in self.names], dtype=int),
            data=data,
        )


def open_detector(name_or_file: str | Path, device: str = "cpu") -> PhotoDetector:
    """See :func:`obcn.load`."""
    _check_device(device)
    if is_exported(name_or_file):
        return PhotoDetector(Path(name_or_file).stem, *open_any(str(name_or_file), device))
    path = find_checkpoint(str(name_or_file))
    return PhotoDetector(checkpoint_name(path), *load_checkpoint(str(path), device))


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # as torch says it: not compiled for it, no driver, no such name
        raise UserError(f"there is no device {device!r} here; give 'cpu'") from error


def _as_image(source: Photo) -> Image.Image:
    if isinstance(source, Image.Image):
        return as_rgb(source)
    if isinstance(source, np.ndarray):
        if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8 or not source.size:
            raise UserError(
                f"an array of shape {source.shape} and type {source.dtype} is no photo; give (H, W, 3) uint8 in RGB"
            )
        return Image.fromarray(source)
    if isinstance(source, str | Path):
        return read_photo(source)
    raise UserError(f"{type(source).__name__} is no photo; give a path, a PIL image or an (H, W, 3) uint8 RGB array")


def _as_box(name: str, box: ArrayLike) -> torch.Tensor:
    try:
        corners = np.asarray(box, dtype=np.float32)
    except (TypeError, ValueError):
        corners = np.empty(0, dtype=np.float32)
    if corners.shape != (4,) or not (np.isfinite(corners).all() and (corners[:2] < corners[2:]).all()):
        raise UserError(f"{name} is {box!r}; give x1, y1, x2, y2 in pixels, the upper left corner first")
    return torch.from_numpy(corners)
