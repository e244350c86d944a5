"""What Explore shows, as tables: one row per true object, with what one or two heads made of it, and one per photo.

A table may have a million rows. It is made once for a choice of files; filtering and sorting are NumPy on its columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from obcn.data import Annotations
from obcn.data.annotations import is_ignored
from obcn.records.files import RecordInfo, read_records
from obcn.records.schema import COORDINATES, CORNERS, each
from obcn.tables.pairs import compact

Side = Literal["head", "against"]

TRUTH = each("truth", CORNERS)

# What photos have as means of their objects.
MEANS = ("gain", "iou", "score", "entropy", "truth_area")

# Scores from which a detection of nothing is worth showing; Compare shows the same.
REPORTED = 0.5

# How objects and photos are sorted: words for the visitor (and the link), column, and whether the largest come first.
WINS, LOSES = "where it wins", "where it loses"
SORTS: dict[str, tuple[str, bool]] = {
    WINS: ("gain", True),
    LOSES: ("gain", False),
    "lowest IoU": ("iou", False),
    "highest IoU": ("iou", True),
    "least certain": ("entropy", True),
    "most certain": ("entropy", False),
    "lowest score": ("score", False),
    "highest score": ("score", True),
    "smallest": ("truth_area", False),
    "largest": ("truth_area", True),
    "file name": ("file_name", False),
}


@dataclass(frozen=True)
class Filters:
    """Which objects stay. A range lets all pass where it is None, and ends are part of it but for ``measure``'s upper.

    Attributes:
        classes: names; all if empty.
        sizes: COCO's; all if empty.
        gain: IoU gained against the other head.
        score: of the detection, 0 where the head has none.
        entropy: of stage 1, mean over the coordinates, nats.
        measure: of the column that is looked at, see :func:`measured`.
    """

    classes: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    gain: tuple[float, float] | None = None
    score: tuple[float, float] | None = None
    entropy: tuple[float, float] | None = None
    measure: tuple[float | None, float | None] | None = None

    @property
    def narrow(self) -> bool:
        """Whether any object may fall out."""
        return self != Filters()


@dataclass(frozen=True)
class Collection:
    """What there is to look at, before any filter.

    Attributes:
        objects: of :func:`obcn.tables.pairs.pair_heads` or :func:`objects_of_data`.
        photos: of :func:`photos_of_records` or :func:`photos_of_data`; every object's is among them.
        place: (objects,) row of each object's photo.
    """

    objects: pd.DataFrame
    photos: pd.DataFrame
    place: np.ndarray
    _orders: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, objects: pd.DataFrame, photos: pd.DataFrame) -> "Collection":
        """Find each object's photo."""
        files = objects.file_name.cat
        place = pd.Index(photos.file_name).get_indexer(files.categories.astype(str))[files.codes.to_numpy()]
        return cls(objects, photos, place)

    def order(self, sort: str) -> np.ndarray:
        """(objects,) row numbers in the order that ``sort`` names; worked out once."""
        if sort not in self._orders:
            self._orders[sort] = order_of(self.objects, sort)
        return self._orders[sort]


def order_of(table: pd.DataFrame, sort: str) -> np.ndarray:
    """(rows,) row numbers in the order that ``sort`` names; rows without a value come last."""
    column, largest_first = SORTS[sort]
    if column == "file_name":
        files = table.file_name
        names = files.cat.codes if isinstance(files.dtype, pd.CategoricalDtype) else files
        return np.argsort(names.to_numpy(), kind="stable")
    values = table[column].to_numpy(np.float32)
    return np.argsort(-values if largest_first else values, kind="stable")


