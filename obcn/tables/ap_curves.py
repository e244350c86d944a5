"""AP against the IoU threshold, with bands over photos, and the AP that bad boxes cost, as tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from obcn.tables.precision import ModelResults, bootstrap_ap, same_data


def ap_tables(
    models: Sequence[ModelResults], names: Sequence[str], samples: int, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """AP of results that have been read, level by level and summed up.

    Bands hold 95%. Those of a level are basic bootstrap intervals, 2 AP - quantile of the draws: a draw repeats photos
    and leaves hard ones out, so that its AP lies above the data's, and so would the quantiles as they are. Those of a
    difference are the quantiles of the differences of draws of the same photos.

    Table ``ap_by_iou``, one row per model and IoU: ``ap`` in percent with ``ap_low`` and ``ap_high``; ``ap_localised``,
    had every badly placed detection its object's box; ``difference`` (with ``_low``, ``_high``) from the first model,
    where all saw the same photos. Table ``ap_summary``, one row per model: the same for AP over all IoUs, ``ap50``,
    ``ap50_localised``, and their difference ``recovered_by_placement``, in points.

    Args:
        models: results.
        names: of the models.
        samples: data sets that the bootstrap draws; 0 gives no bands.
        seed: of the draws.
    """
    drawn = bootstrap_ap(models, samples, seed) if samples else [np.empty((0, len(model.ious))) for model in models]
    paired = same_data(models)
    curves, summary = [], []
    for name, model, draws in zip(names, models, drawn, strict=True):
        curve, whole = _rows(model, draws, (models[0], drawn[0]) if paired else None)
        curves.append(curve.assign(model=name))
        summary.append({"model": name, "photos": model.num_photos, **whole})
    table = pd.concat(curves, ignore_index=True)
    return {"ap_by_iou": table[["model", *table.columns.drop("model")]], "ap_summary": pd.DataFrame(summary)}


def _rows(
    model: ModelResults, draws: np.ndarray, reference: tuple[ModelResults, np.ndarray] | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    ap, localised = model.ap(), model.ap(localised=True)
    low, high = _basic_band(ap, draws)
    if reference is None:
        difference, (difference_low, difference_high) = np.full(len(ap), np.nan), _band(draws[:0])
        mean_difference, mean_band = np.nan, _band(np.empty((0, 1)))
    else:
        difference = ap - reference[0].ap()
        difference_low, difference_high = _band(draws - reference[1])
        mean_difference = difference.mean()
        mean_band = _band((draws - reference[1]).mean(axis=1, keepdims=True))
    curve = pd.DataFrame(
        {
            "iou": model.ious,
            "ap": ap,
            "ap_low": low,
            "ap_high": high,
            "ap_localised": localised,
            "difference": difference,
            "difference_low": difference_low,
            "difference_high": difference_high,
        }
    )
    mean_low, mean_high = _basic_band(ap.mean(keepdims=True), draws.mean(axis=1, keepdims=True))
    whole = {
        "ap": ap.mean(),
        "ap_low": float(mean_low[0]),
        "ap_high": float(mean_high[0]),
        "difference": mean_difference,
        "difference_low": float(mean_band[0][0]),
        "difference_high": float(mean_band[1][0]),
        "ap50": ap[0],
        "ap50_localised": localised[0],
        "recovered_by_placement": localised[0] - ap[0],
    }
    return curve, whole


def _basic_band(ap: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% basic bootstrap interval of (T,) levels, within what AP can be."""
    low, high = _band(draws)
    return (2 * ap - high).clip(0, 100), (2 * ap - low).clip(0, 100)


def _band(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2.5% and 97.5% quantiles over the draws, (T,) each; NaN without a draw."""
    if not len(draws):
        return np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    low, high = np.nanquantile(draws, (0.025, 0.975), axis=0)
    return low, high
