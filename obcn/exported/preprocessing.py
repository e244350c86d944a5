"""Photos as the arrays that a file's network takes, and boxes back into the photo's pixels."""

from typing import Literal

import cv2
import numpy as np
from PIL.Image import Image
from pydantic import BaseModel, ConfigDict, Field

from obcn.errors import UserError

MAX_SIDE = 4096
_ELEMENTS = {1: np.float32, 10: np.float16, 2: np.uint8, 6: np.int32, 7: np.int64, 11: np.float64, 9: np.bool_}


class Preprocessing(BaseModel):
    """What is done to a photo before the network sees it.

    Attributes:
        width: of the network's input, in pixels.
        height: of the network's input, in pixels.
        resize: ``letterbox`` keeps the photo's proportions and pads it with grey; ``stretch`` does not; ``none`` feeds
            it as it is, whatever its size, to a network that resizes it itself (:meth:`for_photo`).
        pad: where a letterboxed photo lies: in the ``centre``, or in the upper left ``corner``, as YOLOX's and
            MMDetection's do.
        mean: per channel in RGB order, taken off values in [0, 1].
        std: per channel in RGB order, what values are divided by then.
        channels: in which order the network takes them.
        largest: what a white pixel becomes before mean and std: 1, or 255 for networks that take bytes' values.
    """

    model_config = ConfigDict(extra="forbid")
    width: int = Field(ge=32, le=MAX_SIDE)
    height: int = Field(ge=32, le=MAX_SIDE)
    resize: Literal["letterbox", "stretch", "none"] = "stretch"
    pad: Literal["centre", "corner"] = "centre"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"
    largest: float = 1.0

    def for_photo(self, photo: Image) -> "Preprocessing":
        """Itself, or where photos are fed as they are, with that photo's size."""
        if self.resize != "none":
            return self
        return self.model_copy(update={"width": photo.width, "height": photo.height})

    def array(self, photo: Image) -> np.ndarray:
        """(3, height, width) float32 of an RGB photo."""
        _, (left, top), (inner_width, inner_height) = self._placing(photo.width, photo.height)
        pixels = cv2.resize(np.asarray(photo), (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
        if (inner_width, inner_height) != (self.width, self.height):
            padded = np.full((self.height, self.width, 3), 114, dtype=np.uint8)
            padded[top : top + inner_height, left : left + inner_width] = pixels
            pixels = padded
        values: np.ndarray = pixels.astype(np.float32) * np.float32(self.largest / 255)
        if self.mean != (0.0, 0.0, 0.0) or self.std != (1.0, 1.0, 1.0):
            values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        if self.channels == "bgr":
            values = values[..., ::-1]
        return np.ascontiguousarray(values.transpose(2, 0, 1))

    def to_photo(self, boxes: np.ndarray, width: int, height: int) -> np.ndarray:
        """(N, 4) boxes from the network's pixels into those of a photo of that size."""
        (across, down), (left, top), _ = self._placing(width, height)
        return (boxes - np.array([left, top] * 2, np.float32)) / np.array([across, down] * 2, np.float32)

    def _placing(self, width: int, height: int) -> tuple[tuple[float, float], tuple[int, int], tuple[int, int]]:
        """Scale along x and y, left and top padding, and the photo's size inside, in the network's pixels."""
        if self.resize != "letterbox":
            return (self.width / width, self.height / height), (0, 0), (self.width, self.height)
        # As Ultralytics does it, to the pixel.
        scale = min(self.width / width, self.height / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        if self.pad == "corner":
            return (scale, scale), (0, 0), inner
        left = round((self.width - inner[0]) / 2 - 0.1)
        top = round((self.height - inner[1]) / 2 - 0.1)
        return (scale, scale), (left, top), inner


def shape_of(value) -> list[int | None]:
    """A graph input's shape, None where it is free."""
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]


def image_input(inputs: list):
    """The graph input that takes the photo: (1, 3, height, width), (1, height, width, 3) or, of torchvision's own
    detectors, (3, height, width).

    Raises:
        UserError: none, or several.
    """
    found = []
    for value in inputs:
        shape = shape_of(value)
        if (len(shape) == 4 and (shape[1] in (3, None) or shape[3] == 3)) or (len(shape) == 3 and shape[0] == 3):
            found.append(value)
    if len(found) != 1:
        names = ", ".join(f"{value.name} {shape_of(value)}" for value in inputs)
        raise UserError(f"a detector takes one photo of three channels, but this file takes {names or 'nothing'}")
    batch = shape_of(found[0])[0]
    if len(shape_of(found[0])) == 4 and batch not in (1, None):
        raise UserError(f"the file takes {batch} photos at once; export it with a batch of 1")
    return found[0]


def input_size(value) -> tuple[int | None, int | None]:
    """(width, height) that an image input asks for, None where it takes any."""
    shape = shape_of(value)
    height, width = (shape[1], shape[2]) if _channels_last(shape) else shape[-2:]
    return width, height


def feed(inputs: list, preprocessing: Preprocessing, photo: Image) -> dict[str, np.ndarray]:
    """Everything that a graph must be given to look at an RGB photo; boxes then come in the network's pixels.

    Raises:
        UserError: an input whose meaning is not known.
    """
    width, height = preprocessing.width, preprocessing.height
    image = image_input(inputs)
    fed: dict[str, np.ndarray] = {}
    for value in inputs:
        kind, shape = value.type.tensor_type.elem_type, shape_of(value)
        if kind not in _ELEMENTS:
            raise UserError(f"the file's input {value.name} is of a type that is not fed; export it with float inputs")
        if value.name == image.name:
            pixels = preprocessing.array(photo)
            if _ELEMENTS[kind] is np.uint8:
                pixels = np.asarray(preprocessing.model_copy(update={"largest": 255.0}).array(photo)).round()
            given = pixels.transpose(1, 2, 0) if _channels_last(shape) else pixels
            given = given[None] if len(shape) == 4 else given
        elif "scale" in value.name.lower():
            # PaddleDetection: by which the photo was scaled; with 1, boxes stay as they are.
            given = np.ones((1, 2))
        elif "mask" in value.name.lower() and len(shape) == 3:
            given = np.ones((1, height, width))
        elif "size" in value.name.lower():
            # RT-DETR, D-FINE, DEIM: (width, height) in which boxes are wanted.
            given = np.array([[width, height]])
        elif "shape" in value.name.lower():
            # PaddleDetection's im_shape: (height, width).
            given = np.array([[height, width]])
        else:
            raise UserError(
                f"the file wants {value.name} {shape} beside the photo, and nothing says what: export it without"
            )
        fed[value.name] = np.ascontiguousarray(given, dtype=_ELEMENTS[kind])
    return fed


def _channels_last(shape: list[int | None]) -> bool:
    return len(shape) == 4 and shape[3] == 3 and shape[1] != 3
