"""The small YAML that says where training and validation data lie."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from obcn.config import read_yaml
from obcn.data.annotations import Annotations
from obcn.data.coco import read_coco
from obcn.data.voc import read_voc, read_voc_splits


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


def _as_list(train: object) -> object:
    return train if isinstance(train, list) else [train]


class VocData(BaseModel):
    """``format: voc``. Several training splits are taken together, as the paper does with VOC 2007 and 2012.

    ``classes`` fixes their order; by default all that occur in the training splits, sorted.
    """

    model_config = ConfigDict(extra="forbid")
    format: Literal["voc"]
    train: Annotated[list[VocSplit], Field(min_length=1), BeforeValidator(_as_list)]
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
    train = [data.train] if isinstance(data, CocoData) else data.train
    for split in (*train, data.val):
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
    train = read_voc_splits([(split.root, split.split) for split in data.train], data.classes)
    return train, read_voc(data.val.root, data.val.split, train.classes)
