"""What the studies found, in words: a finding with its figures filled in, and the paper's gains beside ours."""

import re

import pandas as pd

from obcn.errors import UserError
from obcn.studies.study_results import StudyResults
from obcn.studies.tables import half_interval

# The order of the page: the paper's tables, then what it leaves open.
ORDER = (
    "table1",
    "table2",
    "table3",
    "figure5",
    "cascade",
    "residuals",
    "second_look",
    "second_look_readings",
    "later_heads",
    "gain_weights",
    "gain_separate",
    "gain_branches",
    "gain_capacity",
    "shared_gradient",
    "gain_separate_weights",
    "gain_young",
)

_QUOTED = re.compile(r"\[\[(?P<row>[^\[\]]+?)(?: minus (?P<other>[^\[\]]+?))? \| (?P<figure>\w+)\]\]")


def fill_in(finding: str, results: StudyResults) -> str:
    """A finding with its figures: ``[[row | AP]]`` is a row's mean, ``[[row minus other | AP]]`` a difference.

    Differences are taken seed by seed and carry their standard deviation.

    Raises:
        UserError: the results have no such row or figure.
    """

    def figure(match: re.Match[str]) -> str:
        row, other, name = match["row"], match["other"], match["figure"]
        try:
            by_seed = pd.Series({seed: found[name] for seed, found in results.outcomes[row].items()}, dtype=float)
            if other is None:
                return f"{by_seed.mean():.1f}"
            gains = by_seed - pd.Series(
                {seed: found[name] for seed, found in results.outcomes[other].items()}, dtype=float
            )
        except KeyError as error:
            raise UserError(f"{results.title}: the finding names {error}, which the results do not have") from error
        return signed(gains.mean(), gains.std())

    return _QUOTED.sub(figure, finding)


def verdict(row: str, gain: float, deviation: float, seeds: int, paper_gain: float) -> str:
    """In plain words, whether we reproduce a gain or loss of the paper's, by our gain's 95% interval over seeds.

    Reproduced is what is clear, of the paper's sign, at least a quarter of its size, and has the paper's in it.
    Where the interval holds both nothing and the paper's gain, it decides neither.
    """
    paper_sees = "gains" if paper_gain > 0 else "loses"
    half = half_interval(deviation**2 / seeds, seeds - 1)
    ours = f"{signed(gain, deviation)} (95% interval {signed(gain - half)} to {signed(gain + half)})"
    seen, as_the_paper = abs(gain) > half, abs(gain - paper_gain) <= half
    share = gain / paper_gain
    if not seen and as_the_paper:
        end = f"{seeds} seeds cannot tell: {ours}."
    elif not seen:
        end = f"**not reproduced**: {ours}."
    elif share < 0:
        end = f"**not reproduced**, we see the opposite: {ours}."
    elif share < 0.25:
        end = f"**not reproduced**, less than a quarter of it: {ours}."
    elif not as_the_paper:
        end = f"**not reproduced** at that size, ours is {'larger' if share > 1 else 'smaller'}: {ours}."
    else:
        end = f"reproduced: {ours}."
    return f"- {row}: the paper {paper_sees} {abs(paper_gain):.1f} points of AP; {end}"


def signed(value: float, deviation: float | None = None) -> str:
    """A figure with its sign and one decimal, and ± its deviation."""
    spread = "" if deviation is None else f" ± {deviation:.1f}"
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}") + spread
