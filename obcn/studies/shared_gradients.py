"""What box losses ask of the layers that they share with the class scores, and who wins where two ask equally much."""

import math
from dataclasses import dataclass

import pandas as pd

from obcn.studies.study_results import StudyResults
from obcn.studies.tables import half_interval

# Figures that heads with a gate have beside AP, means over a run after its warm-up (analysis/frozen/gradients.py).
OF_CLASSES = "shared_gradient_classes"
OF_BOXES = "shared_gradient_boxes"
COSINE = "shared_gradient_cosine"


@dataclass(frozen=True)
class EqualNorm:
    """A loss against another, each at the share whose gradient in the shared layers is nearest to the other's.

    Attributes:
        row: of the one loss, and ``norm``, its box loss's mean gradient norm there.
        norm: mean over seeds.
        other: row of the other loss.
        other_norm: mean over seeds.
        gain: points of AP of ``row`` over ``other``, mean over seeds.
        deviation: its standard deviation over seeds.
        half: half the width of its 95% interval, by Student's t.
    """

    row: str
    norm: float
    other: str
    other_norm: float
    gain: float
    deviation: float
    half: float


def has_shared_gradients(results: StudyResults) -> bool:
    """Whether every head of a study had a gate, and so a measured gradient."""
    return all(OF_BOXES in found for by_seed in results.outcomes.values() for found in by_seed.values())


def shared_gradient_table(results: StudyResults) -> pd.DataFrame:
    """One row per row of the study: ``row``, ``curve``, ``at`` (the share g), and the means over seeds of AP, of the
    two gradients' norms and of the cosine between them (NaN at g = 0, where there is none)."""
    columns = ["AP", OF_CLASSES, OF_BOXES, COSINE]
    means = {row: pd.DataFrame(by_seed, dtype=float).T[columns].mean() for row, by_seed in results.outcomes.items()}
    frame = results.frame[["row", "curve", "at"]]
    return frame.join(pd.DataFrame(means).T, on="row")


def at_equal_norm(results: StudyResults, curve: str, other: str) -> EqualNorm:
    """The gain of one curve's loss over another's at the pair of shares whose norms lie closest, as a ratio.

    Shares of 0 are left out: nothing reaches the shared layers there, by either loss.

    Raises:
        ValueError: a curve has no share above 0.
    """
    table = shared_gradient_table(results)
    table = table[table[OF_BOXES] > 0]
    ours, theirs = (table[table.curve == name] for name in (curve, other))
    row, norm, there, other_norm = min(
        (
            (row, norm, there, other_norm)
            for row, norm in zip(ours.row, ours[OF_BOXES], strict=True)
            for there, other_norm in zip(theirs.row, theirs[OF_BOXES], strict=True)
        ),
        key=lambda pair: abs(math.log(pair[1] / pair[3])),
    )
    ap = {
        name: pd.Series({seed: found["AP"] for seed, found in results.outcomes[name].items()}) for name in (row, there)
    }
    gains = (ap[row] - ap[there]).astype(float)
    deviation = float(gains.std())
    half = half_interval(deviation**2 / len(gains), len(gains) - 1) if len(gains) > 1 else math.nan
    return EqualNorm(row, norm, there, other_norm, float(gains.mean()), deviation, half)
