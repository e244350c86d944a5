"""What the figures of errors draw of their tables."""

import numpy as np
import pandas as pd
import pytest

from obcn.figures.box_errors import FEW, calibration_figure
from obcn.figures.palette import LIGHT


def reliability(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two groups of so many detections: one in four and one in two are right."""
    key = {"model": "obcn", "stage": 1, "coordinate": "x", "count": count, "low": 0.0, "high": 1.0}
    bins = pd.DataFrame([{**key, "confidence": value, "accuracy": value} for value in (0.25, 0.5)])
    spreads = pd.DataFrame([{**key, "spread": value, "rms_error": value, "rms_if_honest": value} for value in (1, 2)])
    return bins, spreads


@pytest.mark.parametrize(("count", "mode"), [(FEW, "lines+markers"), (FEW - 1, "markers")])
def test_few_detections_make_points_and_no_line(count, mode) -> None:
    figure = calibration_figure(*reliability(count), {"obcn": LIGHT.lines["expectation"]}, 1, LIGHT, ("x",))
    shares, errors = (trace for trace in figure.data if trace.meta)
    assert (shares.mode, errors.mode) == (mode, mode)


def test_bars_hold_95_percent() -> None:
    figure = calibration_figure(*reliability(100), {"obcn": LIGHT.lines["expectation"]}, 1, LIGHT, ("x",))
    shares, errors = (trace for trace in figure.data if trace.meta)
    # Wilson's interval of 50 in 100.
    assert 0.5 - shares.error_y.arrayminus[1] == pytest.approx(0.4038, abs=1e-4)
    assert 0.5 + shares.error_y.array[1] == pytest.approx(0.5962, abs=1e-4)
    draws = np.sqrt(np.square(np.random.default_rng(0).normal(0, 2, (4000, 100))).mean(1))
    low, high = np.quantile(draws, (0.025, 0.975))
    assert 2 - errors.error_y.arrayminus[1] == pytest.approx(low, abs=0.03)
    assert 2 + errors.error_y.array[1] == pytest.approx(high, abs=0.03)
