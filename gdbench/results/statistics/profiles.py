"""Profiles and scores of solvers over problems, from a table of times `[problems, solvers]`; infinity = not solved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gdbench.errors import UsageError

# AlgoPerf integrates its profiles up to this ratio
LAST_RATIO = 4.0


def performance_ratios(times: pd.DataFrame | np.ndarray) -> pd.DataFrame:
    """Steps of every solver over the steps of the fastest one on the same problem, `[problems, solvers]`.

    `times` holds steps to the target, infinity (or NaN, an empty cell) where a solver never met it; a problem that
    nobody solves has infinity throughout. A start that already meets the target takes 0 steps and would make every
    ratio 0/0 or infinite, so 0 counts as 1: the first update is the smallest difference a user can care about.

    Raises UsageError for a table without problems or solvers, and for negative times.
    """
    table = _checked(times)
    return pd.DataFrame(ratios_of(table.to_numpy()), index=table.index, columns=table.columns)


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
    return pd.DataFrame(shares_at(values, breaks), index=pd.Index(breaks, name="ratio"), columns=ratios.columns)


def profile_at(profile: pd.DataFrame, ratio: float) -> pd.Series:
    """`rho_s(ratio)` of every solver, read from a profile of this module; 0 below its first row."""
    row = int(np.searchsorted(profile.index.to_numpy(), ratio, side="right")) - 1
    if row < 0:
        return pd.Series(0.0, index=profile.columns, name=ratio)
    return profile.iloc[row].rename(ratio)


def data_profile(times: pd.DataFrame, dimensions: Mapping[str, int]) -> pd.DataFrame:
    """More and Wild's data profile: the share of problems a solver solves within a budget of evaluations.

    `d_s(a) = |{p : t_ps / (n_p + 1) <= a}| / |P|`, with `t_ps` evaluations and `n_p` the problem's dimension: one unit
    is what a gradient by differences costs. The index of `times` names the problems. One row per break point, index
    `budget`; unlike a performance profile it does not depend on the other solvers.

    Raises UsageError as `performance_ratios`, and for a problem without a dimension.
    Source: More and Wild 2009, doi:10.1137/080724083.
    """
    table = _checked(times)
    budgets = table.to_numpy() / simplex_gradients(table.index, dimensions)[:, None]
    breaks = np.unique(budgets[np.isfinite(budgets)])
    return pd.DataFrame(shares_at(budgets, breaks), index=pd.Index(breaks, name="budget"), columns=table.columns)


def evaluations_to_accuracy(histories: pd.DataFrame, tau: float) -> pd.DataFrame:
    """More and Wild's convergence test: the first evaluation that meets it, `t_ps` `[problems, solvers]`.

    It is met at x when `f(x0) - f(x) >= (1 - tau) (f(x0) - f_L)`; f_L is the best value that any solver saw on the
    problem, x0 a solver's first point there; infinity where it is never met. `histories` has a row per evaluation in
    the order in which they were made, with `surface`, `solver` and `loss`; the first evaluation is number 1.

    Raises UsageError unless 0 <= tau < 1. Source: More and Wild 2009, doi:10.1137/080724083.
    """
    if not 0 <= tau < 1:
        raise UsageError(f"the accuracy tau of a convergence test lies in [0, 1), not at {tau:g}")
    frame = histories[["surface", "solver", "loss"]]
    own = frame.groupby(["surface", "solver"], sort=False)
    first, number = own["loss"].transform("first"), own.cumcount() + 1
    best = frame.groupby("surface", sort=False)["loss"].transform("min")
    met = first - frame["loss"] >= (1 - tau) * (first - best)
    found = frame.assign(time=np.where(met, number, np.inf)).groupby(["surface", "solver"], sort=False)["time"].min()
    times = found.reset_index().pivot_table(index="surface", columns="solver", values="time")
    return times.reindex(index=frame["surface"].unique(), columns=frame["solver"].unique()).fillna(np.inf)


def algoperf_scores(times: pd.DataFrame | np.ndarray) -> pd.Series:
    """AlgoPerf's score of every solver: the area under its performance profile from ratio 1 to 4, over 3; 1 is best.

    A problem that a solver does not solve, or solves at four times the fastest or slower, adds nothing.
    `times` as in `performance_ratios`. Source: Dahl et al. 2023, arXiv:2306.07179, section 4.3.
    """
    ratios = performance_ratios(times)
    return pd.Series(scores_of(ratios.to_numpy()), index=ratios.columns, name="algoperf")


def speedups(times: pd.DataFrame | np.ndarray, reference: str | None = None) -> pd.DataFrame:
    """How many times faster than a reference a solver is: columns `speedup` and `problems`, a row per solver.

    The geometric mean of `t_p,reference / t_ps` over the `problems` that both solve, NaN where there is none. Failures
    do not enter, so read it beside the share solved: a solver that gives up on hard problems loses nothing here.
    Without a name the reference is the solver with the best AlgoPerf score.

    Raises UsageError as `performance_ratios`, and for an unknown reference.
    """
    table = _checked(times)
    names = [str(name) for name in table.columns]
    chosen = reference_of(names, algoperf_scores(table).to_numpy(), reference)
    speed, problems = speedups_of(table.to_numpy(), chosen)
    return pd.DataFrame({"speedup": speed, "problems": problems}, index=table.columns)


def reference_of(solvers: list[str], scores: np.ndarray, name: str | None) -> int:
    """The place of the reference among the solvers: the named one, else the first with the best score."""
    if name is None:
        return int(np.argmax(scores))
    if name not in solvers:
        raise UsageError(f"no solver {name!r} to compare with; there are {', '.join(solvers)}")
    return solvers.index(name)


def ratios_of(times: np.ndarray) -> np.ndarray:
    """`performance_ratios` of many tables at once, `[..., problems, solvers]`."""
    steps = np.maximum(times, 1.0)
    # inf / inf would be NaN and warn; a failure is infinitely slow whoever else failed.
    return np.divide(
        steps, steps.min(axis=-1, keepdims=True), out=np.full_like(steps, np.inf), where=np.isfinite(steps)
    )


def shares_at(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The share of problems with a value of at most `at`, rising: `[..., problems, solvers]` to `[..., a, solvers]`."""
    *lead, problems, solvers = values.shape
    tables = int(np.prod(lead))
    # Counted between neighbours in `at` and summed up: comparing with every `at` takes a hundred times longer.
    interval = np.searchsorted(at, values).reshape(tables, problems, solvers)
    cell = (np.arange(tables)[:, None, None] * (len(at) + 1) + interval) * solvers + np.arange(solvers)
    counts = np.bincount(cell.ravel(), minlength=tables * (len(at) + 1) * solvers)
    counts = counts.reshape(*lead, len(at) + 1, solvers)[..., :-1, :]
    return counts.cumsum(axis=-2) / problems


