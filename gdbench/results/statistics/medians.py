"""Medians and other quantiles in which infinities are ordinary large numbers: a failed run is infinitely slow."""

from __future__ import annotations

import numpy as np
import pandas as pd


def between(low: np.ndarray, high: np.ndarray, part: np.ndarray | float = 0.5) -> np.ndarray:
    """Return `low + part (high - low)` for `low <= high`, without inf - inf; infinity where only `high` is."""
    with np.errstate(invalid="ignore"):
        return np.where(low == high, high, low + part * (high - low))


def sorted_groups(values: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort `values` within their groups; return them, the place of each group's first, and the groups' sizes.

    codes : `[values]`, the number of each one's group, whole numbers from 0 of which every one occurs.
    """
    sizes = np.bincount(codes)
    return values[np.lexsort((values, codes))], np.cumsum(sizes) - sizes, sizes


def quantile(ordered: np.ndarray, first: np.ndarray, sizes: np.ndarray, share: float) -> np.ndarray:
    """Return a quantile of every group, between its two nearest values; arguments as `sorted_groups` returns them."""
    place = share * (sizes - 1)
    low, high = (ordered[first + round_(place).astype(int)] for round_ in (np.floor, np.ceil))
    return between(low, high, place - np.floor(place))


def grouped_median(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the median of every group of `values`; `codes` as `sorted_groups` takes them."""
    return quantile(*sorted_groups(values, codes), 0.5)


def median(values: pd.Series | np.ndarray) -> float:
    """Return the median of numbers: infinity where one of the two middle ones is infinite."""
    numbers = np.asarray(values, dtype=float)
    return float(grouped_median(numbers, np.zeros(len(numbers), np.int64))[0])
