"""Every true object that counts, as one head saw it: the rows that two heads can be compared by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from obcn.records.files import read_records
from obcn.records.rows import paired_iou
from obcn.records.schema import CORNERS, each

OBJECT = ["image_id", "file_name", "truth_id", "category", *each("truth", CORNERS), "truth_area"]
_BOX = each("box", CORNERS)


def objects_of(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """One row per true object of a record file.

    The detection of an object is the one that matched it or, where none did, the nearest detection of its class that
    matched nothing; ``iou`` is 0, and score and box are NaN, where there is none.

    Args:
        path: record file.
        columns: more of the file's columns, as they are in the detection's row.

    Returns:
        The file's ``OBJECT`` columns, ``outcome`` (matched or missed), ``score``, ``iou``, ``box_x1`` ... and
        ``columns``; and ``row``, where in the file the detection stands (the object, if it has none).

    Raises:
        UserError: not a record file, or a column that it lacks.
    """
    # Column by column, and parts are let go as soon as may be: ten million rows are gigabytes each time.
    read = read_records(path, [*OBJECT, "outcome", "score", "iou", *_BOX, *columns])
    table = read.to_pandas(split_blocks=True, self_destruct=True)
    del read
    table["row"] = np.arange(len(table))
    missed = table[table.outcome == "missed"]
    nearest = _nearest(missed, table[table.outcome == "unmatched"], ["row", "score", *_BOX, *columns])
    found_by_none = missed[~missed.truth_id.isin(nearest.truth_id)]
    matched = table[table.outcome == "matched"]
    del table, missed
    others = [part for part in (nearest, found_by_none) if len(part)]
    objects = pd.concat([matched, *others], ignore_index=True) if others else matched.reset_index(drop=True)
    del matched
    objects["truth_id"] = objects.truth_id.astype(np.int64)
    objects["iou"] = objects.iou.fillna(0.0)
    return objects


def _nearest(missed: pd.DataFrame, unmatched: pd.DataFrame, found: list[str]) -> pd.DataFrame:
    """Each missed object that an unmatched detection of its class touches, with the one that overlaps it most."""
    pairs = missed.drop(columns=found).merge(unmatched[["image_id", "category", *found]], on=["image_id", "category"])
    pairs["iou"] = paired_iou(pairs[_BOX].to_numpy(), pairs[each("truth", CORNERS)].to_numpy())
    pairs = pairs[pairs.iou > 0].sort_values("iou", ascending=False)
    return pairs.drop_duplicates("truth_id")
