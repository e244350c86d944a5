"""The matched rows of record files, read column by column: a file may hold millions of rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from obcn.errors import UserError
from obcn.records.files import RecordInfo, read_info, read_records

# COCO's sizes, by annotated area in square pixels.
SIZES = ("small", "medium", "large")
_SIZE_EDGES = (32**2, 96**2)


@dataclass(frozen=True)
class MatchedRows:
    """The detections of one record file that matched a true object.

    Attributes:
        path: of the file.
        name: what to call the model in tables and legends.
        info: the file's own.
        where: (rows of the file,) mask of the matched ones.
    """

    path: Path
    name: str
    info: RecordInfo
    where: np.ndarray

    def __len__(self) -> int:
        return int(self.where.sum())

    def values(self, columns: Sequence[str]) -> list[np.ndarray]:
        """Numbers of some columns, (matched rows,) each; only these are read.

        Raises:
            UserError: a matched row has no value where every one must have it.
        """
        table = read_records(self.path, list(columns))
        return [self._whole(name, table.column(name).to_numpy()[self.where]) for name in columns]

    def _whole(self, name: str, values: np.ndarray) -> np.ndarray:
        absent = int(np.isnan(values).sum())
        if absent:
            raise UserError(f"{self.path}: column {name} has no value in {absent} matched row(s); write the file anew")
        return values

    def groups(self, by: str) -> "pd.Categorical[str]":
        """(matched rows,) group of each row: ``all``, ``size`` (COCO's) or ``class``.

        Raises:
            ValueError: another word.
        """
        if by == "all":
            return pd.Categorical.from_codes(np.zeros(len(self), dtype=np.int8), pd.Index(["all"]))
        if by == "size":
            (area,) = self.values(["truth_area"])
            return size_of(area)
        if by == "class":
            words = read_records(self.path, ["category"]).column("category").unify_dictionaries().combine_chunks()
            words = words.to_pandas()[self.where]
            return pd.Categorical(words, categories=list(self.info.categories.values()))
        raise ValueError(f"group by all, size or class, not {by!r}")


def size_of(area: np.ndarray) -> "pd.Categorical[str]":
    """COCO's size of objects, by their annotated area in square pixels."""
    return pd.Categorical.from_codes(np.digitize(area, _SIZE_EDGES).astype(np.int8), pd.Index(SIZES))


def load_matched(paths: Sequence[Path]) -> list[MatchedRows]:
    """Open record files.

    Raises:
        UserError: none given, not a record file, or one in which nothing matched.
    """
    if not paths:
        raise UserError("give at least one record file; `obcn eval --records` writes them")
    rows = []
    for path, name in zip(paths, model_names(paths), strict=True):
        outcome = read_records(path, ["outcome"]).column("outcome")
        where = pc.equal(outcome.cast("string"), "matched").to_numpy()
        if not where.any():
            raise UserError(f"{path}: no detection matched a true object, so there are no errors to show")
        rows.append(MatchedRows(path, name, read_info(path), where))
    return rows


def model_names(paths: Sequence[Path]) -> list[str]:
    """A name for each file: its model's, with the file's own, or its whole path, where two are alike.

    Raises:
        UserError: not a record file.
    """
    return distinct_names(paths, [read_info(path) for path in paths])


def distinct_names(paths: Sequence[Path], infos: Sequence[RecordInfo]) -> list[str]:
    """As :func:`model_names`, of files whose infos have been read."""
    return told_apart([info.model for info in infos], paths)


def told_apart(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Names of files, with the file's own, or its whole path, behind those that are alike."""
    apart = [*names]
    for part in (lambda path: path.stem, str):
        counts = Counter(apart)
        apart = [
            known if counts[known] == 1 else f"{name} [{part(path)}]"
            for known, name, path in zip(apart, names, paths, strict=True)
        ]
    return apart
