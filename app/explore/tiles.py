"""Tiles of the objects or photos on one page of Explore, with thumbnails made when they are first asked for."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
import pandas as pd

from app.compare.found_objects import place_of
from app.components.photo_grid import Tile, TileBox
from app.explore.table import TRUTH, Collection, Side
from app.hosting import is_hosted
from app.paths import reachable
from obcn.data import read_photo
from obcn.errors import UserError
from obcn.records.rows import MATCH_IOU
from obcn.records.schema import CORNERS, each
from obcn.tables.frames import rows_of

# Longest side of a thumbnail, pixels: sharp on a tile of up to 300 px.
THUMBNAIL = 420
# Compare shows what scores above the first, unless its slider stands at another multiple of the second.
COMPARE_SCORE, COMPARE_STEP = 0.5, 0.05
# Gains this small are told as none: two decimals show no more.
EVEN = 0.005
# Width to height of a tile's picture, and the room around an object's boxes, as a share of their size.
_ASPECT, _ROOM = 4 / 3, 0.25
_LEAST_SIDE = 48

Area = tuple[float, float, float, float]


@dataclass(frozen=True)
class Source:
    """Where tiles take pictures from and lead to.

    Attributes:
        folder: of the photos; None if nobody named one.
        link: query parameters of Compare that all tiles share.
    """

    folder: Path | None
    link: Mapping[str, str | Sequence[str]]

    def parameters(self, row: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
        """Of the link that opens a row's photo in Compare, at its object if it is one; empty if it cannot be opened."""
        if self.folder is None:
            return {}
        link = {**self.link, "image": row["file_name"]}
        if "truth_id" in row:
            link["object"] = place_of(row["category"], (row[name] for name in TRUTH))
            scores = [row[name] for name in ("head_score", "against_score") if not np.isnan(row.get(name, np.nan))]
            if scores and max(scores) <= COMPARE_SCORE:
                # Compare would not show it; its slider moves in steps.
                link["score"] = f"{max(COMPARE_STEP, np.floor(max(scores) / COMPARE_STEP) * COMPARE_STEP):.2f}"
        return link


def object_tiles(rows: pd.DataFrame, names: Mapping[Side, str], source: Source, whole: bool) -> list[Tile]:
    """A tile per object.

    Args:
        rows: of :func:`obcn.tables.pairs.pair_heads` or :func:`~app.explore.table.objects_of_data`.
        names: ``head`` and ``against`` to the models' names; empty for a data set alone. They are the lines' keys.
        source: of the pictures.
        whole: show whole photos; else what is around the object.
    """
    records = rows_of(rows)
    return tiles_of(
        records,
        [_boxes(row, names) for row in records],
        source,
        whole,
        lambda row: {
            "title": row["category"],
            "detail": f"{row['size']} · {row['file_name']}",
            "values": [(side, _iou(row, side)) for side in names],
            "link": link_to(source, row),
            **_verdict(row.get("gain")),
        },
    )


