"""Loss and gradient against the error: L2, Smooth L1 and the cross entropy of offset bins (Eqs. 2-4, 7 and 8).

Needs no data. The paper's argument: L2's gradient grows without bound, Smooth L1's stops at 1 but is the same for
every far-off sample, and the cross entropy's follows how wrong the whole distribution is and stays within 1.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from analysis.output import Picture, run, script, write_figures, write_tables
from obcn.errors import UserError
from obcn.figures.loss_curves import loss_and_gradient_figure
from obcn.tables.loss_curves import loss_curves

app = script()


@app.command(no_args_is_help=False)
def main(
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("runs/losses"),
    beta: Annotated[list[float], typer.Option(help="Of Smooth L1; repeat for more.")] = [1 / 9, 1.0, 2.0],  # noqa: B006
    spread: Annotated[list[float], typer.Option(help="Of a bin head's belief; repeat for more.")] = [0.3, 0.6],  # noqa: B006
    reach: Annotated[float, typer.Option(min=0.1, help="Largest error drawn, normalised offset.")] = 3.0,
    picture: Annotated[Picture, typer.Option(help="Kind of picture beside each page.")] = "svg",
) -> None:
    """Draw loss and gradient of each box loss against the error (Eqs. 2-4, 7 and 8); needs no data.

    Example: `obcn analyse loss-gradients --beta 1 --beta 2 --output runs/losses`
    """
    if min([*beta, *spread]) <= 0:
        raise UserError("every beta and spread must be above 0")
    curves = loss_curves(np.linspace(-reach, reach, 601), beta, spread)
    write_tables(output, {"loss_gradients": curves})
    write_figures(output, {"loss_gradients": loss_and_gradient_figure(curves)}, picture)


if __name__ == "__main__":
    run(app)
