"""Writes docs/results.md from results/: our tables beside the paper's, and in words what we see and what we do not.

No figure on the page is typed: tables come from the result files, and a study's ``finding`` names rows and figures in
double brackets, which are filled in from them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from analysis.output import run, script
from analysis.results_table import results_table
from obcn.errors import UserError
from obcn.figures.pictures import draw_pictures
from obcn.figures.studies import study_figure
from obcn.metrics import OF_A_STUDY
from obcn.studies.findings import ORDER, fill_in, signed, verdict
from obcn.studies.paper import load_paper
from obcn.studies.shared_gradients import (
    COSINE,
    OF_BOXES,
    OF_CLASSES,
    at_equal_norm,
    has_shared_gradients,
    shared_gradient_table,
)
from obcn.studies.study import load_study
from obcn.studies.study_results import StudyResults, read_results
from obcn.studies.tables import half_interval

# Evaluations of the detectors that ship, of regression with a second look, and of a second seed of the pair; "plain" is
# without certainty and voting.
EVALUATED = (
    "regression",
    "regression_voting",
    "regression_two_looks",
    "regression_two_looks_voting",
    "obcn",
    "obcn_plain",
    "obcn_one_stage_plain",
    "obcn_one_stage",
    "obcn_argmax",
    "obcn_one_stage_argmax",
    "regression_seed_1",
    "regression_voting_seed_1",
    "regression_two_looks_seed_1",
    "regression_two_looks_voting_seed_1",
    "obcn_seed_1",
    "obcn_plain_seed_1",
)

app = script()


def results_page(results: Path) -> str:
    """The page, as Markdown.

    Args:
        results: folder with ``voc2012-animals-val`` (written by ``obcn eval --json``) and ``frozen-trunk`` (by
            :mod:`analysis.ablation`).

    Raises:
        UserError: a file is damaged, or a finding names a row or figure that its results do not have.
    """
    paper = load_paper()
    studies, shipped = _studies(results), results / "voc2012-animals-val"
    sections = [_study_section(name, found) for name, found in studies.items()]
    return "\n\n".join(
        [
            "# Results",
            "Written by `python -m analysis.results_page` from the files in `results/`; no figure here is typed by "
            f"hand. The paper's figures are those of {paper.source} ({paper.setting}). Ours are on other photos and a "
            "far smaller detector: compare gains, not levels.",
            _shipped_section(shipped),
            _protocol_section(list(studies.values()), _photo_luck(shipped)) if studies else "",
            *sections,
        ]
    ).replace("\n\n\n\n", "\n\n")


def _studies(results: Path) -> dict[str, StudyResults]:
    """Results by name, in the page's order, under the titles and questions that their studies have now."""
    files = {name: results / "frozen-trunk" / f"{name}.json" for name in ORDER}
    found = {name: read_results(path) for name, path in files.items() if path.is_file()}
    return {
        name: result.model_copy(update={"title": load_study(name).title, "question": load_study(name).question})
        for name, result in found.items()
    }


def _shipped_section(folder: Path) -> str:
    files = [folder / f"{name}.json" for name in EVALUATED]
    present = [path for path in files if path.is_file()]
    if not present:
        return ""
    return "\n\n".join(
        [
            "## The detectors that ship, and regression with a second look, trained end to end",
            "Rows that name no seed are of seed 0; [data.md](data.md) tells how they were trained, and each file in "
            "`results/` names the `obcn eval` that wrote it. Percent, on 700 photos that neither was trained on. APs, "
            "APm and APl go by COCO's areas in photos whose long side is at most 416 pixels: they do not compare with "
            "full-size photos'.",
            results_table(present),
        ]
    )


def _protocol_section(studies: Sequence[StudyResults], photo_luck: float | None) -> str:
    results = studies[0]
    compared = sum(len(study.table) - 1 for study in studies)
    protocol, head = results.protocol, results.protocol.head
    seeds = min(len(study.protocol.seeds) for study in studies)
    wider = half_interval(1 / seeds, seeds - 1)
    photos = "" if photo_luck is None else f": between the detectors that ship they add ±{photo_luck:.1f} points of AP"
    return "\n\n".join(
        [
            "## Studies on a frozen trunk",
            f"Each row below is a fresh head on one frozen trunk (`{results.trunk}`, the first pair's regression, in "
            "`results/frozen-trunk/trunk`; trained end to end with Smooth L1, which should favour regression, if "
            "anyone), the same photos and the same sampled candidates in the same order (a cascade's second head "
            f"samples its own): {protocol.schedule.epochs} epochs over {results.photos[0]} photos, "
            f"{head['candidates_per_image']} candidates a photo, {head['hidden']} hidden units, judged on "
            f"{results.photos[1]} photos.",
            f"{seeds} seeds, where a study does not say more. ± is the standard deviation over them, of gains seed by "
            f"seed. The 95% interval of a mean gain is {wider:.1f} times as wide for {seeds} seeds (Student's t); "
            "gains whose interval leaves out zero are **bold**, and only those are called clear. The tables hold "
            f"{compared} gains, each judged by itself: if none were real, about {compared / 20:.0f} would be bold by "
            "luck. *Reproduced* is a gain of the paper's that is clear here too, at least a quarter as large, and has "
            "the paper's own within its interval. The interval is the "
            "luck of initialisation, order and candidates; trunk and photos are the same in all, and other photos "
            f"would add theirs{photos} (95%, bootstrap, `ap_summary.csv`). What a finding calls best was chosen on the "
            "photos that it is reported on.",
        ]
    )


