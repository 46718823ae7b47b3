"""Runs grouped by setting, for pictures of a million runs: every column is turned into whole numbers once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gdbench.columns import SCHEDULE, hyperparameters
from gdbench.results.codes import codes_by_appearance
from gdbench.results.statistics.columns import floats
from gdbench.results.statistics.medians import quantile, sorted_groups

# The ways in which a run can fail, in the order in which a tie is decided.
FAILURES = ("diverged", "stationary", "budget", "error", "stopped")


def swept(runs: pd.DataFrame) -> list[str]:
    """Return the hyperparameters that differ between runs."""
    return [name for name in hyperparameters(runs) if len(runs[name].unique()) > 1]


def schedules(runs: pd.DataFrame) -> list[str]:
    """Return the columns that hold the kind of a hyperparameter's schedule."""
    return [name for name in hyperparameters(runs) if name.endswith(SCHEDULE)]


def scheduled(runs: pd.DataFrame) -> np.ndarray:
    """Find which rows have a hyperparameter that changes from step to step, where theory of fixed ones says nothing."""
    changing = [runs[name].notna() & (runs[name] != "constant") for name in schedules(runs)]
    return np.any(changing, axis=0) if changing else np.zeros(len(runs), dtype=bool)


def numbers(runs: pd.DataFrame, column: str) -> np.ndarray:
    """Return the distinct finite numbers of a column, ascending; none where it holds words or truth values."""
    distinct = runs[column].dropna().unique()
    if any(isinstance(value, str | bool | np.bool_) for value in distinct[:1]):
        return np.empty(0)
    found = np.sort(pd.to_numeric(pd.Series(distinct), errors="coerce").to_numpy(dtype=float, na_value=np.nan))
    return np.asarray(found[np.isfinite(found)])


def by_setting(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return a row for each combination of `keys` that occurs, in the order of its first run; a failed run is infinite.

    Beside the keys: median, quartile_1, quartile_3 of the steps to the target over all runs there; fastest, slowest of
    those that reached it (NaN where none did); starts, the number of runs; failed, the share of failures, and how most
    of them failed: `failure` ("" where none did), `lost`, the share that diverged.
    """
    hits = floats(runs, "steps_to_target")
    codes, first = codes_by_appearance(runs, keys)
    ordered, begin, sizes = groups = sorted_groups(np.where(np.isnan(hits), np.inf, hits), codes)
    reached = np.bincount(codes, ~np.isnan(hits)).astype(int)
    points = runs.iloc[first][list(keys)].reset_index(drop=True)
    points["median"] = quantile(*groups, 0.5)
    points["quartile_1"], points["quartile_3"] = quantile(*groups, 0.25), quantile(*groups, 0.75)
    points["fastest"] = np.where(reached > 0, ordered[begin], np.nan)
    points["slowest"] = np.where(reached > 0, ordered[begin + np.maximum(reached - 1, 0)], np.nan)
    points["starts"], points["failed"] = sizes, 1 - reached / np.maximum(sizes, 1)
    status = runs["status"].to_numpy() if "status" in runs.columns else np.full(len(runs), "")
    counts = {kind: np.bincount(codes, np.isnan(hits) & (status == kind), minlength=len(first)) for kind in FAILURES}
    most = np.argmax(np.column_stack(list(counts.values())), axis=1) if len(first) else np.empty(0, dtype=int)
    some = reached < sizes
    points["failure"] = np.where(some, np.array(FAILURES)[most], "")
    # a failure of a status that nobody knows
    points.loc[some & (sum(counts.values()) == 0), "failure"] = "budget"
    points["lost"] = counts["diverged"] / np.maximum(sizes, 1)
    return points


def best_of(points: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Choose, of settings that share `keys`, the one of lowest median, then of fewest failures and divergences."""
    ranked = points.sort_values(["median", "failed", "lost"], kind="stable").drop_duplicates(list(keys))
    return ranked.sort_index().reset_index(drop=True)
