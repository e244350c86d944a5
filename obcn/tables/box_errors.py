"""Tables of the signed localisation error: quantiles and tails, and histograms with a smooth density."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from obcn.records.schema import COORDINATES
from obcn.tables.matched import MatchedRows

# Unit to the prefix of its columns in a record file.
UNITS = {"normalised": "error", "px": "error_px"}
GROUPINGS = ("all", "size", "class")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
# What counts as far out: 10% of the candidate in x and y (about 22% in w and h), or 10 pixels.
TAIL_FROM = {"normalised": 1.0, "px": 10.0}


def error_summary(models: Sequence[MatchedRows]) -> pd.DataFrame:
    """How large errors are: one row per model, unit, grouping, group and coordinate.

    Columns: ``count``, ``mean`` (the bias), ``std``, ``rms``, ``mean_abs``, quantiles ``q01`` to ``q99`` of the signed
    error, ``tail_left`` and ``tail_right`` (shares beyond -``tail_from`` and ``tail_from``). Groups without a row are
    left out.
    """
    rows = []
    for model in models:
        groups = {by: model.groups(by) for by in GROUPINGS}
        for unit, prefix in UNITS.items():
            for coordinate in COORDINATES if _has(model, unit) else ():
                (error,) = model.values([f"{prefix}_{coordinate}"])
                for by, labels in groups.items():
                    for code, group in enumerate(labels.categories):
                        part = error[labels.codes == code]
                        if len(part):
                            key = {"model": model.name, "unit": unit, "by": by, "group": group}
                            rows.append({**key, "coordinate": coordinate, **_describe(part, TAIL_FROM[unit])})
    return pd.DataFrame(rows)


def error_histograms(models: Sequence[MatchedRows], bins: int | None = None) -> pd.DataFrame:
    """Histograms of the error with the same bins for all models: one row per model, unit, coordinate and bin.

    By default 15 to 61 bins, more for more rows. They cover all models' central 99%; what lies outside is counted in
    two open bins without a density. Columns: ``left``, ``right`` (edges), ``count``, ``density`` (of rows, per unit),
    and ``smooth``, a Gaussian kernel estimate of the density in the middle of the bin.
    """
    rows = []
    for unit, prefix in UNITS.items():
        having = [model for model in models if _has(model, unit)]
        for coordinate in COORDINATES if having else ():
            errors = [model.values([f"{prefix}_{coordinate}"])[0] for model in having]
            count = bins or _num_bins(min(len(error) for error in errors))
            reach = max(float(np.quantile(np.abs(error), 0.99)) for error in errors) or 1.0
            edges = np.linspace(-reach, reach, count + 1)
            for model, error in zip(having, errors, strict=True):
                rows.append(_histogram(error, edges).assign(model=model.name, unit=unit, coordinate=coordinate))
    table = pd.concat(rows, ignore_index=True)
    return table[["model", "unit", "coordinate", "left", "right", "count", "density", "smooth"]]


def _has(model: MatchedRows, unit: str) -> bool:
    """Whether a head has errors in this unit: all have pixels, those that predict distances no normalised offsets."""
    return unit == "px" or model.info.coordinates == COORDINATES


def _num_bins(rows: int) -> int:
    """Rice's rule within limits; odd, so that 0 lies within a bin."""
    return int(np.clip(2 * rows ** (1 / 3), 15, 61)) // 2 * 2 + 1


def _describe(error: np.ndarray, tail: float) -> dict[str, float]:
    wide = error.astype(np.float64)
    quantiles = np.quantile(wide, QUANTILES)
    return {
        "count": len(wide),
        "mean": wide.mean(),
        "std": wide.std(),
        "rms": np.sqrt(np.square(wide).mean()),
        "mean_abs": np.abs(wide).mean(),
        **{f"q{round(100 * q):02d}": value for q, value in zip(QUANTILES, quantiles, strict=True)},
        "tail_from": tail,
        "tail_left": (wide < -tail).mean(),
        "tail_right": (wide > tail).mean(),
    }


def _histogram(error: np.ndarray, edges: np.ndarray) -> pd.DataFrame:
    counts, _ = np.histogram(error, edges)
    width = edges[1] - edges[0]
    left, right = int((error < edges[0]).sum()), int((error > edges[-1]).sum())
    return pd.DataFrame(
        {
            "left": [-np.inf, *edges],
            "right": [*edges, np.inf],
            "count": [left, *counts, right],
            "density": [np.nan, *(counts / len(error) / width), np.nan],
            "smooth": [np.nan, *smooth_density(error, (edges[1:] + edges[:-1]) / 2), np.nan],
        }
    )


def smooth_density(values: np.ndarray, at: np.ndarray, cells_per_step: int = 8) -> np.ndarray:
    """Gaussian kernel estimate of a density, bandwidth by Silverman's rule on the robust spread.

    Values are first counted in cells of an eighth of ``at``'s step, so the cost does not grow with their number
    squared.

    Args:
        values: (N,) sample.
        at: (M,) evenly spaced points, M > 1.

    Returns:
        (M,) densities.
    """
    cell = (at[1] - at[0]) / cells_per_step
    quarter, three_quarters = np.quantile(values, (0.25, 0.75))
    spread = min(float(values.std()), float(three_quarters - quarter) / 1.349) or float(values.std())
    bandwidth = max(0.9 * spread * len(values) ** -0.2, cell)
    # Values within six bandwidths of the ends still reach in.
    margin = int(np.ceil(6 * bandwidth / cell))
    cells = (len(at) - 1) * cells_per_step + 1 + 2 * margin
    start = at[0] - (margin + 0.5) * cell
    counts, _ = np.histogram(values, bins=cells, range=(start, start + cells * cell))
    steps = np.arange(-margin, margin + 1) * cell / bandwidth
    kernel = np.exp(-0.5 * steps**2) / (bandwidth * np.sqrt(2 * np.pi))
    density = np.convolve(counts, kernel, mode="valid") / len(values)
    return density[::cells_per_step]
