"""A study's results as one JSON file: the figures, and everything that made them."""

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from obcn.errors import UserError
from obcn.files import replacing
from obcn.studies.study import Figure, Protocol
from obcn.studies.tables import half_interval
from obcn.tables.frames import rows_of


class StudyResults(BaseModel):
    """What a study found.

    Attributes:
        title: what was compared.
        question: what it was to tell.
        baseline: the row from which gains are taken.
        paper_table: which of the paper's tables it repeats.
        axis: what varies along the curves, if there are curves.
        figure: what is drawn.
        command: what was typed.
        commits: of the code that trained and judged the heads.
        dates: UTC, when the first and the last of them was judged.
        data: name of the data set.
        photos: to train on, and to judge on.
        trunk: name and digest of the frozen checkpoint.
        protocol: how everything was trained, seeds included.
        table: rows of :func:`obcn.studies.tables.study_table`; null where there is no figure.
        outcomes: per row and seed, every figure in percent.
    """

    model_config = ConfigDict(extra="forbid")
    title: str
    question: str
    baseline: str
    paper_table: str | None
    axis: str | None
    figure: Figure
    command: str
    commits: list[str]
    dates: tuple[str, str]
    data: str
    photos: tuple[int, int]
    trunk: str
    protocol: Protocol
    table: list[dict[str, Any]]
    outcomes: dict[str, dict[int, dict[str, float | None]]]

    @property
    def frame(self) -> pd.DataFrame:
        """The table; NaN where there is no figure."""
        frame = pd.DataFrame(self.table)
        numbers = frame.columns.drop(["row", "curve"], errors="ignore")
        return frame.astype(dict.fromkeys(numbers, float))


def write_results(path: Path, results: StudyResults) -> None:
    """Write the file, whole or not at all, and the folders above it.

    Raises:
        UserError: it cannot be written.
    """
    with replacing(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> StudyResults:
    """Read the file.

    Raises:
        UserError: missing, or not a study's results.
    """
    try:
        return StudyResults.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a file that analysis.ablation wrote") from error


def compare(ours: StudyResults, committed: StudyResults) -> str:
    """How far a run lies from the committed one, row by row, in words.

    "Within" means: inside the 95% confidence interval of the difference of the two means over seeds.
    """
    lines = [f"against the committed results of {committed.dates[1][:10]} ({', '.join(committed.commits)}):"]
    before = {row["row"]: row for row in rows_of(committed.frame)}
    for row in rows_of(ours.frame):
        there = before.get(row["row"])
        if there is None:
            lines.append(f"  {row['row']}: not among them")
            continue
        apart = row["AP"] - there["AP"]
        variance = row["AP_sd"] ** 2 / row["seeds"] + there["AP_sd"] ** 2 / there["seeds"]
        allowed = half_interval(variance, max(int(row["seeds"] + there["seeds"]) - 2, 1))
        verdict = (
            "no deviation over seeds is known"
            if pd.isna(allowed)
            else ("within" if abs(apart) <= allowed else "outside")
        )
        lines.append(f"  {row['row']}: AP {apart:+.2f}, {verdict}" + ("" if pd.isna(allowed) else f" ± {allowed:.2f}"))
    return "\n".join(lines)
