"""The tables of the evidence, worked out once per choice of record files for all visitors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from app.records.found import stamp
from obcn.errors import UserError
from obcn.tables.ap_curves import ap_tables
from obcn.tables.box_errors import error_histograms, error_summary
from obcn.tables.calibration import calibration_summary, reliability_of_bins, reliability_of_spread
from obcn.tables.matched import MatchedRows, load_matched
from obcn.tables.precision import ModelResults, load_results

Tables = dict[str, pd.DataFrame]


def rows_of(path: Path, name: str) -> MatchedRows:
    """The detections of a record file that matched.

    Raises:
        UserError: damaged, or nothing matched.
    """
    return _rows(path, name, stamp(path))


def error_tables(models: Sequence[tuple[Path, str]]) -> Tables:
    """``errors``, ``histograms``, ``bins``, ``spreads`` and ``calibration`` of files with names, as in
    :func:`analysis.error_distributions.error_distributions`.

    Raises:
        UserError: damaged, or nothing matched in one.
    """
    return _error_tables(tuple((path, name, stamp(path)) for path, name in models))


def precision_tables(models: Sequence[tuple[Path, str]], samples: int) -> Tables:
    """``ap_by_iou`` and ``ap_summary`` of files with names; differences are from the first.

    Args:
        models: paths and names.
        samples: data sets that the bootstrap draws.

    Raises:
        UserError: damaged.
    """
    return _precision_tables(tuple((path, name, stamp(path)) for path, name in models), samples)


@st.cache_resource(max_entries=8, show_spinner=False)
def _rows(path: Path, name: str, stamp: int) -> MatchedRows:
    return replace(load_matched([path])[0], name=name)


@st.cache_resource(max_entries=8, show_spinner="Working out the errors…")
def _error_tables(files: tuple[tuple[Path, str, int], ...]) -> Tables:
    models = [_rows(*file) for file in files]
    bins, spreads = reliability_of_bins(models), reliability_of_spread(models)
    return {
        "errors": error_summary(models),
        "histograms": error_histograms(models),
        "bins": bins,
        "spreads": spreads,
        "calibration": calibration_summary(models, bins, spreads),
    }


@st.cache_resource(max_entries=8, show_spinner=False)
def _results(path: Path, stamp: int) -> ModelResults:
    return load_results(path)


@st.cache_resource(max_entries=8, show_spinner="Working out AP, and its spread over the photos…")
def _precision_tables(files: tuple[tuple[Path, str, int], ...], samples: int) -> Tables:
    results = [_results(path, when) for path, _, when in files]
    if any(not len(result.photo_ids) for result in results):
        raise UserError("a record file has no row, so there is no AP to show")
    return ap_tables(results, [name for _, name, _ in files], samples)
