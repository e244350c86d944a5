"""The paper's ablations, and ours, on a frozen trunk: Tables 1 to 3, Figure 5, and what the paper leaves open.

Every row is a fresh head trained on the same frozen trunk, photos, candidates and schedule (``studies/protocol.yaml``),
several times with other seeds. A study is one YAML in ``studies/``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from analysis.frozen.runner import Workplace, run_study, trunk_name
from analysis.output import Picture, run, script, typed_command, write_figures, write_tables
from obcn.checkpoints import find_checkpoint
from obcn.data import Annotations, load_data_config, read_annotations
from obcn.errors import UserError
from obcn.figures.studies import study_figure
from obcn.metrics import OF_A_STUDY
from obcn.studies.paper import load_paper
from obcn.studies.study import Protocol, Study, load_protocol, load_study, study_names
from obcn.studies.study_results import StudyResults, compare, read_results, write_results
from obcn.studies.tables import study_table
from obcn.tables.frames import rows_of

COMMITTED = Path("results/frozen-trunk")
DATA = Path("docs/voc2012-animals/data.yaml")
WORK = Path("runs/frozen")

app = script()


def read_photos(data: Path) -> tuple[Annotations, Annotations]:
    """Photos to train on and to judge on.

    Raises:
        UserError: they cannot be read; of the photos that studies take by default, what to give instead.
    """
    try:
        return read_annotations(load_data_config(data))
    except UserError as error:
        if data != DATA:
            raise
        raise UserError(
            f"{error}; give --data a data file of your own photos, or work in a clone with those of docs/data.md in it"
        ) from error


def work_out(study: Study, protocol: Protocol, data: Path, work: Path) -> StudyResults:
    """Train and judge what a study lacks, and sum it up.

    Args:
        study: what to compare.
        protocol: how everything is trained, of :func:`obcn.studies.study.load_protocol`.
        data: YAML that says where the photos lie, as ``obcn train`` takes it.
        work: folder of features, states and outcomes, to go on from.

    Raises:
        UserError: data or trunk cannot be read, or a training run diverges.
    """
    try:
        find_checkpoint(protocol.trunk)
    except UserError as error:
        raise UserError(
            f"the study's trunk {protocol.trunk} is not here: work in a clone, which brings it or tells in "
            "docs/data.md how to train it; --data gives it photos of your own"
        ) from error
    place = Workplace(*read_photos(data), work)
    outcomes = run_study(study, protocol, place)
    metrics = outcomes.metrics
    figures = {name: row.figures() for name, row in load_paper().rows.items()}
    return StudyResults(
        title=study.title,
        question=study.question,
        baseline=study.baseline,
        paper_table=study.paper_table,
        axis=study.axis,
        figure=study.figure,
        command=typed_command(),
        commits=outcomes.commits,
        dates=outcomes.dates,
        data=data.parent.name,
        photos=(len(place.train_set), len(place.val_set)),
        trunk=trunk_name(protocol.trunk),
        protocol=protocol,
        table=rows_of(study_table(study, metrics, figures)),
        outcomes={row.name: {seed: {**metrics[row.name, seed]} for seed in protocol.seeds} for row in study.rows},
    )


def print_study(results: StudyResults) -> None:
    """Mean and standard deviation over seeds, gains, and the paper's figures."""
    table = Table(title=results.title)
    for heading in ("", *OF_A_STUDY, "gain in AP", "paper's AP", "paper's gain"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in rows_of(results.frame):
        cells = [_spread(row, figure, f"{figure}_sd") for figure in OF_A_STUDY]
        compared = row["row"] != results.baseline
        gain = _spread(row, "gain_AP", "gain_sd_AP", "+") if compared else ""
        paper = [_number(row.get("paper_AP")), _number(row.get("paper_gain_AP"), "+") if compared else ""]
        table.add_row(row["row"], *cells, gain, *paper)
    Console().print(table)


def _spread(row: dict, mean: str, deviation: str, sign: str = "") -> str:
    spread = "" if pd.isna(row[deviation]) else f" ± {row[deviation]:.1f}"
    return f"{row[mean]:{sign}.1f}{spread}"


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None or pd.isna(value) else f"{value:{sign}.1f}"


def run_studies(
    names: Sequence[str],
    data: Path,
    output: Path,
    work: Path,
    picture: Picture,
) -> None:
    """Work studies out, print them, and write NAME.json, NAME.csv and the figure of each.

    Args:
        names: of studies.
        data: as in :func:`work_out`.
        output: folder to write into.
        work: as in :func:`work_out`.
        picture: kind of picture beside each page.

    Raises:
        UserError: no such study, or as :func:`work_out`.
    """
    for name, study in [(name, load_study(name)) for name in names]:
        results = work_out(study, load_protocol(study), data, work)
        print_study(results)
        committed = COMMITTED / f"{name}.json"
        if committed.is_file() and committed.parent.resolve() != output.resolve():
            typer.echo(compare(results, read_results(committed)))
        write_results(output / f"{name}.json", results)
        write_tables(output, {name: results.frame})
        write_figures(output, {name: study_figure(results)}, picture)


DataOption = Annotated[Path, typer.Option(help="Where the photos lie, a YAML as `obcn train` takes it.")]
OutputOption = Annotated[Path, typer.Option(help="Folder to write tables, figures and results into.")]
WorkOption = Annotated[
    Path, typer.Option(help="Folder of features, states and outcomes; a stopped run goes on from there.")
]
PictureOption = Annotated[Picture, typer.Option(help="Kind of picture beside each page.")]


@app.command()
def main(
    table: Annotated[
        list[str],
        typer.Option(help=f"Which: 1, 2, 3 or figure5 as in the paper, or one of {', '.join(study_names())}."),
    ],
    data: DataOption = DATA,
    output: OutputOption = Path("runs/ablation"),
    work: WorkOption = WORK,
    picture: PictureOption = "svg",
) -> None:
    """Train and judge heads on a frozen trunk: the paper's Tables 1 to 3, Figure 5, and others.

    Example: `obcn analyse ablation --table 1 --output runs/ablation`

    Minutes per head and seed on one core; stop it and call it again as you like: what was worked out before is not
    worked out again. Where `results/frozen-trunk` holds the same study, the difference from it is printed too.
    """
    names = [f"table{name}" if name.isdigit() else name for name in table]
    run_studies(names, data, output, work, picture)


if __name__ == "__main__":
    run(app)
