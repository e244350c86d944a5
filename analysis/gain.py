"""Where does OBCN's gain come from: its bins, its louder loss, or its class-agnostic boxes?

Seven studies on a frozen trunk (``gain_*.yaml`` and ``shared_gradient.yaml`` in ``obcn/studies``): the weight of each
head's box loss, box branches that cannot touch the class scores, the two crossed with more seeds, the weights there,
heads of equal size, what the box loss does to shared layers, and a trunk trained for two epochs only. Run as
:mod:`analysis.ablation` runs every study; those of weights draw AP50 against AP90 as the weight moves.
"""

from pathlib import Path

import typer

from analysis.ablation import DATA, WORK, DataOption, OutputOption, PictureOption, WorkOption, run_studies
from analysis.output import run, script
from obcn.studies.study import load_study

OF_ONE_TRUNK = (
    "gain_weights",
    "gain_separate",
    "gain_branches",
    "gain_separate_weights",
    "gain_capacity",
    "shared_gradient",
)

app = script()


@app.command()
def main(
    data: DataOption = DATA,
    output: OutputOption = Path("runs/gain"),
    work: WorkOption = WORK,
    picture: PictureOption = "svg",
) -> None:
    """Train and judge the seven studies of where OBCN's gain comes from.

    Example: `obcn analyse gain --output runs/gain`

    The young trunk does not ship; without it that study is left out, and the command that makes it is printed.
    """
    run_studies([*OF_ONE_TRUNK], data, output, work, picture)
    young = Path(load_study("gain_young").trunk or "")
    if young.is_file():
        run_studies(["gain_young"], data, output, work, picture)
    else:
        typer.echo(
            f"gain_young is left out: there is no {young}. This makes it:\n"
            f"  obcn train compact_trunk --data {data} --output {young.parent}",
            err=True,
        )


if __name__ == "__main__":
    run(app)