def scores_of(ratios: np.ndarray) -> np.ndarray:
    """AlgoPerf's scores from ratios, `[..., problems, solvers]` to `[..., solvers]`."""
    # The indicator of r <= a, integrated over a from 1 to 4, is 4 - r.
    return np.clip(LAST_RATIO - ratios, 0.0, None).mean(axis=-2) / (LAST_RATIO - 1.0)


def speedups_of(times: np.ndarray, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """`speedup` and `problems` as in `speedups`, from times `[..., problems, solvers]`, both `[..., solvers]`."""
    logs = np.log(np.maximum(times, 1.0))
    own = logs[..., reference, None]
    both = np.isfinite(logs) & np.isfinite(own)
    gains = np.subtract(own, logs, out=np.zeros_like(logs), where=both).sum(axis=-2)
    problems = both.sum(axis=-2)
    return np.exp(np.divide(gains, problems, out=np.full_like(gains, np.nan), where=problems > 0)), problems


def simplex_gradients(problems: pd.Index, dimensions: Mapping[str, int]) -> np.ndarray:
    """`n_p + 1` of every problem, `[problems]`."""
    unknown = [str(name) for name in problems if name not in dimensions]
    if unknown:
        raise UsageError(f"a data profile needs the dimension of every problem; it is unknown for {unknown[0]!r}")
    return np.array([dimensions[name] + 1.0 for name in problems])


def _checked(times: pd.DataFrame | np.ndarray) -> pd.DataFrame:
    """Times as floats, infinity for an empty cell."""
    table = pd.DataFrame(times).astype(float).fillna(np.inf)
    if table.empty:
        raise UsageError("a performance profile needs at least one problem and one solver; the table is empty")
    lowest = float(table.to_numpy().min())
    if lowest < 0:
        raise UsageError(f"steps to a target cannot be negative; the table holds {lowest:g}")
    return table
