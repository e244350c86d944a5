"""How long visitors of Errors, Loss lab, Results and Models wait, server side: ``python -m benchmarks.page_latency``.

Opens each page's own script with Streamlit's test runner in place of a browser and moves one control after another.
Errors looks at two files of random records. Compare and Explore have benchmarks of their own.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from streamlit.testing.v1 import AppTest

from benchmarks.records_growth import write_random_records
from benchmarks.timing import LEGEND, LIMIT, Change, machine, report, timed

MAIN = Path(__file__).parents[1] / "app" / "main.py"
ROUNDS = 5


def main(rows: Annotated[int, typer.Option(min=1000, help="Objects in each of the two files.")] = 200_000) -> None:
    """Measure, print, and exit with 1 if an interaction takes longer than the aim."""
    typer.echo(f"{machine()}; {LEGEND}")
    medians = [_loss_lab(), _results(), _models()]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{model}.parquet" for model in ("one", "other")]
        for seed, path in enumerate(files):
            write_random_records(path, rows, path.stem, seed)
        medians.append(_errors(files, rows))
    if max(medians) > LIMIT:
        raise SystemExit(1)


def _loss_lab() -> float:
    return _page(
        "loss_lab",
        {
            "error dragged": lambda app, k: app.slider(key="error").set_value(0.5 * k),
            "step dragged": lambda app, k: app.slider(key="step").set_value(10 * k),
            "number of bins": lambda app, k: app.slider(key="m").set_value(10 + k),
            "all losses and one fewer": lambda app, k: app.button_group(key="losses").set_value(
                ["L2", "Smooth L1", "GIoU", "offset bins", "DFL", "D-FINE", "distance bins"][: 7 - k % 2]
            ),
        },
    )


def _results() -> float:
    def another_study(app: AppTest, k: int) -> None:
        choice = app.selectbox(key="chosen-study")
        choice.select_index(k % len(choice.options))

    return _page("results", {"another study": another_study})


def _models() -> float:
    return _page("models", {"drawn again": lambda app, k: None})


def _errors(files: list[Path], rows: int) -> float:
    return _page(
        "errors",
        {
            "unit": lambda app, k: app.segmented_control(key="unit").set_value(("normalised offset", "pixels")[k % 2]),
            "a bar chosen": lambda app, k: app.selectbox(key="pick-class").select_index(k),
        },
        f", {rows:,} objects",
        files=[str(path) for path in files],
    )


def _page(view: str, changes: dict[str, Callable[[AppTest, int], object]], of: str = "", **address: list[str]) -> float:
    """Time a page; the slowest median of its interactions."""
    app = AppTest.from_file(str(MAIN), default_timeout=600)
    app.query_params.update(address)
    app.switch_page(f"{view}/page.py")
    typer.echo(f"{f'{view} opened{of}':<44}{timed(app)[0]:.2f}")
    medians = []
    for what, change in changes.items():
        moves: list[Change] = [partial(change, app, k) for k in range(ROUNDS + 1)]
        # Once unmeasured: what is looked at for the first time is worked out.
        timed(app, moves.pop())
        medians.append(report(f"  {what}", app, moves))
    return max(medians)


if __name__ == "__main__":
    typer.run(main)
