"""Profiles and scores of solvers over problems, from a table of times `[problems, solvers]`; infinity = not solved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gdbench.errors import UsageError

# AlgoPerf integrates its profiles up to this ratio
LAST_RATIO = 4.0


def performance_profile(times: pd.DataFrame | np.ndarray) -> pd.DataFrame:
    """Return Dolan and More's performance profile: the share of problems solved within a factor of the fastest solver.

    `rho_s(a) = |{p : t_ps <= a * min_s' t_ps'}| / |P|`, right-continuous from a = 1; a problem that nobody solves stays
    in |P|. One row per break point: the index `ratio` starts at 1 and holds every finite ratio in rising order, the
    columns are the solvers, the values hold from that ratio up to the next. `times` holds steps to
    the target, infinity (or NaN, an empty cell) where a solver never met it.

    Raises UsageError for a table without problems or solvers, and for negative times.

    Source: Dolan and More 2002, doi:10.1007/s101070100263.
    """
    table = pd.DataFrame(times).astype(float).fillna(np.inf)
    if table.empty:
        raise UsageError("a performance profile needs at least one problem and one solver; the table is empty")
    lowest = float(table.to_numpy().min())
    if lowest < 0:
        raise UsageError(f"steps to a target cannot be negative; the table holds {lowest:g}")
    ratios = performance_ratios(table.to_numpy())
    breaks = np.unique(np.append(ratios[np.isfinite(ratios)], 1.0))
    return pd.DataFrame(shares_at(ratios, breaks), index=pd.Index(breaks, name="ratio"), columns=table.columns)


def performance_ratios(times: np.ndarray) -> np.ndarray:
    """Divide the steps of every solver by those of the fastest one on the same problem, `[..., problems, solvers]`.

    Infinity stands where a solver never met the target; a problem that nobody solves has infinity throughout. A start
    that already meets the target takes 0 steps and would make every ratio 0/0 or infinite, so 0 counts as 1: the first
    update is the smallest difference a user can care about.
    """
    steps = np.maximum(times, 1.0)
    # inf / inf would be NaN and warn; a failure is infinitely slow whoever else failed.
    # laid out as `steps` are: the order in which scores are summed follows from it
    ratios: np.ndarray = np.full_like(steps, np.inf)
    np.divide(steps, steps.min(axis=-1, keepdims=True), out=ratios, where=np.isfinite(steps))
    return ratios


def shares_at(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the share of problems with a value of at most each of `at`, which rises.

    `[..., problems, solvers]` to `[..., a, solvers]`. With ratios this is a performance profile; with evaluations over
    the `n_p + 1` of `simplex_gradients` it is a data profile, `d_s(a) = |{p : t_ps / (n_p + 1) <= a}| / |P|`, which
    does not depend on the other solvers. Source: More and Wild 2009, doi:10.1137/080724083.
    """
    *lead, problems, solvers = values.shape
    tables = int(np.prod(lead))
    # Counted between neighbours in `at` and summed up: comparing with every `at` takes a hundred times longer.
    interval = np.searchsorted(at, values).reshape(tables, problems, solvers)
    cell = (np.arange(tables)[:, None, None] * (len(at) + 1) + interval) * solvers + np.arange(solvers)
    counts = np.bincount(cell.ravel(), minlength=tables * (len(at) + 1) * solvers)
    counts = counts.reshape(*lead, len(at) + 1, solvers)[..., :-1, :]
    return np.asarray(counts.cumsum(axis=-2) / problems)


def algoperf_scores(ratios: np.ndarray) -> np.ndarray:
    """Return AlgoPerf's score of every solver: the area under its performance profile from ratio 1 to 4, over 3.

    `[..., problems, solvers]` to `[..., solvers]`; 1 is best. A problem that a solver does not solve, or solves at four
    times the fastest or slower, adds nothing. Source: Dahl et al. 2023, arXiv:2306.07179, section 4.3.
    """
    # The indicator of r <= a, integrated over a from 1 to 4, is 4 - r.
    return np.asarray(np.clip(LAST_RATIO - ratios, 0.0, None).mean(axis=-2) / (LAST_RATIO - 1.0))


def speedups(times: np.ndarray, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many times faster than a reference each solver is, and on how many problems both arrive.

    The geometric mean of `t_p,reference / t_ps` over the problems that both solve, NaN where there is none; from times
    `[..., problems, solvers]`, both `[..., solvers]`. Failures do not enter, so read it beside the share solved: a
    solver that gives up on hard problems loses nothing here.
    """
    logs = np.log(np.maximum(times, 1.0))
    own = logs[..., reference, None]
    both = np.isfinite(logs) & np.isfinite(own)
    gains = np.subtract(own, logs, out=np.zeros_like(logs), where=both).sum(axis=-2)
    problems = both.sum(axis=-2)
    return np.exp(np.divide(gains, problems, out=np.full_like(gains, np.nan), where=problems > 0)), problems


def reference_of(solvers: list[str], scores: np.ndarray, name: str | None) -> int:
    """Return the place of the reference among the solvers: the named one, else the first with the best score.

    Raises UsageError for an unknown name.
    """
    if name is None:
        return int(np.argmax(scores))
    if name not in solvers:
        raise UsageError(f"no solver {name!r} to compare with; there are {', '.join(solvers)}")
    return solvers.index(name)


def simplex_gradients(problems: pd.Index, dimensions: Mapping[str, int]) -> np.ndarray:
    """Return `n_p + 1` of every problem of dimension `n_p`, `[problems]`: what a gradient by differences costs.

    Raises UsageError for a problem without a dimension.
    """
    unknown = [str(name) for name in problems if name not in dimensions]
    if unknown:
        raise UsageError(f"a data profile needs the dimension of every problem; it is unknown for {unknown[0]!r}")
    return np.array([dimensions[name] + 1.0 for name in problems])
