"""What lies in ``results/``: evaluations, curves beside them, and studies, each beside the paper's figures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from obcn.checkpoints import Evaluation, read_evaluation
from obcn.errors import UserError
from obcn.metrics import BY_IOU
from obcn.studies.paper import Paper
from obcn.studies.study_results import StudyResults, read_results

RESULTS = Path(__file__).parents[2] / "results"
STUDIES = "frozen-trunk"
# How fast things are: docs/performance.md and docs/scaling.md show them.
BENCHMARKS = "benchmarks"
BASELINE = "regression"

# Which of the paper's rows the evaluations of the shipped models repeat: those that rank and merge as the paper does.
PAPER_ROWS = {
    "regression": "regression",
    "obcn_plain": "two_stages_expectation",
    "obcn_one_stage_plain": "bins_expectation",
}
HEADINGS = {
    "gain": "gain in AP",
    "paper_AP": "paper's AP",
    "paper_gain": "paper's gain",
    "gain_difference": "our gain less the paper's",
}


@dataclass
class Results:
    """Everything that could be read.

    Attributes:
        evaluations: by folder and file name, without endings.
        curves: ``ap_by_iou.csv`` of a folder, as :mod:`analysis.ap_by_iou` writes it.
        studies: by file name without its ending.
        problems: what could not be read, a sentence each.
    """

    evaluations: dict[str, dict[str, Evaluation]] = field(default_factory=dict)
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    studies: dict[str, StudyResults] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_folder(folder: Path) -> Results:
    """Read a folder of results; what is not there is left out, what is damaged is told."""
    found = Results()
    for path in sorted(folder.glob("*/*.json")):
        try:
            if path.parent.name == STUDIES:
                found.studies[path.stem] = read_results(path)
            elif path.parent.name != BENCHMARKS:
                found.evaluations.setdefault(path.parent.name, {})[path.stem] = read_evaluation(path)
        except UserError as error:
            found.problems.append(str(error))
    for path in sorted(folder.glob("*/ap_by_iou.csv")):
        try:
            found.curves[path.parent.name] = _curves(path)
        except UserError as error:
            found.problems.append(str(error))
    return found


def _curves(path: Path) -> pd.DataFrame:
    needed = {"model", "iou", "ap", "ap_low", "ap_high", "ap_localised", "difference"}
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a table: {error}") from error
    if not needed <= set(table):
        raise UserError(f"{path} is not a table that analysis.ap_by_iou wrote")
    return table


def _of_seed(name: str) -> str:
    """What an evaluation's name says of its seed, ``_seed_1`` for instance; nothing of the first."""
    found = re.search(r"_seed_\d+$", name)
    return found[0] if found else ""


def evaluation_rows(evaluations: Mapping[str, Evaluation], paper: Paper) -> pd.DataFrame:
    """One row per evaluation of one folder, by seed, regression first; figures in percent, gains in points of AP.

    Columns: ``row``; AP to AP90; ``gain``, from ``regression`` of the same seed where it is there; and for rows that
    the paper has, ``paper_AP``, ``paper_gain`` and ``gain_difference``, ours less the paper's.
    """
    rows = []
    for name in sorted(evaluations, key=lambda name: (_of_seed(name), name != BASELINE + _of_seed(name), name)):
        metrics = evaluations[name].metrics
        own_baseline = BASELINE + _of_seed(name)
        baseline = evaluations.get(own_baseline)
        row: dict[str, object] = {"row": name.replace("_", " ")}
        row |= {figure: metrics.get(figure) for figure in BY_IOU}
        paper_row = paper.rows.get(PAPER_ROWS.get(name, ""))
        if paper_row is not None:
            row["paper_AP"] = paper_row.AP
        if name != own_baseline and baseline is not None and {"AP"} <= metrics.keys() & baseline.metrics.keys():
            gain = metrics["AP"] - baseline.metrics["AP"]
            row["gain"] = gain
            if paper_row is not None:
                paper_gain = paper_row.AP - paper.rows[BASELINE].AP
                row |= {"paper_gain": paper_gain, "gain_difference": gain - paper_gain}
        rows.append(row)
    return pd.DataFrame(rows, columns=["row", *BY_IOU, "gain", "paper_AP", "paper_gain", "gain_difference"])


def study_rows(results: StudyResults) -> pd.DataFrame:
    """The same of a study, each figure a mean over seeds, with ``_sd`` columns; gains are from its baseline."""
    frame = results.frame.rename(columns={"gain_AP": "gain", "gain_sd_AP": "gain_sd", "paper_gain_AP": "paper_gain"})
    figures = [name for figure in BY_IOU if figure in frame for name in (figure, f"{figure}_sd")]
    frame = frame.reindex(columns=["row", *figures, "gain", "gain_sd", "paper_AP", "paper_gain"])
    frame.loc[frame.row == results.baseline, ["gain", "gain_sd", "paper_gain"]] = float("nan")
    return frame.assign(gain_difference=frame.gain - frame.paper_gain)


def comparison_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Those rows as text to read: one decimal, ± one standard deviation; columns that nobody fills are left out."""
    text = pd.DataFrame({"head": rows.row})
    for figure in BY_IOU:
        if figure in rows:
            text[figure] = _figures(rows, figure, "")
    for column, heading in HEADINGS.items():
        if rows[column].notna().any():
            text[heading] = _figures(rows, column, "+" if "gain" in column else "")
    return text


def _figures(rows: pd.DataFrame, column: str, sign: str) -> list[str]:
    deviations = rows.get(f"{column}_sd", pd.Series(float("nan"), rows.index))
    return [
        "" if pd.isna(value) else _number(value, sign) + ("" if pd.isna(deviation) else f" ± {deviation:.1f}")
        for value, deviation in zip(rows[column], deviations, strict=True)
    ]


def _number(value: float, sign: str) -> str:
    return f"{value:{sign}.1f}".replace("-", "\N{MINUS SIGN}")