def tiles_of(
    records: Sequence[Mapping[str, Any]],
    boxes: Sequence[Sequence[TileBox]],
    source: Source,
    whole: bool,
    words: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> list[Tile]:
    """A tile per row, around its boxes.

    Args:
        records: rows with a photo's ``file_name`` and size.
        boxes: of each row.
        source: of the pictures.
        whole: show whole photos; else what is around the boxes.
        words: what a row's tile says and leads to, as arguments of :class:`Tile`.
    """
    views = [
        whole_photo(row) if whole else area_around([box.box for box in drawn], row)
        for row, drawn in zip(records, boxes, strict=True)
    ]
    pictures = pictures_of(source.folder, records, views)
    return [
        Tile(picture=picture, part=part_of(view, row), view=view, note=note, boxes=list(drawn), **words(row))
        for row, drawn, view, (picture, note) in zip(records, boxes, views, pictures, strict=True)
    ]


def photo_tiles(
    rows: pd.DataFrame,
    collection: Collection,
    alarms: Mapping[Side, pd.DataFrame],
    names: Mapping[Side, str],
    source: Source,
) -> list[Tile]:
    """A tile per photo, with all its true objects and what the heads made of them.

    Args:
        rows: of :func:`app.explore.table.per_photo`; the index says which photo of the collection.
        collection: all objects.
        alarms: by side, of :func:`app.explore.table.false_alarms`.
        names: as in :func:`object_tiles`.
        source: of the pictures.
    """
    records = rows_of(rows)
    shown = np.flatnonzero(np.isin(collection.place, rows.index))
    objects = {place: rows_of(part) for place, part in collection.objects.iloc[shown].groupby(collection.place[shown])}
    pictures = pictures_of(source.folder, records, [whole_photo(row) for row in records])
    tiles = []
    for place, row, (picture, note) in zip(rows.index, records, pictures, strict=True):
        in_photo = objects.get(place, [])
        boxes = [box for each_object in in_photo for box in _boxes(each_object, names)]
        extra = {side: _of_photo(alarms[side], row["file_name"]) for side in names}
        boxes += [
            TileBox(
                side, f"{names[side]}: false alarm, {alarm['category']} {alarm['score']:.2f}", _corners(alarm, "box")
            )
            for side, found in extra.items()
            for alarm in rows_of(found)
        ]
        values = [(side, _found(in_photo, side, len(extra[side]))) for side in names]
        tiles.append(
            Tile(
                title=f"{len(in_photo) or 'no'} object{'' if len(in_photo) == 1 else 's'}",
                detail=row["file_name"],
                picture=picture,
                part=whole_photo(row),
                view=whole_photo(row),
                note=note,
                boxes=boxes,
                values=values,
                link=link_to(source, row),
                **_verdict(row.get("gain")),
            )
        )
    return tiles


def _boxes(row: Mapping[str, Any], names: Mapping[Side, str]) -> list[TileBox]:
    """Truth below, then the heads' boxes, the head that is looked at on top."""
    boxes = [TileBox("truth", f"truth: {row['category']}", tuple(row[name] for name in TRUTH))]
    for side in reversed(list(names)):
        corners = _corners(row, f"{side}_box")
        if not np.isnan(corners).any():
            boxes.append(TileBox(side, f"{names[side]}: IoU {row[f'{side}_iou']:.2f}", corners))
    return boxes


def _corners(row: Mapping[str, Any], prefix: str) -> Area:
    return tuple(row[name] for name in each(prefix, CORNERS))


def _iou(row: Mapping[str, Any], side: str) -> str:
    iou = row[f"{side}_iou"]
    # 0.4996 must not read as a miss at 0.50.
    return "nothing" if iou == 0 else f"{iou:.2f}" if iou >= MATCH_IOU else f"{np.floor(100 * iou) / 100:.2f} miss"


def _found(objects: Sequence[Mapping[str, Any]], side: str, alarms: int) -> str:
    found = sum(row[f"{side}_matched"] for row in objects)
    return f"{found} found" + (f", {alarms} false" if alarms else "")


def _verdict(gain: float | None) -> dict[str, str]:
    """Sign and word, so that nothing depends on a colour."""
    if gain is None or np.isnan(gain):
        return {}
    if abs(gain) < EVEN:
        return {"verdict": "even", "mood": ""}
    word = "better" if gain > 0 else "worse"
    return {"verdict": f"{gain:+.2f} {word}", "mood": word}


def _of_photo(alarms: pd.DataFrame, file_name: str) -> pd.DataFrame:
    """Rows of one photo in a table that is sorted by photo."""
    start, stop = alarms.file_name.searchsorted(file_name, "left"), alarms.file_name.searchsorted(file_name, "right")
    return alarms.iloc[start:stop]


def link_to(source: Source, row: Mapping[str, Any]) -> str:
    """Where a tile leads; empty if nowhere."""
    parameters = source.parameters(row)
    # Compare is the app's first page: the folder that this page's own address lies in.
    return f"./?{urlencode(parameters, doseq=True)}" if parameters else ""


def parameters_of(link: str) -> dict[str, list[str]]:
    """Query parameters of what :func:`link_to` gave; none of any other words."""
    return parse_qs(link.partition("?")[2], keep_blank_values=True)


# Pictures


def whole_photo(row: Mapping[str, Any]) -> Area:
    """All of a row's photo."""
    return 0.0, 0.0, float(row["image_width"]), float(row["image_height"])


def area_around(boxes: Sequence[Sequence[float]], row: Mapping[str, Any]) -> Area:
    """The boxes with room around them, in a tile's shape, moved into the photo as far as it is large enough."""
    corners = np.array(boxes, dtype=np.float64)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    width, height = np.maximum((high - low) * (1 + _ROOM), _LEAST_SIDE)
    size = np.array((max(width, height * _ASPECT), max(height, width / _ASPECT)))
    photo = np.array((row["image_width"], row["image_height"]))
    start = (low + high - size) / 2
    start = np.where(size <= photo, np.clip(start, 0, photo - size), (photo - size) / 2)
    (x1, y1), (x2, y2) = start.tolist(), (start + size).tolist()
    return x1, y1, x2, y2


def part_of(view: Area, row: Mapping[str, Any]) -> Area:
    """Whole pixels of the photo that a view shows."""
    return _within(view, int(row["image_width"]), int(row["image_height"]))


def _within(area: Area, width: int, height: int) -> Area:
    """An area in whole pixels, cut to a photo's size, at least one pixel large."""
    x1, y1 = (min(max(0, int(np.floor(start))), end - 1) for start, end in zip(area[:2], (width, height), strict=True))
    x2, y2 = (min(max(1, int(np.ceil(stop))), end) for stop, end in zip(area[2:], (width, height), strict=True))
    return float(x1), float(y1), float(max(x2, x1 + 1)), float(max(y2, y1 + 1))


def pictures_of(folder: Path | None, rows: Sequence[Mapping[str, Any]], views: Sequence[Area]) -> list[tuple[str, str]]:
    """A thumbnail, or why there is none, for each row."""
    if folder is None:
        return [("", "no folder of photos named")] * len(rows)
    asked = [(folder / row["file_name"], part_of(view, row)) for row, view in zip(rows, views, strict=True)]
    # Pillow decodes without Python's lock.
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda each_one: _thumbnail_or_note(*each_one), asked))


def _thumbnail_or_note(path: Path, part: Area) -> tuple[str, str]:
    try:
        return thumbnail(reachable(path), part, path.stat().st_mtime_ns), ""
    except FileNotFoundError:
        return "", f"{path.name} is not in {path.parent.name if is_hosted() else path.parent}"
    except UserError:
        return "", f"{path.name} cannot be read"
    except OSError as error:
        return "", f"{path.name}: {error.strerror}"


@lru_cache(maxsize=4096)
def thumbnail(path: Path, part: Area, stamp: int) -> str:
    """A part of a photo as a JPEG URI.

    Args:
        path: the photo's.
        part: (x1, y1, x2, y2), whole pixels.
        stamp: changes when the file does.

    Raises:
        UserError: not an image, or cut short.
    """
    photo = read_photo(path)
    # Records may claim a photo of any size, and Pillow would make up the pixels that are not there.
    x1, y1, x2, y2 = map(int, _within(part, *photo.size))
    picture = photo.crop((x1, y1, x2, y2))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
