"""What is known of a file, what is assumed, and where either comes from."""

import ast
import json
from typing import Any

from pydantic import BaseModel, ValidationError

from obcn.errors import UserError
from obcn.exported.graph import Graph
from obcn.exported.hints import Hints
from obcn.exported.preprocessing import Preprocessing, image_input, input_size

USUAL_SIDE = 640
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_LETTERBOX: dict[str, Any] = {"resize": "letterbox", "channels": "rgb", "mean": (0.0,) * 3, "std": (1.0,) * 3}
# Under which metadata hold what only `obcn export` can say (obcn.exported.own), as JSON.
OWN_KEY = "obcn"


class Known(BaseModel):
    """What is known of a file before it has run.

    Attributes:
        classes: names, or none.
        preprocessing: what a photo goes through.
        hints: from the YAML beside the file.
        assumed: what nothing says, a sentence each.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    hints: Hints
    assumed: tuple[str, ...] = ()


def known_of(graph: Graph, hints: Hints) -> Known:
    """Put together what the file's metadata, its inputs and the YAML say.

    Raises:
        UserError: no photo goes in, or what is said does not fit together.
    """
    metadata = {entry.key: entry.value for entry in graph.model.metadata_props}
    classes, told = _told(metadata)
    assumed = []
    asked = dict(zip(("width", "height"), input_size(image_input(graph.inputs)), strict=True))
    sizes = {side: size for side, size in asked.items() if size is not None}
    settings = told | sizes | hints.preprocessing
    if any(sizes.get(side, settings.get(side)) != settings.get(side) for side in sizes):
        raise UserError(f"the file takes photos of {asked['width']} x {asked['height']} px; its YAML asks for others")
    for side in ("width", "height"):
        if side not in settings:
            settings[side] = USUAL_SIDE
            if told.get("resize") == "none":
                continue
            assumed.append(f"the {side} of its input is free: {USUAL_SIDE} px taken")
    stated = told | hints.preprocessing
    if "resize" not in stated:
        assumed.append("photos are stretched to the input's size")
    if "mean" not in stated and "std" not in stated:
        names = {value.name for value in graph.inputs}
        domains = {one.domain for one in graph.model.opset_import}
        paddle = "Paddle" in domains or "PaddlePaddle" in graph.model.graph.name
        if paddle and "scale_factor" not in names:
            settings |= IMAGENET
            assumed.append("colours are normalised by ImageNet's mean and deviation, as PicoDet's are")
        elif paddle:
            assumed.append(
                "colours are divided by 255, and no more, as PP-YOLOE+'s are; PP-YOLOE and PicoDet want "
                "mean=0.485,0.456,0.406 and std=0.229,0.224,0.225"
            )
        else:
            assumed.append("colours are divided by 255, and no more")
    if "channels" not in stated:
        assumed.append("colours come in the order red, green, blue")
    try:
        preprocessing = Preprocessing.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"preprocessing.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return Known(
        classes=hints.classes or classes,
        preprocessing=preprocessing,
        hints=hints,
        assumed=tuple(assumed),
    )


def _told(metadata: dict[str, str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Class names and preprocessing that a file's metadata tell of."""
    if OWN_KEY in metadata:
        # Resizing and colours are part of the graph.
        as_it_is = {"resize": "none", "channels": "rgb", "mean": (0.0,) * 3, "std": (1.0,) * 3}
        return _names(metadata.get("names", "")), as_it_is
    if "names" in metadata and "stride" in metadata:
        if metadata.get("task", "detect") == "obb":
            raise UserError("the file's boxes are turned ones (task obb); only upright boxes are read")
        return _ultralytics(metadata)
    if "letterbox_pad" in metadata:  # LibreYOLO's YOLOv9
        pad = "centre" if metadata["letterbox_pad"] == "center" else "corner"
        return _names(metadata.get("names", "")), _LETTERBOX | {"pad": pad}
    for key in ("character", "classes", "class_names", "labels", "names"):
        if key in metadata:
            return _names(metadata[key]), {}
    return (), {}


def _ultralytics(metadata: dict[str, str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    told = dict(_LETTERBOX)
    size = _literal(metadata.get("imgsz", ""))
    if isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size):
        told |= {"height": size[0], "width": size[1]}
    return _names(metadata["names"]), told


def _names(text: str) -> tuple[str, ...]:
    """Class names from a dict, a list, or one on each line or between commas."""
    value = _literal(text)
    if isinstance(value, dict):
        return tuple(str(value[key]) for key in sorted(value, key=lambda key: int(key) if str(key).isdigit() else 0))
    if isinstance(value, (list, tuple)):
        return tuple(map(str, value))
    return tuple(
        part.strip() for part in (text.split("\n") if "\n" in text.strip() else text.split(",")) if part.strip()
    )


def _literal(text: str) -> object:
    if len(text) > 200_000:
        return None
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