def _photo_luck(folder: Path) -> float | None:
    """Half the 95% bootstrap interval over photos of the shipped pair's difference in AP."""
    file = folder / "ap_summary.csv"
    if not file.is_file():
        return None
    last = pd.read_csv(file).iloc[-1]
    return float(last.difference_high - last.difference_low) / 2


def _study_section(name: str, results: StudyResults) -> str:
    study = load_study(name)
    parts = [f"### {results.title}", results.question]
    parts.append(_table(results))
    verdicts = [
        verdict(row["row"], row["gain_AP"], row["gain_sd_AP"], int(row["seeds"]), row["paper_gain_AP"])
        for row in results.frame.to_dict("records")
        if abs(row.get("paper_gain_AP") or 0) > 0 and not pd.isna(row["paper_gain_AP"])
    ]
    if verdicts:
        parts.append("\n".join(verdicts))
    if has_shared_gradients(results):
        parts.append(gradient_table(results))
    if study.prediction is not None:
        parts.append(f"*Written down before it was run:* {study.prediction.strip()}")
    if has_shared_gradients(results):
        parts.append(equal_norms(results))
    if study.finding is not None:
        parts.append(fill_in(study.finding.strip(), results))
    parts.append(f"![{results.title}](results/{name}.svg)")
    parts.append(
        f"<sub>`{results.command}`, commit {', '.join(results.commits)}, {results.dates[1][:10]}, seeds "
        f"{', '.join(map(str, results.protocol.seeds))}, trunk {results.trunk}, data {results.data}</sub>"
    )
    return "\n\n".join(parts)


def _table(results: StudyResults) -> str:
    frame = results.frame
    paper = "paper_AP" in frame
    head = ["", *OF_A_STUDY, "gain in AP", *(["paper's AP", "paper's gain"] if paper else [])]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in frame.to_dict("records"):
        cells = [f"{row[figure]:.1f} ± {row[f'{figure}_sd']:.1f}" for figure in OF_A_STUDY]
        cells.append("" if row["row"] == results.baseline else _gain(row))
        if paper:
            in_paper = not pd.isna(row["paper_AP"])
            cells.append(f"{row['paper_AP']:.1f}" if in_paper else "")
            cells.append(signed(row["paper_gain_AP"]) if in_paper and row["row"] != results.baseline else "")
        lines.append([row["row"], *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def gradient_table(results: StudyResults) -> str:
    """Norms and cosines of a study whose heads have a gate, as Markdown."""
    lines = [
        "Means over the steps after the warm-up, of the gradients in the shared layers:",
        "",
        "|  | norm, class loss | norm, box loss | cosine between them |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in shared_gradient_table(results).to_dict("records"):
        cosine = "" if pd.isna(row[COSINE]) else f"{row[COSINE]:+.2f}".replace("-", "\N{MINUS SIGN}")
        lines.append(f"| {row['row']} | {row[OF_CLASSES]:.2f} | {row[OF_BOXES]:.3f} | {cosine} |")
    return "\n".join(lines)


def equal_norms(results: StudyResults) -> str:
    """Every other loss against the baseline's, where both ask equally much of the shared layers."""
    curves = dict(zip(results.frame.row, results.frame.curve, strict=True))
    lines = ["At equal gradient norm (of all pairs of shares above 0, the one whose norms lie closest):", ""]
    for curve in dict.fromkeys(curves.values()):
        if curve != curves[results.baseline]:
            found = at_equal_norm(results, curve, curves[results.baseline])
            gain = signed(found.gain, found.deviation)
            lines.append(
                f"- {found.row} (norm {found.norm:.3f}) over {found.other} ({found.other_norm:.3f}): "
                f"{f'**{gain}**' if abs(found.gain) > found.half else gain} points of AP, 95% interval "
                f"{signed(found.gain - found.half)} to {signed(found.gain + found.half)}."
            )
    return "\n".join(lines)


def _gain(row: Mapping) -> str:
    """A gain in AP, bold where its 95% interval leaves out zero."""
    half = half_interval(row["gain_sd_AP"] ** 2 / row["seeds"], row["seeds"] - 1)
    gain = signed(row["gain_AP"], row["gain_sd_AP"])
    return f"**{gain}**" if abs(row["gain_AP"]) > half else gain


@app.command()
def main(
    results: Annotated[Path, typer.Option(help="Folder of result files.")] = Path("results"),
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("docs/results.md"),
) -> None:
    """Write docs/results.md from the files in results/.

    Example: `obcn analyse results-page`
    """
    try:
        output.write_text(results_page(results) + "\n", encoding="utf-8")
        (output.parent / "results").mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error
    typer.echo(str(output))
    figures = {
        output.parent / "results" / f"{name}.svg": study_figure(found) for name, found in _studies(results).items()
    }
    if figures and (reason := draw_pictures(figures)) is not None:
        raise UserError(f"the page is written, but not its figures: {reason}")


if __name__ == "__main__":
    run(app)
