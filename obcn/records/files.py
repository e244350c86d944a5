"""Record files as such: who wrote one, its rows written in groups, read column by column."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from obcn.errors import UserError
from obcn.files import replacing
from obcn.records.checks import check_rows
from obcn.records.schema import COORDINATES, SIDES, arrow_schema, record_columns

Columns = dict[str, np.ndarray]

ROWS_PER_GROUP = 16_384
_METADATA_KEY = b"obcn.records"
_DECODING = re.compile(r" \((argmax|expectation|K = \d+)(, K = \d+)?\)$")


class RecordInfo(BaseModel):
    """What a record file says of itself, kept as JSON in its metadata.

    Attributes:
        version: of the schema.
        model: name of the model, and how it decodes where that is not as trained.
        card: the checkpoint's card, as its JSON file has it.
        command: what the user typed.
        data: what the photos are called.
        photos: how many were looked at, those without a row included.
        categories: id and name of every class.
        bins: labels n of each stage of distributions, tails included; none for regression.
        coordinates: keys of the head's four numbers, by which columns are named: x, y, w, h or the four sides.
        unit: of the numbers. Files of version 1 do not say it: theirs are normalised offsets of x, y, w, h.
    """

    model_config = ConfigDict(extra="forbid")
    version: Literal[1, 2] = 2
    model: str
    card: dict[str, Any]
    command: str
    data: str
    photos: int = Field(ge=0, le=10**12)
    categories: dict[int, str]
    bins: tuple[Annotated[int, Field(ge=1, le=2000)], ...] = Field(max_length=10)
    coordinates: tuple[str, str, str, str] = COORDINATES
    unit: str = "normalised offset"

    @field_validator("coordinates")
    @classmethod
    def _known(cls, keys: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
        if keys not in (COORDINATES, SIDES):
            raise ValueError(f"coordinates are {', '.join(COORDINATES)} or {', '.join(SIDES)}")
        return keys

    @property
    def num_stages(self) -> int:
        """K; 0 for regression."""
        return len(self.bins)

    @property
    def decoding(self) -> str:
        """What ``model`` says of how it decodes, `` (argmax, K = 1)`` for instance; empty if as trained."""
        found = _DECODING.search(self.model)
        return found[0] if found else ""

    @property
    def checkpoint_name(self) -> str:
        """``model`` without :attr:`decoding`."""
        return self.model.removesuffix(self.decoding)


class RecordWriter:
    """Writes rows in groups of about ``ROWS_PER_GROUP``, so that memory does not grow with the data set."""

    def __init__(self, path: Path, info: RecordInfo) -> None:
        self.info = info
        self.schema = _schema(info)
        self._file = _writer(path, self.schema)
        self._waiting: list[Columns] = []
        self._rows = 0

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def add(self, columns: Columns) -> None:
        """Add rows: a (rows,) array for each column that they have; other columns stay null."""
        rows = len(columns["image_id"])
        self._waiting.append({**columns, "model": np.full(rows, self.info.model)})
        self._rows += rows
        if self._rows >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            arrays = [self._column(field) for field in self.schema]
            self._file.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self._waiting, self._rows = [], 0

    def _column(self, field: pa.Field) -> pa.Array:
        parts = []
        for columns in self._waiting:
            values = columns.get(field.name)
            rows = len(columns["image_id"])
            # NaN stands for "has none" until here; in the file that is null.
            parts.append(pa.nulls(rows, field.type) if values is None else _arrow(values, field.type))
        return pa.concat_arrays([part.cast(_plain(field.type)) for part in parts]).cast(field.type)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A third smaller than as Parquet comes: numbers of one kind compress byte by byte, words by a dictionary."""
    numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
    words = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=9, use_dictionary=words, use_byte_stream_split=numbers
    )


