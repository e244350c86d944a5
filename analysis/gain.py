"""Where does OBCN's gain come from: its bins, its louder loss, or its class-agnostic boxes?

Three studies on a frozen trunk (``studies/gain_*.yaml``): the weight of each head's box loss, box branches that cannot
touch the class scores, and a trunk trained for two epochs only. Run as :mod:`analysis.ablation` runs every study; this
script adds the figure that they are about, AP50 against AP90 as the weight moves.
"""

from pathlib import Path
from typing import Annotated

import typer

from analysis.ablation import DATA, print_study, work_out
from analysis.frozen.study import load_protocol, load_study
from analysis.output import Picture, run, script, write_figures, write_tables
from analysis.study_figures import gains_figure, trade_figure
from analysis.study_results import write_results
from obcn.checkpoints import find_checkpoint
from obcn.errors import UserError

STUDIES = ("gain_weights", "gain_separate", "gain_young")

app = script("Where OBCN's gain comes from: loss weights, separate branches, a young trunk.")


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Where the photos lie, a YAML as `obcn train` takes it.")] = DATA,
    output: Annotated[Path, typer.Option(help="Folder to write tables, figures and results into.")] = Path("runs/gain"),
    work: Annotated[
        Path, typer.Option(help="Folder of features, states and outcomes; a stopped run goes on from there.")
    ] = Path("runs/frozen"),
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside each page.")] = "svg",
) -> None:
    """Train, judge, print and draw the three studies.

    Example: `python -m analysis.gain --output runs/gain`

    The young trunk does not ship; without it that study is left out, and the command that makes it is printed.
    """
    protocol = load_protocol()
    for name in STUDIES:
        study = load_study(name)
        if study.trunk is not None and not _is_there(study.trunk):
            typer.echo(
                f"{name} is left out: {study.trunk} is missing. It comes from\n"
                f"  obcn train compact_trunk --data {data} --output {Path(study.trunk).parent}",
                err=True,
            )
            continue
        results = work_out(study, protocol, data, work)
        print_study(results)
        write_results(output / f"{name}.json", results)
        write_tables(output, {name: results.frame})
        draw = gains_figure if results.axis is None else trade_figure
        write_figures(output, {name: draw(results)}, picture)


def _is_there(checkpoint: str) -> bool:
    try:
        find_checkpoint(checkpoint)
    except UserError:
        return False
    return True


if __name__ == "__main__":
    run(app)
