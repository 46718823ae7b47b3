"""Statistics of runs on one problem or pooled over problems: expected running times, targets hit."""

from __future__ import annotations

import numpy as np


def expected_running_times(spent: np.ndarray, successes: np.ndarray) -> np.ndarray:
    """Return ERT: what a success costs if failed runs are restarted until one succeeds, `[...]`.

    All that was `spent` (evaluations, steps or seconds, of successful runs up to their hit) over the number of
    `successes`, both `[...]`; infinity where there is none.

    Source: Hansen et al. 2010, "Real-parameter black-box optimization benchmarking", section 5.
    """
    times = np.full(np.shape(spent), np.inf)
    np.divide(spent, successes, out=times, where=np.asarray(successes) > 0)
    return times


def hit_counts(hits: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Count the targets that each run met within so many steps: `[runs, targets]` and rising `[a]` to `[runs, a]`.

    `hits` holds the first step at which a run met a target, infinity if never.
    """
    interval = np.searchsorted(steps, hits)
    cell = np.arange(len(hits))[:, None] * (len(steps) + 1) + interval
    counts = np.bincount(cell.ravel(), minlength=len(hits) * (len(steps) + 1))
    return counts.reshape(len(hits), -1)[:, :-1].cumsum(axis=1)