def objects_of_data(annotations: Annotations) -> pd.DataFrame:
    """The true objects of a data set that count, without any head."""
    files = {image["id"]: image for image in annotations.images}
    names = {category["id"]: category["name"] for category in annotations.categories}
    boxes = [box for box in annotations.coco["annotations"] if not is_ignored(box)]
    corners = np.array([box["bbox"] for box in boxes], dtype=np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    table = pd.DataFrame(
        {
            "file_name": pd.Categorical([files[box["image_id"]]["file_name"] for box in boxes]),
            "image_width": [files[box["image_id"]]["width"] for box in boxes],
            "image_height": [files[box["image_id"]]["height"] for box in boxes],
            "truth_id": [box["id"] for box in boxes],
            "category": pd.Categorical([names[box["category_id"]] for box in boxes]),
            "truth_area": np.array([box["area"] for box in boxes], dtype=np.float32),
            **dict(zip(TRUTH, corners.T, strict=True)),
        }
    )
    return compact(table)


def photos_of_records(paths: Sequence[Path]) -> pd.DataFrame:
    """Every photo that record files have a row of, also one with false alarms only: file name, width and height."""
    tables = [
        read_records(path, ["file_name", "image_width", "image_height"]).to_pandas().drop_duplicates("file_name")
        for path in paths
    ]
    table = pd.concat([part.astype({"file_name": str}) for part in tables])
    return table.drop_duplicates("file_name").sort_values("file_name", ignore_index=True)


def photos_of_data(annotations: Annotations) -> pd.DataFrame:
    """Every photo of a data set, as :func:`photos_of_records` has them."""
    rows = [(image["file_name"], image["width"], image["height"]) for image in annotations.images]
    table = pd.DataFrame(rows, columns=["file_name", "image_width", "image_height"])
    return table.drop_duplicates("file_name").sort_values("file_name", ignore_index=True)


def false_alarms(path: Path) -> pd.DataFrame:
    """Detections that match nothing and score at least ``REPORTED``: file name, class, score and box."""
    boxes = each("box", CORNERS)
    table = read_records(path, ["file_name", "category", "outcome", "score", *boxes]).to_pandas()
    kept = table[(table.outcome == "unmatched") & (table.score >= REPORTED)].drop(columns="outcome")
    return kept.astype({"file_name": str, "category": str}).sort_values("file_name", ignore_index=True)


# Which and in which order


def keep(objects: pd.DataFrame, filters: Filters, measure: np.ndarray | None = None) -> np.ndarray:
    """(objects,) mask of those that stay.

    Args:
        objects: of :func:`obcn.tables.pairs.pair_heads` or :func:`objects_of_data`.
        filters: those about heads need a table that has them.
        measure: (objects,) values for ``filters.measure``, NaN where there is none.
    """
    kept = np.ones(len(objects), dtype=bool)
    for column, wanted in (("category", filters.classes), ("size", filters.sizes)):
        if wanted:
            labels = objects[column].cat
            kept &= np.isin(labels.categories, wanted)[labels.codes.to_numpy()]
    for column, limits in (("gain", filters.gain), ("score", filters.score), ("entropy", filters.entropy)):
        if limits is not None:
            values = objects[column].to_numpy()
            values = np.nan_to_num(values) if column == "score" else values
            kept &= (values >= np.float32(limits[0])) & (values <= np.float32(limits[1]))
    if filters.measure is not None and measure is not None:
        low, high = filters.measure
        kept &= ~np.isnan(measure)
        kept &= measure >= low if low is not None else True
        kept &= measure < high if high is not None else True
    return kept


def sorts_for(objects: pd.DataFrame) -> list[str]:
    """The orders that a table has the columns, and at least one value, for; by file name first without a head."""
    known = {name for name in objects.columns if objects.empty or objects[name].notna().any()}
    sorts = [sort for sort, (column, _) in SORTS.items() if column in known]
    return sorts if "iou" in objects.columns else sorts[::-1]


def per_photo(collection: Collection, kept: np.ndarray, columns: Sequence[str] = MEANS) -> pd.DataFrame:
    """The photos with what their kept objects come to: ``count``, and the mean of each column.

    A mean is of the objects that have the value; NaN where none has.

    Args:
        collection: objects and photos.
        kept: (objects,) mask.
        columns: of ``MEANS``; those that the objects lack are left out.
    """
    place, photos = collection.place[kept], collection.photos
    table = photos.assign(count=np.bincount(place, minlength=len(photos)))
    for column in columns:
        if column in collection.objects:
            values = collection.objects[column].to_numpy()[kept]
            known = ~np.isnan(values)
            sums = np.bincount(place[known], weights=values[known], minlength=len(photos))
            with np.errstate(invalid="ignore"):
                table[column] = sums / np.bincount(place[known], minlength=len(photos))
    return table


# Other columns of a record file that objects can be chosen by


def measures_of(info: RecordInfo) -> dict[str, str]:
    """Columns of a record file by the words that say what they hold."""
    words = {"IoU": "iou"}
    units = {"error_px": "pixels", "error": "normalised"}
    for prefix, unit in units.items():
        names = COORDINATES if prefix == "error_px" or info.coordinates == COORDINATES else ()
        words |= {f"error in {name}, {unit}": f"{prefix}_{name}" for name in names}
    for stage in range(1, info.num_stages + 1):
        for what, column in (
            ("top bin's probability", "p_top"),
            ("spread, normalised" if info.coordinates == COORDINATES else f"spread, {info.unit}", "spread"),
            ("entropy", "entropy"),
        ):
            words |= {f"stage {stage}, {what} in {name}": f"stage{stage}_{column}_{name}" for name in info.coordinates}
    return words


def measured(objects: pd.DataFrame, values: np.ndarray, column: str, side: Side = "head") -> np.ndarray:
    """(objects,) values of a column of the head's record file; but for IoU, NaN where nothing matched.

    Args:
        objects: of :func:`obcn.tables.pairs.pair_heads`.
        values: the whole column, one value per row of the file.
        column: its name.
        side: whose file.
    """
    if column == "iou":
        return objects[f"{side}_iou"].to_numpy()
    return np.where(objects[f"{side}_matched"], values[objects[f"{side}_row"].to_numpy()], np.float32(np.nan))