def join_records(parts: Sequence[Path], path: Path) -> None:
    """One record file of several, of the same model on different photos: their rows one after another.

    The file appears whole or not at all.

    Raises:
        UserError: no parts, not record files, of different models or classes, or the file cannot be written.
    """
    infos = [read_info(part) for part in parts]
    if not infos or any(info.model_copy(update={"photos": infos[0].photos}) != infos[0] for info in infos):
        raise UserError(f"cannot join {len(infos)} record files into {path}: they must be of one model and command")
    info = infos[0].model_copy(update={"photos": sum(info.photos for info in infos)})
    schema = _schema(info)
    with replacing(path) as temporary, _writer(temporary, schema) as file:
        for part in parts:
            file.write_table(read_records(part))


def read_info(path: str | Path) -> RecordInfo:
    """What a record file says of itself, or a folder of parts that ``obcn eval`` under ``torchrun`` writes.

    Raises:
        UserError: missing, not Parquet, not a record file of this version, or parts that do not belong together.
    """
    infos = [_info(part, _open(part)) for part in record_parts(path)]
    if any(info.model_copy(update={"photos": infos[0].photos}) != infos[0] for info in infos):
        raise UserError(f"{path} holds records of several evaluations; leave one's parts in it")
    return infos[0].model_copy(update={"photos": sum(info.photos for info in infos)})


def record_parts(path: str | Path) -> list[Path]:
    """The Parquet files behind a path: itself, or the parts of a folder in their order.

    Raises:
        UserError: a folder without parts.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    parts = sorted(path.glob("part-*.parquet"))
    if not parts:
        raise UserError(f"{path} is a folder without records; `obcn eval --records` writes them")
    return parts


def read_records(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of a record file or of a folder of parts, or only some of their columns: others are not read.

    Raises:
        UserError: as :func:`read_info`, a column that the file lacks, or rows that are damaged.
    """
    info = read_info(path)
    return pa.concat_tables([_read_part(part, info, columns) for part in record_parts(path)])


def count_rows(path: Path) -> int:
    """Rows of a record file or of a folder of parts, without reading them.

    Raises:
        UserError: as :func:`read_info`.
    """
    return sum(_open(part).metadata.num_rows for part in record_parts(path))


def info_size(path: Path) -> int:
    """Bytes of what a record file says of itself, without reading it; 0 if it says nothing.

    Raises:
        UserError: missing, or not Parquet.
    """
    return len((_open(path).schema_arrow.metadata or {}).get(_METADATA_KEY, b""))


def _read_part(path: Path, info: RecordInfo, columns: list[str] | None) -> pa.Table:
    file = _open(path)
    present = set(file.schema_arrow.names)
    absent = [name for name in columns or [] if name not in present]
    if absent:
        raise UserError(f"{path} has no column {absent[0]!r}: {info.model} has {info.num_stages} stage(s) of bins")
    try:
        # Each part's metadata counts its own photos.
        table = file.read(columns=columns).replace_schema_metadata(_metadata(info))
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path} is damaged ({' '.join(str(error).split())}); write it anew with `obcn eval --records`"
        ) from error
    check_rows(path, table, record_columns(info.num_stages, info.coordinates, info.unit))
    return table


def _schema(info: RecordInfo) -> pa.Schema:
    return arrow_schema(info.num_stages, info.coordinates, info.unit, _metadata(info))


def _metadata(info: RecordInfo) -> dict[bytes, bytes]:
    return {_METADATA_KEY: info.model_dump_json().encode()}


def _arrow(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """An Arrow array of the plain type behind ``kind``, with nulls for NaN and None."""
    return pa.array(values, from_pandas=True).cast(_plain(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _open(path: Path) -> pq.ParquetFile:
    try:
        if path.exists() and not path.is_file():  # a pipe would never answer
            raise OSError
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; `obcn eval --records {path}` writes one") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a Parquet file; `obcn eval --records` writes one") from error


def _info(path: Path, file: pq.ParquetFile) -> RecordInfo:
    metadata = file.schema_arrow.metadata or {}
    if _METADATA_KEY not in metadata:
        raise UserError(f"{path} is a Parquet file but holds no records; `obcn eval --records` writes them")
    try:
        return RecordInfo.model_validate_json(metadata[_METADATA_KEY])
    except ValidationError as error:
        raise UserError(
            f"{path} holds records of another version than 1 and 2; update obcn, or write them anew with `obcn eval`"
        ) from error
