"""The bootstrap: runs are resampled within a problem, never problems, and every solver gets the same draws."""

from __future__ import annotations

import math
import zlib

import numpy as np

from gdbench.results.statistics.medians import between


def resampled_counts(runs: int, resamples: int, seed: int, problem: str) -> np.ndarray:
    """Count how often each run of a problem is drawn, `[runs, 1 + resamples]`; every column sums to `runs`.

    Column 0 draws every run once: what is computed there is the estimate. The draws follow from `seed` and the
    problem's name alone, so that a further problem or solver changes no other's.
    """
    generator = np.random.default_rng([seed, zlib.crc32(problem.encode())])
    drawn = generator.integers(runs, size=(runs, resamples))
    cells = drawn * (1 + resamples) + np.arange(1, 1 + resamples)
    counts = np.bincount(cells.ravel(), minlength=runs * (1 + resamples)).reshape(runs, 1 + resamples)
    counts[:, 0] = 1
    return counts


def resampled_medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the median of `values` `[solvers, runs]` in every resample of `counts` `[runs, resamples]`.

    Returns `[resamples, solvers]`; infinities are ordinary large numbers.
    """
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    runs = values.shape[1]
    counts = counts.astype(np.int32)
    passed = np.zeros((len(values), counts.shape[1]), dtype=np.int32)
    low, high = np.zeros_like(passed), np.zeros_like(passed)
    # From the fastest run to the slowest: the place of the median is where half of the draws have been passed.
    for run in order.T:
        passed += counts[run]
        low += passed <= (runs - 1) // 2
        high += passed <= runs // 2
    below, above = (np.take_along_axis(ordered, place.astype(np.intp), axis=1) for place in (low, high))
    return between(below, above).T


def band(samples: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an estimate's percentile interval, low and high `[...]`, from `[1 + resamples, ...]`, row 0 the estimate.

    The bounds are sample values, the outer one of the two next to a percentile. An interval that misses the estimate
    is widened to it: the share of problems on which a solver is fastest, for one, is biased in a resample. NaN where
    there is no resample; a NaN among them is left out.
    """
    estimate, drawn = samples[0], samples[1:]
    if not len(drawn):
        return np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    known = (~np.isnan(drawn)).sum(axis=0)
    if known.min(initial=len(drawn)) < len(drawn):
        columns = [
            (np.nan, np.nan) if np.isnan(column[0]) else band(column[~np.isnan(column)], confidence)
            for column in samples.reshape(len(samples), -1).T
        ]
        low, high = np.array(columns).T
        return low.reshape(estimate.shape), high.reshape(estimate.shape)
    tail = round((1 - confidence) / 2 * (len(drawn) - 1), 9)  # 1 - 0.9 is a little less than 0.1
    places = (math.floor(tail), math.ceil(len(drawn) - 1 - tail))
    ordered = np.partition(np.ascontiguousarray(np.moveaxis(drawn, 0, -1)), places, axis=-1)
    return np.minimum(ordered[..., places[0]], estimate), np.maximum(ordered[..., places[1]], estimate)
