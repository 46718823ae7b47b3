"""Statistics over finished runs: numbers and frames in, numbers and frames out. A failed run counts as infinity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gdbench.errors import UsageError


def floats(frame: pd.DataFrame, column: str) -> np.ndarray:
    """A column as float64 `[rows]`; NaN where a cell is empty or no number, or the column is absent."""
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def performance_ratios(times: pd.DataFrame | np.ndarray) -> pd.DataFrame:
    """Steps of every solver over the steps of the fastest one on the same problem, `[problems, solvers]`.

    `times` holds steps to the target, infinity (or NaN, an empty cell) where a solver never met it; a problem that
    nobody solves has infinity throughout. A start that already meets the target takes 0 steps and would make every
    ratio 0/0 or infinite, so 0 counts as 1: the first update is the smallest difference a user can care about.

    Raises UsageError for a table without problems or solvers, and for negative times.
    """
    table = pd.DataFrame(times).astype(float)
    if table.empty:
        raise UsageError("a performance profile needs at least one problem and one solver; the table is empty")
    steps = table.fillna(np.inf).to_numpy()
    if (steps < 0).any():
        raise UsageError(f"steps to a target cannot be negative; the table holds {steps.min():g}")
    steps = np.maximum(steps, 1.0)
    fastest = steps.min(axis=1, keepdims=True)
    # inf / inf would be NaN and warn; a failure is infinitely slow whoever else failed.
    ratios = np.divide(steps, fastest, out=np.full_like(steps, np.inf), where=np.isfinite(steps))
    return pd.DataFrame(ratios, index=table.index, columns=table.columns)


def performance_profile(times: pd.DataFrame | np.ndarray) -> pd.DataFrame:
    """The performance profile of Dolan and More: the share of problems a solver solves within a factor of the fastest.

    `rho_s(a) = |{p : t_ps <= a * min_s' t_ps'}| / |P|`, right-continuous from a = 1; a problem that nobody solves stays
    in |P|. One row per break point: the index `ratio` starts at 1 and holds every finite ratio in rising order, the
    columns are the solvers, the values hold from that ratio up to the next. `times` as in `performance_ratios`.

    Source: Dolan and More 2002, doi:10.1007/s101070100263.
    """
    ratios = performance_ratios(times)
    values = ratios.to_numpy()
    breaks = np.unique(np.append(values[np.isfinite(values)], 1.0))
    shares = (values[None, :, :] <= breaks[:, None, None]).mean(axis=1)
    return pd.DataFrame(shares, index=pd.Index(breaks, name="ratio"), columns=ratios.columns)


def profile_at(profile: pd.DataFrame, ratio: float) -> pd.Series:
    """`rho_s(ratio)` of every solver, read from what `performance_profile` returned; 0 below a ratio of 1."""
    row = int(np.searchsorted(profile.index.to_numpy(), ratio, side="right")) - 1
    if row < 0:
        return pd.Series(0.0, index=profile.columns, name=ratio)
    return profile.iloc[row].rename(ratio)
