"""Is a head's own uncertainty honest? Reliability of its probabilities and of its spread.

Only heads with a distribution have either; regression has no rows here. Rows are detections that match an object, and
no others. What honest means is asked of an ideal head with the same labels (:mod:`obcn.tables.ideal`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from obcn.tables.matched import MatchedRows

if TYPE_CHECKING:
    from obcn.tables.ideal import StageLabels

GROUPS = 10
DRAWS = 1000
_GROUP = ["model", "stage", "coordinate", "count", "low", "high"]


def reliability_of_bins(models: Sequence[MatchedRows]) -> pd.DataFrame:
    """How much of the true offset's label is on the most probable bin, against the probability given to it.

    With the one-hot labels of OBCN's bins that is how often the most probable bin is the true one. Labels that spread
    over neighbours leave even an ideal head less sure of a bin than it is often right.

    Rows are sorted by that probability and cut into ten groups of equal count: a head spreads its belief over several
    bins, so that groups of equal width would stand empty but for a few. One row per model, stage, coordinate and
    group. Columns: ``count``, ``confidence`` (mean probability of the top bin; ``low`` and ``high`` its least and
    greatest), ``accuracy`` (mean share of the label there).
    """
    rows = []
    for model, stage, coordinate in _distributions(models):
        at = f"stage{stage}"
        names = [f"{at}_{name}_{coordinate}" for name in ("p_top", "top_bin", "true_bin", "offset_true")]
        confidence, top, true, offset_true = model.values(names)
        labels = _labels(model, stage)
        right = top == true if labels is None else _share_on(labels, offset_true, top)
        for part in _groups(confidence):
            rows.append(
                {
                    "model": model.name,
                    "stage": stage,
                    "coordinate": coordinate,
                    "count": len(part),
                    "low": float(confidence[part[0]]),
                    "high": float(confidence[part[-1]]),
                    "confidence": float(confidence[part].mean(dtype=np.float64)),
                    "accuracy": float(right[part].mean()),
                }
            )
    return pd.DataFrame(rows, columns=[*_GROUP, "confidence", "accuracy"])


def reliability_of_spread(models: Sequence[MatchedRows]) -> pd.DataFrame:
    """The error that there is against the error that the spread predicts, in normalised offsets.

    Rows are sorted by predicted spread and cut into ten groups of equal count. The error is the one left after the
    stage. One row per model, stage, coordinate and group. Columns: ``count``, ``spread`` (root mean square of the
    predicted standard deviation; ``low`` and ``high`` its least and greatest), ``rms_error``, and ``rms_if_honest``:
    the error of an ideal head of this spread, which is the spread without what the labels add to it. Per row its square
    is spread^2 - (variance of the label) - (distance of the target from the label's mean)^2: the last is what rounding
    to the middle of a bin adds (Sheppard's correction), left out beyond the stage's range, where nothing is rounded.
    """
    rows = []
    for model, stage, coordinate in _distributions(models):
        spread, error = _spread_and_error(model, stage, coordinate)
        honest = _honest_square(model, stage, coordinate, spread)
        for part in _groups(spread):
            rows.append(
                {
                    "model": model.name,
                    "stage": stage,
                    "coordinate": coordinate,
                    "count": len(part),
                    "low": float(spread[part[0]]),
                    "high": float(spread[part[-1]]),
                    "spread": _rms(spread[part]),
                    "rms_error": _rms(error[part]),
                    "rms_if_honest": float(np.sqrt(max(honest[part].mean(), 0.0))),
                }
            )
    return pd.DataFrame(rows, columns=[*_GROUP, "spread", "rms_error", "rms_if_honest"])


def calibration_summary(models: Sequence[MatchedRows], bins: pd.DataFrame, spreads: pd.DataFrame) -> pd.DataFrame:
    """One row per model, stage and coordinate of every bin head, of its detections that match an object.

    Takes the tables of :func:`reliability_of_bins` and :func:`reliability_of_spread`. Columns:

    - ``ece``: expected calibration error of the bins, the mean over rows of |accuracy - confidence| in their group;
    - ``ece_if_honest``: what it stays below in 97.5% of draws where each group is right as often as it says: with few
      rows an honest head has an error too;
    - ``spread_error``: expected normalised calibration error of the spread, the mean over groups of
      |rms_error - rms_if_honest| / rms_if_honest (Levi et al., "Evaluating and Calibrating Uncertainty Prediction",
      2019, where it is the spread itself);
    - ``correlation``, ``rank_correlation``: of predicted spread and size of the error (Pearson, Spearman);
    - ``rank_correlation_px``: the same for the final error in pixels, where large objects alone make some of it;
    - ``nll``: mean -log probability of the true bin, nats; ``entropy``: mean entropy, nats (they agree if honest);
    - ``in_tail``: share of rows whose truth lies in an outermost bin of the stage: for bins, out of its range; for
      heads with support points, nearer to an end point than to any other.
    """
    rows = []
    for model, stage, coordinate in _distributions(models):
        own_bins = _of(bins, model, stage, coordinate)
        own_spreads = _of(spreads, model, stage, coordinate)
        gap = (own_bins.accuracy - own_bins.confidence).abs()
        spread, error = _spread_and_error(model, stage, coordinate)
        names = [f"stage{stage}_{name}_{coordinate}" for name in ("spread_px", "p_true", "entropy", "true_bin")]
        spread_px, p_true, entropy, true_bin, error_px = model.values([*names, f"error_px_{coordinate}"])
        tail = model.info.bins[stage - 1] - 1
        rows.append(
            {
                "model": model.name,
                "stage": stage,
                "coordinate": coordinate,
                "count": len(spread),
                "ece": float(np.average(gap, weights=own_bins["count"])),
                "ece_if_honest": _ece_if_honest(own_bins),
                "spread_error": float(
                    ((own_spreads.rms_error - own_spreads.rms_if_honest).abs() / own_spreads.rms_if_honest).mean()
                ),
                "correlation": _correlation(spread, np.abs(error)),
                "rank_correlation": rank_correlation(spread, np.abs(error)),
                "rank_correlation_px": rank_correlation(spread_px, np.abs(error_px)),
                "nll": float(-np.log(np.maximum(p_true, 1e-38)).mean(dtype=np.float64)),
                "entropy": float(entropy.mean(dtype=np.float64)),
                "in_tail": float(np.isin(true_bin, (0, tail)).mean()),
            }
        )
    return pd.DataFrame(rows)


def _ece_if_honest(groups: pd.DataFrame) -> float:
    """97.5% quantile of the expected calibration error of a head that is right as often as it says."""
    counts, confidence = groups["count"].to_numpy(), groups.confidence.to_numpy().clip(0, 1)
    right = np.random.default_rng(0).binomial(counts, confidence, (DRAWS, len(counts)))
    errors = np.average(np.abs(right / counts - confidence), axis=1, weights=counts)
    return float(np.quantile(errors, 0.975))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation: Pearson's of the ranks, equals sharing their mean rank; NaN where one is constant."""
    return _correlation(pd.Series(one).rank().to_numpy(), pd.Series(other).rank().to_numpy())


def _distributions(models: Sequence[MatchedRows]):
    for model in models:
        for stage in range(1, model.info.num_stages + 1):
            for coordinate in model.info.coordinates:
                yield model, stage, coordinate


def _groups(values: np.ndarray) -> list[np.ndarray]:
    """Rows in ten groups of equal count by rising value; fewer groups where there are fewer rows."""
    return [part for part in np.array_split(np.argsort(values, kind="stable"), GROUPS) if len(part)]


def _spread_and_error(model: MatchedRows, stage: int, coordinate: str) -> tuple[np.ndarray, np.ndarray]:
    """Predicted standard deviation of a stage and the error left after it, normalised."""
    names = [f"stage{stage}_{name}_{coordinate}" for name in ("spread", "offset", "offset_true")]
    spread, offset, true = model.values(names)
    return spread, offset - true


def _labels(model: MatchedRows, stage: int) -> "StageLabels | None":
    """What a stage is trained on; None where the file's card does not say: then labels count as one-hot."""
    if not model.info.card:
        return None
    from obcn.tables.ideal import card_stages  # brings PyTorch, which reading a million rows has no room for

    stages = card_stages(model.info.card)
    return stages[stage - 1] if len(stages) == model.info.num_stages else None


def _share_on(labels: "StageLabels", targets: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """(rows,) how much of each target's label is on the given bin."""
    from obcn.tables.ideal import label_moments

    return np.take_along_axis(label_moments(labels, targets).share, bins[:, None].astype(np.int64), axis=1)[:, 0]


def _honest_square(model: MatchedRows, stage: int, coordinate: str, spread: np.ndarray) -> np.ndarray:
    """(rows,) squared error to expect of an ideal head of this spread; see :func:`reliability_of_spread`."""
    labels, square = _labels(model, stage), np.square(spread, dtype=np.float64)
    if labels is None:
        return square
    from obcn.tables.ideal import label_moments

    (targets,) = model.values([f"stage{stage}_offset_true_{coordinate}"])
    found = label_moments(labels, targets)
    rounding = np.where(np.abs(targets) < found.reach, np.square(targets - found.mean), 0.0)
    return square - found.variance - rounding


def _of(table: pd.DataFrame, model: MatchedRows, stage: int, coordinate: str) -> pd.DataFrame:
    return table[(table.model == model.name) & (table.stage == stage) & (table.coordinate == coordinate)]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    if len(one) < 2 or one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
