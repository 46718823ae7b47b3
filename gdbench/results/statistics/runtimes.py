"""Statistics of runs on one problem or pooled over problems: medians, expected running time, runtime ECDF."""

from __future__ import annotations

import numpy as np


def medians(values: np.ndarray) -> np.ndarray:
    """The median over the last axis, in which infinities are ordinary large numbers, `[..., runs]` to `[...]`."""
    ordered = np.sort(values, axis=-1)
    runs = values.shape[-1]
    return midpoints(ordered[..., (runs - 1) // 2], ordered[..., runs // 2])


def midpoints(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The middle between `low <= high`, without inf - inf; infinity where `high` is."""
    gap = np.subtract(high, low, out=np.zeros_like(high), where=low < high)
    return low + gap / 2


def expected_running_time(evaluations: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """ERT: what a success costs if failed runs are restarted until one succeeds, `[..., runs]` to `[...]`.

    `(evaluations of successful runs up to their hit + all evaluations of failed runs) / successes`; infinity where no
    run succeeds. `evaluations` are those up to the hit or, where not `reached`, all; steps or seconds serve as well.

    Source: Hansen et al. 2010, "Real-parameter black-box optimization benchmarking", section 5.
    """
    return running_times(np.sum(evaluations, axis=-1, dtype=float), np.sum(reached, axis=-1))


def running_times(spent: np.ndarray, successes: np.ndarray) -> np.ndarray:
    """What was spent in all over the number of successes, both `[...]`; infinity where there is none."""
    return np.divide(spent, successes, out=np.full(np.shape(spent), np.inf), where=np.asarray(successes) > 0)


def runtime_ecdf(hits: np.ndarray, problems: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The share of (run, target) pairs hit within so many steps, `[len(steps)]`; every problem has the same weight.

    `hits` `[runs, targets]` holds the first step at which a run met a target, infinity if never; `problems` `[runs]`
    names each run's problem, so that one with many starts counts no more than one with few; `steps` rises.

    Source: Hansen et al. 2022, "Anytime performance assessment in blackbox optimization benchmarking",
    doi:10.1109/TEVC.2022.3210897.
    """
    _, own, counts = np.unique(problems, return_inverse=True, return_counts=True)
    return hit_counts(hits, steps).T @ (1.0 / (counts[own] * len(counts) * hits.shape[1]))


def hit_counts(hits: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """How many targets each run met within so many steps: `[runs, targets]` and rising `[a]` to `[runs, a]`."""
    interval = np.searchsorted(steps, hits)
    cell = np.arange(len(hits))[:, None] * (len(steps) + 1) + interval
    counts = np.bincount(cell.ravel(), minlength=len(hits) * (len(steps) + 1))
    return counts.reshape(len(hits), -1)[:, :-1].cumsum(axis=1)
