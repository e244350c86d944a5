"""What a file does not say of itself, kept in a small YAML beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from obcn.errors import UserError
from obcn.exported.preprocessing import Preprocessing
from obcn.opening import hints_path
from obcn.yaml_files import parse_yaml, read_yaml


class Hints(BaseModel):
    """What the YAML beside a file (``FILE.onnx.yaml``) may say of it; all else is found or assumed.

    Attributes:
        classes: names, in the order of the file's scores.
        preprocessing: any of :class:`~obcn.exported.preprocessing.Preprocessing`.
        scores: what makes class scores of the file's last numbers, where they are none yet.
        anchors: where a cell's anchor point lies, for a file that gives no boxes: in its ``centre`` or its ``corner``.
        bins: numbers per side, for a file that gives no boxes.
    """

    model_config = ConfigDict(extra="forbid")
    classes: tuple[str, ...] = ()
    preprocessing: dict[str, Any] = Field(default_factory=dict)
    scores: Literal["sigmoid", "softmax"] | None = None
    anchors: Literal["centre", "corner"] | None = None
    bins: int | None = Field(default=None, ge=2, le=256)

    @model_validator(mode="before")
    @classmethod
    def _empty_says_nothing(cls, content: Any) -> Any:
        return {} if content is None else content


def read_hints(file: Path) -> Hints:
    """The YAML beside a file; nothing where there is none.

    Raises:
        UserError: it is not such a YAML.
    """
    path = hints_path(file)
    return read_yaml(path, Hints) if path.is_file() else Hints()


def write_hints(file: Path, hints: Hints) -> None:
    """Remember hints beside a file."""
    entries = hints.model_dump(mode="json", exclude_defaults=True)
    try:
        hints_path(file).write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {hints_path(file)}: {error.strerror}") from error


def hints_said(said: Sequence[str], known: Hints) -> Hints:
    """Hints with some more of them, each as KEY=VALUE: a key of the YAML, or one of its ``preprocessing``.

    Raises:
        UserError: not of that form, or no such key or value.
    """
    told: dict[str, Any] = known.model_dump(exclude_defaults=True)
    for words in said:
        key, equals, value = words.partition("=")
        try:
            read = parse_yaml(value)
            if key in ("classes", "mean", "std") and isinstance(read, str):
                read = [part.strip() if key == "classes" else parse_yaml(part) for part in read.split(",")]
        except ValueError as error:
            raise UserError(f"{words!r} cannot be read; write KEY=VALUE, as in resize=letterbox") from error
        if not equals or read is None:
            raise UserError(f"{words!r} says nothing; write KEY=VALUE, as in resize=letterbox")
        if key in Hints.model_fields and key != "preprocessing":
            told[key] = read
        elif key not in Preprocessing.model_fields:
            known_keys = [
                *Preprocessing.model_fields,
                *(field for field in Hints.model_fields if field != "preprocessing"),
            ]
            raise UserError(f"there is no {key!r} to say of a file; there is {', '.join(known_keys)}")
        else:
            told["preprocessing"] = told.get("preprocessing", {}) | {key: read}
    try:
        return Hints.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
