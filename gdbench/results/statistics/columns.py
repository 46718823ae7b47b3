"""Columns of a frame as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd


def floats(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as float64 `[rows]`; NaN where a cell is empty or no number, or the column is absent."""
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def steps_of(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of steps as float64 `[rows]`; infinity where a cell is empty: a failure is infinitely slow."""
    steps = floats(frame, column)
    return np.where(np.isnan(steps), np.inf, steps)
