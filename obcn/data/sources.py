"""The small YAML that says where training and validation data lie."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from obcn.config import read_yaml
from obcn.data.annotations import Annotations
from obcn.data.coco import read_coco
from obcn.data.voc import read_voc


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
    """``format: coco``."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["coco"]
    train: CocoSplit
    val: CocoSplit


class VocData(BaseModel):
    """``format: voc``. ``classes`` fixes their order; by default all that occur in the training split, sorted."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["voc"]
    train: VocSplit
    val: VocSplit
    classes: tuple[str, ...] | None = None


class DataConfig(RootModel):
    """Where the data lie: COCO or VOC."""

    root: Annotated[CocoData | VocData, Field(discriminator="format")]


def load_data_config(path: Path) -> CocoData | VocData:
    """Read the YAML; relative paths in it start at the YAML's own folder.

    Raises:
        UserError: missing, not YAML, or a key that is unknown or missing.
    """
    data = read_yaml(path, DataConfig).root
    for split in (data.train, data.val):
        for key, value in split:
            if isinstance(value, Path):
                setattr(split, key, path.parent / value)
    return data


def read_annotations(data: CocoData | VocData) -> tuple[Annotations, Annotations]:
    """Training and validation annotations.

    Raises:
        UserError: a file is missing or damaged; the message names it.
    """
    if isinstance(data, CocoData):
        return read_coco(data.train.images, data.train.annotations), read_coco(data.val.images, data.val.annotations)
    train = read_voc(data.train.root, data.train.split, data.classes)
    return train, read_voc(data.val.root, data.val.split, train.classes)
