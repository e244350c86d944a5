"""Every true object as one or two heads saw it: the one table of pairs, for Explore and for contact sheets.

A table may have a million rows.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from obcn.errors import UserError
from obcn.records.files import RecordInfo
from obcn.records.schema import CORNERS, each
from obcn.tables.matched import size_of
from obcn.tables.objects import objects_of

_OF_HEAD = ["row", "matched", "score", "iou", "entropy", *each("box", CORNERS)]


def head_objects(path: Path, info: RecordInfo) -> pd.DataFrame:
    """:func:`~obcn.tables.objects.objects_of` by ``truth_id``, with the photo's size, ``matched`` and ``entropy``.

    Entropy, in nats, is stage 1's, mean over the head's four numbers; NaN for regression.

    Raises:
        UserError: not a record file.
    """
    columns = each("stage1_entropy", info.coordinates) if info.num_stages else []
    table = objects_of(path, ["image_width", "image_height", *columns])
    table["entropy"] = table[columns].mean(axis=1) if columns else np.float32(np.nan)
    table["matched"] = table.outcome == "matched"
    table = compact(table.drop(columns=[*columns, "outcome"]))
    first = np.flatnonzero(~table.truth_id.duplicated())
    return table.iloc[first[np.argsort(table.truth_id.to_numpy()[first])]].reset_index(drop=True)


def pair_heads(head: pd.DataFrame, against: pd.DataFrame | None) -> pd.DataFrame:
    """The objects that both heads were asked about, with ``head_iou``, ``head_score``, ``head_box_x1`` ... of each.

    Args:
        head: of :func:`head_objects`.
        against: likewise, or None to show one head alone.

    Returns:
        The object's columns and ``size``; each head's columns with its prefix; ``iou``, ``score`` and ``entropy`` of
        ``head`` under these names; with two heads ``gain``, the first's IoU less the other's.

    Raises:
        UserError: they have no object in common.
    """
    table = head
    if against is not None:
        here, there = shared_objects(head, against)
        if not len(here):
            raise UserError("these two record files share no object: they are of other photos; choose two of the same")
        table, against = head.iloc[here].reset_index(drop=True), against.iloc[there].reset_index(drop=True)
    columns = {name: table[name] for name in table.columns.drop(_OF_HEAD)}
    columns |= {f"head_{name}": table[name] for name in _OF_HEAD}
    columns |= {name: table[name] for name in ("iou", "score", "entropy")}
    if against is not None:
        columns |= {f"against_{name}": against[name] for name in _OF_HEAD}
        columns["gain"] = table.iou - against.iou
    return pd.DataFrame(columns, copy=False)


def shared_objects(one: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the same object in two tables: its id and its photo's file agree."""
    _, here, there = np.intersect1d(one.truth_id, other.truth_id, assume_unique=True, return_indices=True)
    files, others = one.file_name.cat, other.file_name.cat
    translated = files.categories.get_indexer(others.categories)[others.codes.to_numpy()[there]]
    same = files.codes.to_numpy()[here] == translated
    return here[same], there[same]


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """A table of objects with narrow types, and with each object's size."""
    size = pd.Series(size_of(table.truth_area.to_numpy()), index=table.index)
    table = table.assign(size=size)
    for name in table.columns[table.dtypes == np.float64].difference(["truth_id"]):
        table[name] = table[name].astype(np.float32)  # one by one: all at once would be all twice
    return table
