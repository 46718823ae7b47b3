"""What tuning is worth: the outcome to expect of the best of k trials, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gdbench.errors import UsageError
from gdbench.statistics.columns import floats, steps_of

# a distribution function below 1 is a product of quotients, each rounded
ROUNDING = 1e-12


def expected_best(
    tuning: np.ndarray,
    reported: np.ndarray | None = None,
    losses: np.ndarray | None = None,
    trials: Sequence[int] | np.ndarray | None = None,
) -> pd.DataFrame:
    """The outcome of the best of k trials drawn from the n that were made: columns k, median, low, high, success.

    Trials are scored by `tuning` `[n]`, where ties go to the lower of `losses` and then to either with equal chance;
    the winner's `reported` (else `tuning` again) counts: steps, infinity if failed. k are drawn without replacement, so
    that k = n gives the very winner: `P(the best of k has rank > j) = C(n - j, k) / C(n, k)`. Dodge et al. draw with
    replacement and give a mean, which is infinite while a failed trial can be the best of k. Hence the median and the
    quartiles `low` and `high` (the smallest outcomes that at least 1/2, 1/4 and 3/4 of the draws do not exceed) and
    `success`, the probability of a finite outcome. `trials` are the k to give; without them all from 1 to n.

    Raises UsageError for no trials and for a k outside 1..n. Source: after Dodge et al. 2019, arXiv:1909.03004.
    """
    scores = _failures_last(tuning)
    n = len(scores)
    outcomes = scores if reported is None else _failures_last(reported)
    sizes = np.arange(1, n + 1) if trials is None else np.unique(np.asarray(trials, dtype=int))
    if not n or not len(sizes) or sizes[0] < 1 or sizes[-1] > n:
        raise UsageError(f"the best of k trials needs k between 1 and the number of trials, {n}")
    # lexsort's last key counts first; equal pairs of score and loss form one group
    keys = np.stack([np.zeros(n) if losses is None else _failures_last(losses), scores])
    order = np.lexsort(keys)
    opens = np.append(True, (keys[:, order[1:]] != keys[:, order[:-1]]).any(axis=0))
    edges = np.append(np.flatnonzero(opens), n)
    group = np.cumsum(opens) - 1
    rising = np.argsort(outcomes[order], kind="stable")
    values = outcomes[order][rising]
    reached = np.isfinite(values)
    rows = []
    survival = np.ones(len(edges))  # P(none of the k drawn is among the first edges[g])
    for k in range(1, int(sizes[-1]) + 1):
        survival *= np.maximum(n - edges - (k - 1), 0) / (n - (k - 1))
        if k in sizes:
            chances = (-np.diff(survival) / np.diff(edges))[group][rising]
            reach = np.cumsum(chances)
            at = [np.searchsorted(reach, quantile - ROUNDING) for quantile in (0.5, 0.25, 0.75)]
            success = 1.0 if reached.all() else float(min(chances[reached].sum(), 1.0))
            rows.append((k, *values[np.minimum(at, n - 1)], success))
    return pd.DataFrame(rows, columns=["k", "median", "low", "high", "success"])


def expected_best_by_problem(trials: pd.DataFrame, most: int = 100) -> pd.DataFrame:
    """`expected_best` of every problem and solver: columns surface, solver, k, median, low, high, success.

    `trials` has a row per trial: surface, solver, `tuning` (steps on the tuning starts, infinity or empty if failed)
    and, where they are known, `reported` (steps on held-out starts) and `loss`. Of many k some `most` are given,
    log-spaced.
    """
    parts = []
    for (surface, solver), own in trials.groupby(["surface", "solver"], sort=False):
        n = len(own)
        sizes = np.unique(np.round(np.geomspace(1, n, most)).astype(int)) if n > most else None
        reported = steps_of(own, "reported") if "reported" in own.columns else None
        best = expected_best(steps_of(own, "tuning"), reported, floats(own, "loss"), sizes)
        parts.append(best.assign(surface=str(surface), solver=str(solver)))
    names = ["surface", "solver", "k", "median", "low", "high", "success"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _failures_last(numbers: np.ndarray) -> np.ndarray:
    """As floats, infinity for NaN."""
    values = np.asarray(numbers, dtype=float)
    return np.where(np.isnan(values), np.inf, values)
