"""Results: what our commands measured, beside the paper's figures, each with the command that measured it."""

import re
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import detectors
from app.components.chart import chart
from app.exports import export_figures, export_table
from app.markup import plain
from app.results.folder import RESULTS, comparison_table, evaluation_rows, read_folder, study_rows
from app.tables import html_table
from app.widgets import theme_palette
from obcn.checkpoints import Card, Evaluation, Training
from obcn.errors import UserError
from obcn.figures.gains import fitted, paper_gains_figure
from obcn.figures.lines import model_lines
from obcn.figures.palette import Palette
from obcn.figures.precision import ap_figure
from obcn.figures.studies import study_figure
from obcn.studies.findings import ORDER, fill_in, verdict
from obcn.studies.paper import Paper, load_paper
from obcn.studies.study import load_study
from obcn.studies.study_results import StudyResults
from obcn.tables.frames import rows_of

# Pixels that the title takes in a figure of analysis; on the page the heading stands above it.
ROOM_OF_TITLE = 80

# What to look for in each kind of a study's figure.
LOOK = {
    "gains": "To the right of the line is a gain over the baseline. Circles are single seeds, the dot is their mean.",
    "curves": "Each line is a kind of head; numbers run along the axis. Bars: one standard deviation over seeds.",
    "trade": "Up and to the right is better. The numbers at the marks are the {axis}. Bars: one standard deviation.",
}


def main() -> None:
    """Draw the page."""
    st.header("Results", anchor=False)
    paper = load_paper()
    st.markdown(
        "What our commands measured, beside the paper's own figures. **Compare gains, not levels**: our photos are "
        "others, and our detectors far smaller."
    )
    found = read_folder(RESULTS)
    for problem in found.problems:
        st.warning(plain(problem), icon=":material/error:")
    if not found.evaluations and not found.studies:
        _explain_measuring()
        return
    palette = theme_palette()
    for folder, evaluations in found.evaluations.items():
        _show_evaluations(folder, evaluations, found.curves.get(folder), paper, palette)
    if found.studies:
        _show_studies(found.studies, palette)
    st.caption(f"The paper: {paper.source}. Its figures: {paper.setting}.")


# Detectors trained end to end


def _show_evaluations(
    folder: str, evaluations: Mapping[str, Evaluation], curves: pd.DataFrame | None, paper: Paper, palette: Palette
) -> None:
    st.subheader(f"Detectors trained end to end: {folder}", anchor=False)
    images = sorted({evaluation.images for evaluation in evaluations.values()})
    st.caption(
        f"AP in percent on {' or '.join(map(str, images))} photos that no head was trained on; rows that name "
        "no seed are of seed 0. Rows that say argmax, one stage, voting or plain read the same head another way (two "
        "looks is a head of its own, as large as obcn); plain is without ranking by certainty and voting, as in the "
        "paper, so only such rows stand beside it. Gains in points, over regression of the same seed."
    )
    rows = evaluation_rows(evaluations, paper)
    st.html(html_table(comparison_table(rows), f"Evaluations in {folder}, beside the paper's"))
    figures: dict[str, go.Figure] = {}
    if rows.gain_difference.notna().any():
        figures["Gain in AP over regression"] = paper_gains_figure(rows, palette)
    if curves is not None:
        lines = model_lines(list(curves.model.unique()), palette)
        # Two panels side by side would be too narrow on a telephone.
        figures["AP by IoU threshold"] = fitted(ap_figure(curves, lines, palette, ["ap"]), palette)
        if curves.difference.notna().any() and len(lines) > 1:
            difference = fitted(ap_figure(curves, lines, palette, ["difference"]), palette)
            figures[f"Gain over {next(iter(lines))} by IoU threshold"] = difference
    if figures:
        st.caption(
            "In this order: do both gain alike; how AP falls as boxes must fit better (thin: had every box near an "
            "object been right); and where the gain lies. Bands hold 95% of data sets drawn anew from the photos."
        )
        for (title, figure), column in zip(figures.items(), st.columns(len(figures)), strict=True):
            column.markdown(f"**{title}**")
            chart(figure, f"{folder}: {title}", column)
    with st.container(horizontal=True):
        if figures:
            export_figures(figures, f"figures-{folder}")
        export_table(rows, folder)
    with st.expander("Commands, commits and seeds"):
        for name, evaluation in evaluations.items():
            st.markdown(f"**{plain(name.replace('_', ' '))}**{_trained(evaluation)}")
            st.code(evaluation.command, language=None, wrap_lines=True)


