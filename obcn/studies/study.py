"""What a study compares, as one YAML: rows that differ in their head, on the one protocol that all studies share."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from obcn.config import ScheduleConfig
from obcn.errors import UserError
from obcn.offsets.codecs import DecodeRule
from obcn.yaml_files import read_yaml

Figure = Literal["gains", "curves", "trade", "norms"]

STUDIES = Path(__file__).resolve().parent


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Protocol(_Strict):
    """What all rows of all studies have in common.

    Attributes:
        trunk: checkpoint whose trunk and proposals are used, frozen.
        seeds: of initialisation, photo order and candidate sampling.
        head: head settings that a row does not set itself.
        schedule: how every head is trained, from fresh weights.
    """

    trunk: str
    seeds: tuple[int, ...] = Field(min_length=1)
    head: dict[str, Any]
    schedule: ScheduleConfig


class Row(_Strict):
    """One line of a table: a head, and how it is read.

    Attributes:
        name: in words.
        head: settings beside the protocol's.
        decode: rule to read a head of bins by; its own by default.
        stages: how many of its stages to read; all by default.
        paper: name of the paper's row in ``obcn/studies/paper.yaml``, if it has one.
        curve: of several rows that belong to one line of a figure, the line's name.
        at: where on that line it stands.
    """

    name: str
    head: dict[str, Any]
    decode: DecodeRule | None = None
    stages: int | None = None
    paper: str | None = None
    curve: str | None = None
    at: float | None = None

    @property
    def reading(self) -> str:
        """Names the way of reading among those of one head."""
        return f"{self.decode or 'own rule'}, {self.stages or 'all'} stages"


class Study(_Strict):
    """One table or figure.

    Attributes:
        title: what is compared.
        question: what it is to tell.
        baseline: the row from which gains are taken.
        rows: in the order of the table.
        trunk: instead of the protocol's.
        seeds: instead of the protocol's, where a difference is small.
        paper_table: which of the paper's tables it repeats, in words.
        axis: what ``at`` of the rows is, with its unit, where they lie on curves.
        figure: what is drawn: gains row by row, AP along the curves, along them AP50 against AP90, or AP against the
            gradient that reaches the shared layers.
        prediction: what was expected, written down before the study was run.
        finding: what the committed results say, in words; figures are quoted as ``[[row | AP]]`` (see
            :func:`obcn.studies.findings.fill_in`).
    """

    title: str
    question: str
    baseline: str
    rows: tuple[Row, ...] = Field(min_length=1)
    trunk: str | None = None
    seeds: tuple[int, ...] | None = Field(None, min_length=1)
    paper_table: str | None = None
    axis: str | None = None
    figure: Figure = "gains"
    prediction: str | None = None
    finding: str | None = None

    @model_validator(mode="after")
    def _rows_are_told_apart(self) -> "Study":
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError("two rows have one name")
        if self.baseline not in names:
            raise ValueError(f"the baseline {self.baseline!r} is no row")
        curves = self.figure != "gains"
        if any((row.curve is not None and row.at is not None) != curves for row in self.rows):
            raise ValueError("every row of a study with curves has curve and at, and no other row has")
        if (self.axis is not None) != curves:
            raise ValueError("a study has an axis where it has curves")
        return self


def load_protocol(study: Study | None = None) -> Protocol:
    """The protocol of all studies, or of one that has a trunk or seeds of its own."""
    protocol = read_yaml(STUDIES / "protocol.yaml", Protocol)
    instead = study.model_dump(include={"trunk", "seeds"}, exclude_none=True) if study else {}
    return protocol.model_copy(update=instead)


def study_names() -> list[str]:
    """Studies that ship."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml") if path.stem not in ("protocol", "paper"))


def load_study(name: str) -> Study:
    """A study by its name.

    Raises:
        UserError: there is none of that name, or it is not well-formed.
    """
    path = STUDIES / f"{name}.yaml"
    if name not in study_names():
        raise UserError(f"no study {name!r}; there are {', '.join(study_names())}")
    return read_yaml(path, Study)
