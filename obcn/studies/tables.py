"""A study's outcomes as tables: means and standard deviations over seeds, gains seed by seed, the paper beside them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from obcn.metrics import OF_THE_PAPER
from obcn.studies.study import Study

Metrics = dict[str, float]

# Two-sided 95% quantiles of Student's t by degrees of freedom; with a handful of seeds the normal's 1.96 flatters.
_T95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23}


def study_table(
    study: Study, outcomes: Mapping[tuple[str, int], Metrics], paper: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row per row of the study.

    Columns: ``row``; ``seeds``, how many; ``curve`` and ``at`` as in the study; for each figure its mean in percent and
    ``_sd``, the standard deviation over seeds (of a sample: divided by one less than there are; empty for one seed);
    ``gain_`` and ``gain_sd_`` of AP, AP50 and AP90, the mean and standard deviation of the difference from the
    baseline taken seed by seed, in points; and where the paper has the row, ``paper_`` of each figure and
    ``paper_gain_`` likewise.

    Args:
        study: what was compared.
        outcomes: figures by row name and seed.
        paper: the paper's figures by the names that rows use.
    """
    seeds = sorted({seed for _, seed in outcomes})
    in_paper = {row.name: paper[row.paper] for row in study.rows if row.paper is not None}
    lines = []
    for row in study.rows:
        line: dict[str, object] = {"row": row.name, "seeds": len(seeds)}
        if row.curve is not None:
            line |= {"curve": row.curve, "at": row.at}
        for figure in OF_THE_PAPER:
            line |= _spread(figure, f"{figure}_sd", [outcomes[row.name, seed][figure] for seed in seeds])
        for figure in ("AP", "AP50", "AP90"):
            gains = [outcomes[row.name, seed][figure] - outcomes[study.baseline, seed][figure] for seed in seeds]
            line |= _spread(f"gain_{figure}", f"gain_sd_{figure}", gains)
        if row.name in in_paper:
            line |= {f"paper_{figure}": value for figure, value in in_paper[row.name].items()}
            if study.baseline in in_paper:
                ours, base = in_paper[row.name], in_paper[study.baseline]
                line |= {f"paper_gain_{figure}": ours[figure] - base[figure] for figure in ("AP", "AP50", "AP90")}
        lines.append(line)
    return pd.DataFrame(lines)


def half_interval(variance_of_mean: float, degrees_of_freedom: int) -> float:
    """Half the width of the 95% confidence interval of a mean, by Student's t.

    Args:
        variance_of_mean: the squared standard error.
        degrees_of_freedom: at least 1; above 10 the quantile of 10 is taken, which is a little wide.
    """
    return _T95[min(degrees_of_freedom, max(_T95))] * variance_of_mean**0.5


def _spread(mean: str, deviation: str, values: list[float]) -> dict[str, float]:
    return {mean: float(np.mean(values)), deviation: float(np.std(values, ddof=1)) if len(values) > 1 else np.nan}
