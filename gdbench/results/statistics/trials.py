"""Compute the worth of tuning: the outcome to expect of the best of k trials, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from gdbench.columns import PROBLEM
from gdbench.errors import UsageError
from gdbench.results.statistics.columns import floats, steps_of

# a distribution function below 1 is a product of quotients, each rounded
ROUNDING = 1e-12
# quotients multiplied up together: 128 kB
FACTORS_AT_ONCE = 1 << 14


def expected_best(
    tuning: np.ndarray,
    reported: np.ndarray | None = None,
    losses: np.ndarray | None = None,
    trials: Sequence[int] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the outcome of the best of k trials drawn from the n made: columns k, median, low, high, success.

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
    all_reached = reached.all()
    for k, survival in zip(sizes.tolist(), _survivals(n, edges, sizes), strict=True):
        chances = (-np.diff(survival) / np.diff(edges))[group][rising]
        reach = np.cumsum(chances)
        at = np.searchsorted(reach, np.array((0.5, 0.25, 0.75)) - ROUNDING)
        success = 1.0 if all_reached else float(min(chances[reached].sum(), 1.0))
        rows.append((k, *values[np.minimum(at, n - 1)], success))
    return pd.DataFrame(rows, columns=["k", "median", "low", "high", "success"])


def expected_best_by_problem(trials: pd.DataFrame, most: int = 100) -> pd.DataFrame:
    """Return `expected_best` of every problem and solver: columns problem, solver, k, median, low, high, success.

    `trials` has a row per trial: problem, solver, `tuning` (steps on the tuning starts, infinity or empty if failed)
    and, where they are known, `reported` (steps on held-out starts) and `loss`. Of many k some `most` are given,
    log-spaced.
    """
    names = [PROBLEM, "solver", "k", "median", "low", "high", "success"]
    tuning, losses = steps_of(trials, "tuning"), floats(trials, "loss")
    reported = steps_of(trials, "reported") if "reported" in trials.columns else None
    pairs, parts = [], []
    for pair, rows in trials.groupby([PROBLEM, "solver"], sort=False).indices.items():
        n = len(rows)
        sizes = np.unique(np.round(np.geomspace(1, n, most)).astype(int)) if n > most else None
        pairs.append(pair)
        parts.append(expected_best(tuning[rows], None if reported is None else reported[rows], losses[rows], sizes))
    if not parts:
        return pd.DataFrame(columns=names)
    found = pd.concat(parts, ignore_index=True)
    lengths = [len(part) for part in parts]
    for name, words in zip(names[:2], zip(*pairs, strict=True), strict=True):
        found[name] = np.repeat(np.array(words, dtype=object).astype(str), lengths)
    return found[names]


def _survivals(n: int, edges: np.ndarray, sizes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield, for each k of rising `sizes`, the chance that none of k drawn of n is among the first `edges`."""
    survival = np.ones(len(edges))
    before = 0
    for k in sizes.tolist():
        while before < k:
            # it falls along edges, and what has become 0 stays 0
            alive = int(np.count_nonzero(survival))
            last = min(before + max(1, FACTORS_AT_ONCE // alive), k)
            drawn = np.arange(before, last)[:, None]
            # one factor after the other, so that no k depends on which others are asked for
            for factors in np.maximum(n - edges[:alive] - drawn, 0) / (n - drawn):
                survival[:alive] *= factors
            before += len(drawn)
        yield survival


def _failures_last(numbers: np.ndarray) -> np.ndarray:
    """Return numbers as floats, infinity for NaN."""
    values = np.asarray(numbers, dtype=float)
    return np.where(np.isnan(values), np.inf, values)
