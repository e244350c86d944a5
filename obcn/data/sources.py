"""The small YAML that says where training and validation data lie."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, field_validator, model_validator
from pydantic_core import PydanticCustomError

from obcn.data.annotations import Annotations
from obcn.data.coco import read_coco
from obcn.data.voc import read_voc, read_voc_splits
from obcn.data.yolo import read_yolo
from obcn.errors import UserError
from obcn.yaml_files import read_yaml


class CocoSplit(BaseModel):
    """A folder of photos and a COCO instances file."""

    model_config = ConfigDict(extra="forbid")
    images: Path
    annotations: Path


class VocSplit(BaseModel):
    """A VOC folder and the name of a split in its ImageSets/Main."""

    model_config = ConfigDict(extra="forbid")
    root: Path
    split: str


class CocoData(BaseModel):
    """``format: coco``. Here as in all formats, what is only evaluated needs no ``train``."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["coco"]
    train: CocoSplit | None = None
    val: CocoSplit


def _as_list(train: object) -> list[object]:
    return train if isinstance(train, list) else [train]


class VocData(BaseModel):
    """``format: voc``. Several training splits are taken together, as the paper does with VOC 2007 and 2012.

    ``classes`` fixes their order; by default all that occur in the training splits, sorted.
    """

    model_config = ConfigDict(extra="forbid")
    format: Literal["voc"]
    train: Annotated[list[VocSplit], Field(min_length=1), BeforeValidator(_as_list)] | None = None
    val: VocSplit
    classes: tuple[str, ...] | None = None


def _by_number(names: object) -> object:
    return dict(enumerate(names)) if isinstance(names, list) else names


class YoloData(BaseModel):
    """``format: yolo``: a data.yaml as Ultralytics' tools read it, for boxes. Keys that they add are passed over.

    Attributes:
        path: where relative ``train`` and ``val`` start; by default the YAML's own folder.
        train: folders of photos or .txt files that list photos.
        val: the same.
        names: class names by number, from 0 without a gap; a list, or a map.
    """

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    format: Literal["yolo"]
    path: Path = Path()
    train: Annotated[list[Path], Field(min_length=1), BeforeValidator(_as_list)] | None = None
    val: Annotated[list[Path], Field(min_length=1), BeforeValidator(_as_list)]
    names: Annotated[dict[int, str], Field(min_length=1), BeforeValidator(_by_number)]
    nc: int | None = None
    kpt_shape: None = Field(None, description="its label files hold more than boxes, and cannot be told from outlines")

    @field_validator("names")
    @classmethod
    def _numbered_and_distinct(cls, names: dict[int, str]) -> dict[int, str]:
        if sorted(names) != list(range(len(names))):
            raise PydanticCustomError("names", "classes must be numbered from 0 without a gap")
        name, count = Counter(names.values()).most_common(1)[0]
        if count > 1:
            raise PydanticCustomError("names", "{name} stands there twice", {"name": repr(name)})
        return dict(sorted(names.items()))

    @field_validator("kpt_shape", mode="before")
    @classmethod
    def _boxes_only(cls, kpt_shape: object) -> object:
        if kpt_shape is not None:
            raise PydanticCustomError("keypoints", "labels with keypoints are not read; give label files of boxes")
        return kpt_shape

    @model_validator(mode="after")
    def _as_many_names_as_they_say(self) -> "YoloData":
        if self.nc not in (None, len(self.names)):
            counts = {"nc": self.nc, "names": len(self.names)}
            raise PydanticCustomError("names", "nc is {nc}, but there are {names} names", counts)
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(self.names.values())


AnyData = CocoData | VocData | YoloData


class DataConfig(RootModel):
    """Where the data lie: COCO, VOC or YOLO."""

    root: Annotated[AnyData, Field(discriminator="format")]

    @model_validator(mode="before")
    @classmethod
    def _recognise(cls, content: Any) -> Any:
        """YOLO's files come without a format; only they name the classes, and photos by a path alone."""
        if isinstance(content, dict) and "format" not in content and _is_yolo(content):
            content = {"format": "yolo", **content}
        if not isinstance(content, dict) or content.get("format") not in ("coco", "voc", "yolo"):
            raise PydanticCustomError(
                "data_format",
                "none of the data files that are read: COCO (format: coco; train and val, each with images and "
                "annotations), VOC (format: voc; train and val, each with root and split) and YOLO (format: yolo, or "
                "none; train, val and names)",
            )
        if content["format"] == "yolo" and content.get("names") is None:
            raise PydanticCustomError("names", "the class names are missing; add them, as in names: [cat, dog]")
        return content


def _is_yolo(content: dict[Any, Any]) -> bool:
    places = (place for key in ("train", "val") for place in _as_list(content.get(key)))
    return "names" in content or any(isinstance(place, str) for place in places)


def load_data_config(path: Path) -> AnyData:
    """Read the YAML; relative paths in it start at the YAML's own folder, or at a YOLO file's ``path``.

    Raises:
        UserError: missing, not YAML, or a key that is unknown or missing.
    """
    data = read_yaml(path, DataConfig).root
    if isinstance(data, YoloData):
        data.path = path.parent / data.path
        data.val = [_from(data.path, place) for place in data.val]
        data.train = data.train and [_from(data.path, place) for place in data.train]
        return data
    train = [data.train] if isinstance(data, CocoData) else data.train or []
    for split in filter(None, (*train, data.val)):
        for key, value in split:
            if isinstance(value, Path):
                setattr(split, key, path.parent / value)
    return data


def read_annotations(data: AnyData) -> tuple[Annotations, Annotations]:
    """Training and validation annotations.

    Raises:
        UserError: a file is missing or damaged, and the message names it; or there is nothing to train on.
    """
    train = _read_training(data)
    return train, read_validation(data, train.classes)


def read_validation(data: AnyData, classes: tuple[str, ...] | None = None) -> Annotations:
    """Validation annotations.

    Args:
        data: where they lie.
        classes: of a VOC folder, those to read, in label order; by default the data file's, or all that occur.

    Raises:
        UserError: as :func:`read_annotations`.
    """
    if isinstance(data, CocoData):
        return read_coco(data.val.images, data.val.annotations)
    if isinstance(data, YoloData):
        return _read_yolo(data, data.val)
    return read_voc(data.val.root, data.val.split, classes or data.classes)


def _read_training(data: AnyData) -> Annotations:
    if data.train is None:
        raise UserError("the data file has no train: add it, in the form of its val; without it, it serves evaluation")
    if isinstance(data, CocoData):
        return read_coco(data.train.images, data.train.annotations)
    if isinstance(data, YoloData):
        return _read_yolo(data, data.train)
    return read_voc_splits([(split.root, split.split) for split in data.train], data.classes)


def _read_yolo(data: YoloData, places: list[Path]) -> Annotations:
    if not data.path.is_dir():
        raise UserError(f"{data.path}: no such folder; a relative path in a data file starts at the file's own folder")
    return read_yolo(places, data.classes)


def _from(folder: Path, place: Path) -> Path:
    """Where a place lies that is named from a folder."""
    inside = Path(*place.parts[1:])
    # Roboflow's exports say ../train/images and mean train/images beside the file; its readers know that.
    if place.parts[:1] == ("..",) and not (folder / place).exists() and (folder / inside).exists():
        return folder / inside
    return folder / place
