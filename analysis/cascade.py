"""Table 4 at the scale that fits: one head or a cascade of two, regressing or classifying, on a frozen trunk.

As in the paper the cascade's foreground IoUs are 0.5 and 0.7, its bins have one stage, and scores are averaged.
"""

from pathlib import Path

from analysis.ablation import DATA, WORK, DataOption, OutputOption, PictureOption, WorkOption, run_studies
from analysis.output import run, script

app = script()


@app.command()
def main(
    data: DataOption = DATA,
    output: OutputOption = Path("runs/cascade"),
    work: WorkOption = WORK,
    picture: PictureOption = "svg",
) -> None:
    """Train and judge Table 4's heads on a frozen trunk: alone and in a cascade of two.

    Example: `obcn analyse cascade --output runs/cascade`
    """
    run_studies(["cascade"], data, output, work, picture)


if __name__ == "__main__":
    run(app)