def _trained(evaluation: Evaluation) -> str:
    """How the model of an evaluation came about, where it is one that the app knows."""
    named = re.search(r"--model (\S+)", evaluation.command)
    model = detectors.available_models().get(named[1]) if named else None
    return f": {_said(model.card.training)}" if model and isinstance(model.card, Card) else ""


def _said(training: Training) -> str:
    return plain(
        f"{training.epochs:g} epochs on {training.train_images} photos of {training.data}, seed {training.seed}, "
        f"commit {training.commit}, {training.date[:10]}"
    )


# Studies on a frozen trunk


def _show_studies(studies: Mapping[str, StudyResults], palette: Palette) -> None:
    st.subheader("Studies on a frozen trunk", anchor=False)
    names = sorted(studies, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    asked = st.query_params.get("study")
    name = st.selectbox(
        "Study",
        names,
        index=names.index(asked) if asked in names else 0,
        format_func=lambda name: studies[name].title,
        key="chosen-study",
    )
    # Not bound to the address, which would then carry the title.
    st.query_params["study"] = name
    study = studies[name]
    st.markdown(plain(study.question))
    st.caption(
        "Fresh heads on one frozen trunk, with the same photos and the same sampled candidates. "
        f"{len(study.protocol.seeds)} seeds; ± is the standard deviation over them, of gains seed by seed."
    )
    rows = study_rows(study)
    st.html(html_table(comparison_table(rows), f"{study.title}, beside the paper's"))
    figure = study_figure(study, palette)
    fitted(figure, palette, figure.layout.height - ROOM_OF_TITLE)
    if study.figure == "gains":
        # The baseline's name is too long for an axis on a telephone; the table's first row has it.
        figure.update_xaxes(title_text="gain in AP over the baseline, points")
    st.caption(LOOK[study.figure].format(axis=study.axis))
    chart(figure, study.title)
    st.markdown("\n".join(_verdicts(study)))
    if finding := _finding(name, study):
        st.markdown(finding)
    with st.container(horizontal=True):
        export_figures({study.title: figure}, f"figures-{name}")
        export_table(rows, study.title)
    with st.expander("Command, commits and seeds"):
        st.code(study.command, language=None, wrap_lines=True)
        st.markdown(
            plain(
                f"Commit {', '.join(study.commits)}; {study.dates[0][:10]} to {study.dates[1][:10]}; seeds "
                f"{', '.join(map(str, study.protocol.seeds))}; trunk {study.trunk}; data {study.data}, "
                f"{study.photos[0]} photos to train on and {study.photos[1]} to judge on."
            )
        )


def _verdicts(study: StudyResults) -> list[str]:
    frame = study.frame
    if "paper_gain_AP" not in frame:
        return []
    of_paper = frame[frame.paper_gain_AP.notna() & (frame.paper_gain_AP != 0)]
    return [
        verdict(row["row"], row["gain_AP"], row["gain_sd_AP"], int(row["seeds"]), row["paper_gain_AP"])
        for row in rows_of(of_paper)
    ]


def _finding(name: str, study: StudyResults) -> str:
    """What the study's file says of these results; nothing where it is of another study."""
    try:
        finding = load_study(name).finding
        return fill_in(finding.strip(), study) if finding else ""
    except UserError:
        return ""


def _explain_measuring() -> None:
    st.info("**There are no results yet.** These commands measure some:", icon=":material/monitoring:")
    st.code(
        "obcn eval --model obcn --images photos --annotations val.json --json results/mine/obcn.json\n"
        "obcn analyse ablation --table 1",
        language=None,
    )


main()
