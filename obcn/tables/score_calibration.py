"""Are a detector's scores honest? D-ECE and LaECE, of all its detections, those that match nothing included."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from obcn.records.files import read_records
from obcn.tables.matched import model_names

# Both papers' numbers of bins over the scores.
D_ECE_BINS = 20
LA_ECE_BINS = 25


def score_calibration(paths: Sequence[Path]) -> pd.DataFrame:
    """One row per record file, of its detections that are on no ignored object.

    Columns: ``detections``, how many; ``d_ece``, the detection calibration error by score alone (Kueppers et al.,
    "Multivariate Confidence Calibration for Object Detection", CVPRW 2020): the mean over detections of
    |precision - mean score| in their twentieth of the scores; ``la_ece``, the localisation-aware one (Oksuz et al.,
    "Towards Building Self-Aware Object Detectors", CVPR 2023): class by class, in twenty-fifths, |mean score -
    precision x mean IoU of those that match|, the mean over the classes that have detections. A detection matches at
    IoU 0.5, as everywhere in a record file, where LaECE's authors take 0.1 as well.

    Raises:
        UserError: not a record file.
    """
    rows = []
    for path, name in zip(paths, model_names(paths), strict=True):
        table = read_records(path, ["score", "outcome", "category", "iou"]).to_pandas()
        table = table[table.outcome.isin(["matched", "unmatched"])]
        matched = (table.outcome == "matched").to_numpy()
        score = table.score.to_numpy(dtype=np.float64)
        iou = table.iou.fillna(0.0).to_numpy(dtype=np.float64)
        classes = table.category.astype(str).to_numpy()
        of_class = [
            localisation_aware_error(score[classes == one], matched[classes == one], iou[classes == one])
            for one in np.unique(classes)
        ]
        rows.append(
            {
                "model": name,
                "detections": len(table),
                "d_ece": detection_error(score, matched),
                "la_ece": float(np.mean(of_class)) if of_class else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def detection_error(score: np.ndarray, matched: np.ndarray, bins: int = D_ECE_BINS) -> float:
    """D-ECE of (D,) scores in [0, 1] against whether each detection matches; NaN without a detection."""
    return _expected_error(score, matched.astype(np.float64), bins)


def localisation_aware_error(score: np.ndarray, matched: np.ndarray, iou: np.ndarray, bins: int = LA_ECE_BINS) -> float:
    """LaECE of one class: as :func:`detection_error`, against a match's IoU and 0 for no match."""
    return _expected_error(score, np.where(matched, iou, 0.0), bins)


def _expected_error(score: np.ndarray, worth: np.ndarray, bins: int) -> float:
    """Mean over rows of |mean worth - mean score| in their bin; precision x IoU of the matches is the mean worth."""
    if not len(score):
        return float("nan")
    bin_of = np.minimum((score * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, worth - score, minlength=bins)
    return float(np.abs(gaps).sum() / len(score))
