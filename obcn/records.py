"""Records: what a detector said of every object of a data set, as one Parquet table (docs/records.md).

One row per detection and one per true object that none matched. The analyses and the app read this table and
nothing else; AP computed from it is the AP of the run that wrote it.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from obcn.checkpoints import Card
from obcn.data.annotations import Annotations
from obcn.engine.evaluate import Photo, category_ids, detect
from obcn.errors import UserError
from obcn.models.detector import Detector
from obcn.offsets import OffsetCodec
from obcn.record_rows import Columns, photo_columns
from obcn.record_schema import CORNERS, arrow_schema, each

VERSION = 1
ROWS_PER_GROUP = 16_384
_METADATA_KEY = b"obcn.records"


class RecordInfo(BaseModel):
    """What a record file says of itself, kept as JSON in its metadata.

    Attributes:
        version: of the schema.
        model: name of the model, and how it decodes where that is not as trained.
        card: the checkpoint's card.
        command: what the user typed.
        data: what the photos are called.
        photos: how many were looked at, those without a row included.
        categories: id and name of every class.
        num_stages: stages of bins; 0 for regression.
    """

    model_config = ConfigDict(extra="forbid")
    version: int = VERSION
    model: str
    card: Card
    command: str
    data: str
    photos: int
    categories: dict[int, str]
    num_stages: int


def write_records(
    detector: Detector,
    card: Card,
    annotations: Annotations,
    path: Path,
    command: str,
    data: str,
    on_photo: Callable[[], None] = lambda: None,
) -> None:
    """Run a detector over a data set and write its records; see :func:`recorded`."""
    for _ in recorded(detect(detector, annotations), detector, card, annotations, path, command, data):
        on_photo()


def recorded(
    photos: Iterable[Photo],
    detector: Detector,
    card: Card,
    annotations: Annotations,
    path: Path,
    command: str,
    data: str,
) -> Iterator[Photo]:
    """Pass photos on while writing the records of each, so that one pass serves AP and records alike.

    The file appears, whole, when the last photo has passed; a run that stops early leaves none.

    Args:
        photos: COCO image records with detections, as :func:`obcn.engine.evaluate.detect` yields them.
        detector: what found them.
        card: its checkpoint's card.
        annotations: the truth.
        path: the Parquet file to write; its folder is made.
        command: what the user typed.
        data: what to call the photos.

    Raises:
        UserError: classes differ, or the file cannot be written.
    """
    ids = category_ids(detector, annotations)
    codec = detector.codec
    info = RecordInfo(
        model=_model_name(card, codec),
        card=card,
        command=command,
        data=data,
        photos=len(annotations),
        categories=dict(zip(ids, detector.classes, strict=True)),
        num_stages=_num_stages(codec),
    )
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with RecordWriter(temporary, info) as writer:
            for image, found in photos:
                writer.add(photo_columns(image, found, annotations.boxes_of(image), codec, info.categories))
                yield image, found
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


class RecordWriter:
    """Writes rows in groups of about ``ROWS_PER_GROUP``, so that memory does not grow with the data set."""

    def __init__(self, path: Path, info: RecordInfo) -> None:
        self.info = info
        self.schema = arrow_schema(info.num_stages, {_METADATA_KEY: info.model_dump_json().encode()})
        self._file = pq.ParquetWriter(path, self.schema, compression="zstd")
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


def read_info(path: Path) -> RecordInfo:
    """What a record file says of itself.

    Raises:
        UserError: missing, not Parquet, or not a record file of this version.
    """
    return _info(path, _open(path))


def read_records(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of a record file, or only some of its columns: what is not asked for is not read.

    Raises:
        UserError: as :func:`read_info`, or a column that the file lacks.
    """
    file = _open(path)
    info = _info(path, file)
    present = set(file.schema_arrow.names)
    absent = [name for name in columns or [] if name not in present]
    if absent:
        raise UserError(f"{path} has no column {absent[0]!r}: {info.model} has {info.num_stages} stage(s) of bins")
    return file.read(columns=columns)


def coco_of_records(path: Path) -> tuple[Annotations, list[dict]]:
    """The truth and the detections of a record file as COCO's records, from which AP is computed.

    Photos with neither are not listed: they change no AP.

    Raises:
        UserError: as :func:`read_info`.
    """
    info = read_info(path)
    boxes, truth_boxes = each("box", CORNERS), each("truth", CORNERS)
    names = ["image_id", "file_name", "image_width", "image_height", "category_id", "score", *boxes]
    names += ["truth_id", *truth_boxes, "truth_area", "truth_crowd", "truth_difficult"]
    frame = read_records(path, names).to_pandas()

    images = frame.drop_duplicates("image_id")[["image_id", "file_name", "image_width", "image_height"]]
    objects = frame[frame.truth_id.notna()].drop_duplicates("truth_id")
    found = frame[frame.score.notna()]
    coco = {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, name, width, height in images.itertuples(index=False)
        ],
        "annotations": [
            {
                "id": int(row.truth_id),
                "image_id": row.image_id,
                "category_id": row.category_id,
                "bbox": box,
                "area": row.truth_area,
                "iscrowd": int(row.truth_crowd),
                "difficult": int(row.truth_difficult),
            }
            for row, box in zip(objects.itertuples(), _sizes(objects[truth_boxes].to_numpy()), strict=True)
        ],
        "categories": [{"id": number, "name": name} for number, name in info.categories.items()],
    }
    rows = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, score, box in zip(
            found.image_id.tolist(),
            found.category_id.tolist(),
            found.score.tolist(),
            _sizes(found[boxes].to_numpy(np.float64)),
            strict=True,
        )
    ]
    return Annotations(path.parent, coco), rows


def _sizes(corners: np.ndarray) -> list[list[float]]:
    """(N, 4) corners as COCO's (x, y, width, height)."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1).tolist()


def _arrow(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """An Arrow array of the plain type behind ``kind``, with nulls for NaN and None."""
    return pa.array(values, from_pandas=True).cast(_plain(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _open(path: Path) -> pq.ParquetFile:
    try:
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
        raise UserError(f"{path} holds records of another version; write them anew with `obcn eval`") from error


def _num_stages(codec: OffsetCodec) -> int:
    return len(codec.explain(torch.zeros(0, codec.num_outputs)).stages)


def _model_name(card: Card, codec: OffsetCodec) -> str:
    """The card's name, and how the codec decodes where that is not what the card's config says."""
    trained = card.config.box_head.offsets.build()
    ways = {"{}": "rule", "K = {}": "used_stages"}
    changed = [
        text.format(getattr(codec, name))
        for text, name in ways.items()
        if getattr(codec, name, None) != getattr(trained, name, None)
    ]
    return f"{card.name} ({', '.join(changed)})" if changed else card.name
