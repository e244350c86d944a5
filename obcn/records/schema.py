"""The columns of a record file: one row per detection, and one per true object that no detection matched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

CORNERS = ("x1", "y1", "x2", "y2")
Coordinate = Literal["x", "y", "w", "h"]
# Measures that every box has: its centre and its size.
COORDINATES: tuple[Coordinate, Coordinate, Coordinate, Coordinate] = ("x", "y", "w", "h")
# What heads that predict distances to the sides have in their place.
SIDES = ("left", "top", "right", "bottom")

Outcome = Literal["matched", "unmatched", "ignored", "missed"]
OUTCOMES: tuple[Outcome, ...] = ("matched", "unmatched", "ignored", "missed")

_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Column:
    """One column: its name, its Arrow type, and what it holds, with its unit."""

    name: str
    type: pa.DataType
    meaning: str


def record_columns(
    num_stages: int, numbers: Sequence[str] = COORDINATES, unit: str = "normalised offset"
) -> list[Column]:
    """All columns, in order, of a head with ``num_stages`` stages of distributions (none for regression).

    Columns are plain numbers and words, no lists, so that pandas, DuckDB and Spark read them as they are. What a
    row does not have is null.

    Args:
        num_stages: K.
        numbers: keys of the head's four numbers (:class:`~obcn.offsets.box_code.Coordinate`).
        unit: theirs.
    """
    head = tuple(numbers)
    return [
        *_identity(),
        *_boxes(num_stages),
        *_truth(num_stages),
        *_offsets(head, unit),
        *_stages(num_stages, head, unit),
    ]


def arrow_schema(num_stages: int, numbers: Sequence[str], unit: str, metadata: dict[bytes, bytes]) -> pa.Schema:
    """The Arrow schema; each field carries its ``meaning``. Arguments as for :func:`record_columns`."""
    fields = [
        pa.field(column.name, column.type, metadata={b"meaning": column.meaning.encode()})
        for column in record_columns(num_stages, numbers, unit)
    ]
    return pa.schema(fields, metadata=metadata)


def each(prefix: str, parts: tuple[str, ...] = COORDINATES) -> list[str]:
    """Column names of one quantity, for example ``error_x`` to ``error_h``."""
    return [f"{prefix}_{part}" for part in parts]


def _identity() -> Iterator[Column]:
    yield Column("model", _TEXT, "name of the model, and how it decodes where that is not as trained")
    yield Column("image_id", pa.int64(), "id of the photo in its annotation file")
    yield Column("file_name", _TEXT, "file name of the photo")
    yield Column("image_width", pa.int32(), "width of the photo, pixels")
    yield Column("image_height", pa.int32(), "height of the photo, pixels")
    yield Column("category_id", pa.int64(), "id of the class in the annotation file")
    yield Column("category", _TEXT, "name of the class")
    yield Column("outcome", _TEXT, "matched, unmatched, ignored or missed; see above")
    yield Column("score", pa.float32(), "class probability, or what it ranks by; null where there is no detection")


def _boxes(num_stages: int) -> Iterator[Column]:
    yield from _box("box", "the detection, as it counts for AP")
    yield from _box("candidate", "the candidate that the detection came from")
    yield from _box("argmax", "the box that argmax gives; null for regression")
    yield from _box("expectation", "the box that expectation gives; null for regression")
    for k in range(1, num_stages + 1):
        yield from _box(f"stage{k}", f"the box after stage {k}")


def _truth(num_stages: int) -> Iterator[Column]:
    yield Column("truth_id", pa.int64(), "id of the true object in the annotation file; null where none matched")
    yield from _box("truth", "the true object", pa.float64())
    yield Column("truth_area", pa.float64(), "area of the true object as annotated, square pixels")
    yield Column("truth_crowd", pa.bool_(), "whether the true object is a crowd")
    yield Column("truth_difficult", pa.bool_(), "whether the true object is one that VOC calls difficult")
    yield Column("iou", pa.float32(), "IoU of the detection with the true object")
    for name in ("candidate", "argmax", "expectation", *(f"stage{k}" for k in range(1, num_stages + 1))):
        yield Column(f"iou_{name}", pa.float32(), f"IoU of the {name} box with the true object")


def _offsets(head: tuple[str, ...], unit: str) -> Iterator[Column]:
    yield from _coordinates("offset", f"predicted {unit}", head)
    yield from _coordinates("offset_true", f"{unit} that would give the true box; matched rows only", head)
    yield from _coordinates("error", f"offset - offset_true, {unit}", head)
    yield from _coordinates(
        "error_px", "error of the head's own box in pixels, of the centre (x, y) or the size (w, h)", COORDINATES
    )
    if head != COORDINATES:
        yield from _coordinates("error_px", "the same error as error, in pixels", head)


def _stages(num_stages: int, head: tuple[str, ...], unit: str) -> Iterator[Column]:
    for k in range(1, num_stages + 1):
        at = f"stage{k}"
        yield from _coordinates(f"{at}_offset", f"what stage {k} adds, {unit}", head)
        yield from _coordinates(f"{at}_offset_true", f"what stage {k} had to add, {unit}; matched rows only", head)
        yield from _coordinates(f"{at}_true_bin", "bin that holds it, 0 the left tail", head, pa.int16())
        yield from _coordinates(f"{at}_top_bin", "most probable bin, 0 the left tail", head, pa.int16())
        yield from _coordinates(f"{at}_p_true", "probability of the true bin", head)
        yield from _coordinates(f"{at}_p_top", "probability of the most probable bin", head)
        yield from _coordinates(f"{at}_entropy", "entropy of the distribution, nats", head)
        yield from _coordinates(f"{at}_spread", f"standard deviation of the distribution, {unit}", head)
        in_pixels = "the same in pixels; for w and h to first order around its mean"
        yield from _coordinates(f"{at}_spread_px", in_pixels, head)


def _box(prefix: str, meaning: str, kind: pa.DataType | None = None) -> Iterator[Column]:
    for name, corner in zip(each(prefix, CORNERS), CORNERS, strict=True):
        yield Column(name, kind or pa.float32(), f"{meaning}: {corner}, pixels")


def _coordinates(
    prefix: str, meaning: str, parts: tuple[str, ...], kind: pa.DataType | None = None
) -> Iterator[Column]:
    for name, coordinate in zip(each(prefix, parts), parts, strict=True):
        yield Column(name, kind or pa.float32(), f"{coordinate}: {meaning}")
