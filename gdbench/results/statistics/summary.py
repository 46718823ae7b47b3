"""All statistics of a comparison, with bootstrap bands, as tidy frames: what the pictures of a sweep show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gdbench.columns import AT, PROBLEM
from gdbench.errors import UsageError
from gdbench.results.statistics.columns import floats, steps_of
from gdbench.results.statistics.profiles import (
    algoperf_scores,
    performance_ratios,
    reference_of,
    shares_at,
    simplex_gradients,
    speedups,
)
from gdbench.results.statistics.resampling import band, resampled_counts, resampled_medians
from gdbench.results.statistics.runtimes import expected_running_times, hit_counts

# A curve has its break points where there are few, and as many log-spaced places, where bands change too.
MOST_POINTS = 120
# draws of which the ladder is summed up together: 1,024 x 17 solvers x 120 steps are 8 MB
RUNS_AT_ONCE = 1024


@dataclass(frozen=True)
class Outcomes:
    """The runs of a comparison as arrays; a draw is a (start, seed) of a problem, the same for every solver.

    Problems with fewer draws than the most are padded. A draw that a solver has no run for counts as failed.
    """

    problems: pd.Index
    solvers: pd.Index
    draws: np.ndarray  # [problems]
    present: np.ndarray  # [problems, solvers, draws]
    hits: np.ndarray  # steps to the target, infinity if failed, [problems, solvers, draws]
    steps: np.ndarray  # made, up to the hit or the end
    evaluations: np.ndarray  # of values and gradients, up to the hit or the end
    ladder: np.ndarray  # first step at each further target, [problems, solvers, draws, targets]


def summaries(
    chosen: pd.DataFrame,
    dimensions: Mapping[str, int],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    reference: str | None = None,
) -> dict[str, pd.DataFrame]:
    """Return profiles, ECDF, ERT and scores of the runs at each solver's chosen settings; nothing where there are none.

    profile : solver, ratio, share, low, high. A problem's time is the median of steps to the target over its runs.
    data_profile : solver, budget, share, low, high. The median of evaluations, over `dimensions[problem] + 1`.
    ecdf : solver, steps, share, low, high, where `chosen` has `steps_at_*`: the share of (run,
    target) pairs hit within so many steps, every problem of the same weight (Hansen et al. 2022,
    doi:10.1109/TEVC.2022.3210897).
    ert : problem, solver, successes, runs, ert (evaluations of values and gradients; Hessians are not counted), low,
    high (of ert), ert_steps; a row per problem and solver that ran there.
    scores : solver, solved (share of problems with a finite median), algoperf, algoperf_low, algoperf_high, speedup,
    speedup_low, speedup_high, speedup_problems, reference; see `algoperf_scores` and `speedups`.

    low, high : a percentile bootstrap band over `resamples` draws of runs within each problem, the same draws for every
    solver; problems are never resampled, so it says what other starts and seeds would change, not other problems. It
    contains its estimate and is NaN where no problem has two runs; a curve's level stands in its `attrs["confidence"]`.
    Raises UsageError for a problem without dimension, an unknown reference, and a confidence outside 0..1.
    """
    if not 0 < confidence < 1 or resamples < 1:
        raise UsageError(f"a band needs a confidence between 0 and 1 and resamples, not {confidence:g} and {resamples}")
    if chosen.empty:
        return {}
    runs = outcomes(chosen)
    units = simplex_gradients(runs.problems, dimensions)
    counts = [
        resampled_counts(int(draws), resamples if runs.draws.max() > 1 else 0, seed, str(name))
        for name, draws in zip(runs.problems, runs.draws, strict=True)
    ]
    # Axis 0 holds the estimate and then the resamples.
    times = _times(runs.hits, runs, counts)
    costs = _times(np.where(np.isfinite(runs.hits), runs.evaluations, np.inf), runs, counts)
    ratios, budgets = performance_ratios(times), np.maximum(costs, 1.0) / units[:, None]
    frames = {}
    for name, axis, values, first in (("profile", "ratio", ratios, [1.0]), ("data_profile", "budget", budgets, [])):
        at = abscissae(np.append(values[0], first))
        frames[name] = _curves(runs.solvers, axis, at, shares_at(values, at), confidence)
    if runs.ladder.shape[-1]:
        finite = runs.ladder[np.isfinite(runs.ladder)]
        at = np.unique(np.round(np.geomspace(1.0, max(finite.max(initial=1.0), 2.0), MOST_POINTS)))
        frames["ecdf"] = _curves(runs.solvers, "steps", at, _ladder_shares(runs, counts, at), confidence)
    frames["ert"] = _running_times(runs, counts, confidence)
    frames["scores"] = _scores(runs.solvers, times, ratios, confidence, reference)
    return frames


def outcomes(chosen: pd.DataFrame) -> Outcomes:
    """Lay out the rows of `chosen` as arrays, problems and solvers in the order in which they first appear."""
    problem, problems = pd.factorize(chosen[PROBLEM])
    solver, solvers = pd.factorize(chosen["solver"])
    keys = pd.DataFrame({"problem": problem, "start": floats(chosen, "start"), "seed": floats(chosen, "seed")}).fillna(
        -1
    )
    keys["copy"] = keys.assign(solver=solver).groupby([*keys, "solver"]).cumcount()
    draws = keys.drop_duplicates().sort_values([*keys])
    draws["draw"] = draws.groupby("problem").cumcount()
    draw = keys.merge(draws, how="left", on=[*keys])["draw"].to_numpy()
    sizes = np.bincount(draws["problem"])
    shape = (len(problems), len(solvers), int(sizes.max()))

    def lay_out(values: np.ndarray, absent: float | bool) -> np.ndarray:
        array = np.full((*shape, *values.shape[1:]), absent)
        array[problem, solver, draw] = values
        return array

    evaluations = np.nan_to_num(floats(chosen, "value_evals")) + np.nan_to_num(floats(chosen, "grad_evals"))
    targets = [steps_of(chosen, name) for name in chosen.columns if str(name).startswith(AT)]
    return Outcomes(
        pd.Index(problems, name=PROBLEM),
        pd.Index(solvers, name="solver"),
        sizes,
        present=lay_out(np.ones(len(chosen), dtype=bool), False),
        hits=lay_out(steps_of(chosen, "steps_to_target"), np.inf),
        steps=lay_out(np.nan_to_num(floats(chosen, "steps")), 0.0),
        evaluations=lay_out(evaluations, 0.0),
        ladder=lay_out(np.array(targets).reshape(len(targets), len(chosen)).T, np.inf),
    )


def abscissae(values: np.ndarray) -> np.ndarray:
    """Choose where to give a curve that jumps at `values`: at the finite ones or log-spaced ones, and in between."""
    breaks = np.unique(values[np.isfinite(values)])
    if len(breaks) < 2:
        return breaks
    spaced = np.geomspace(breaks[0], breaks[-1], MOST_POINTS)[1:-1]
    if len(breaks) > MOST_POINTS:
        breaks = breaks[np.unique([0, *np.searchsorted(breaks, spaced), len(breaks) - 1])]
    return np.union1d(breaks, spaced)


def _times(values: np.ndarray, runs: Outcomes, counts: list[np.ndarray]) -> np.ndarray:
    """Return the median over a problem's draws in every resample, `[resamples, problems, solvers]`."""
    each = zip(values, runs.draws, counts, strict=True)
    return np.stack([resampled_medians(own[:, :draws], drawn) for own, draws, drawn in each], axis=1)


def _ladder_shares(runs: Outcomes, counts: list[np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return the runtime ECDF in every resample, `[resamples, steps, solvers]`."""
    solvers, targets = len(runs.solvers), runs.ladder.shape[-1]
    total = np.zeros((counts[0].shape[1], solvers * len(at)))
    for draws in np.unique(runs.draws):
        alike = np.flatnonzero(runs.draws == draws)
        for some in np.array_split(alike, -(-len(alike) * draws // RUNS_AT_ONCE)):
            hits = runs.ladder[some, :, :draws].swapaxes(1, 2).reshape(-1, targets)
            met = hit_counts(hits, at).reshape(len(some) * draws, -1)
            drawn = np.concatenate([counts[i] for i in some])
            # Sums of whole numbers far below 2^24: exact in float32, whatever the order, and twice as fast.
            total += (drawn.T.astype(np.float32) @ met.astype(np.float32)).astype(float) / (draws * targets)
    return (total / len(runs.problems)).reshape(-1, solvers, len(at)).swapaxes(1, 2)


def _curves(solvers: pd.Index, axis: str, at: np.ndarray, shares: np.ndarray, confidence: float) -> pd.DataFrame:
    """Return shares `[resamples, a, solvers]` as rows: solver, `axis`, share, low, high."""
    low, high = band(shares, confidence)
    columns = {"solver": np.repeat(solvers.to_numpy(), len(at)), axis: np.tile(at, len(solvers))}
    frame = pd.DataFrame(columns | {"share": shares[0].T.ravel(), "low": low.T.ravel(), "high": high.T.ravel()})
    frame.attrs["confidence"] = confidence
    return frame


def _running_times(runs: Outcomes, counts: list[np.ndarray], confidence: float) -> pd.DataFrame:
    """Return the frame `ert`."""
    reached = np.isfinite(runs.hits)
    parts = []
    for i, (draws, drawn) in enumerate(zip(runs.draws, counts, strict=True)):
        own = slice(0, int(draws))
        spent = np.concatenate([values[i, :, own] for values in (reached, runs.evaluations, runs.steps)])
        # For products as small as these einsum is quicker than the threads of a matrix product.
        successes, cost, steps = np.split(np.einsum("rb,sr->bs", drawn.astype(float), spent), 3, axis=1)
        cost, steps = expected_running_times(cost, successes), expected_running_times(steps, successes)
        low, high = band(cost, confidence) if draws > 1 else (np.full(len(runs.solvers), np.nan),) * 2
        frame = pd.DataFrame({PROBLEM: runs.problems[i], "solver": runs.solvers})
        frame["successes"] = successes[0].astype(int)
        frame["runs"] = runs.present[i].sum(axis=1)
        frame = frame.assign(ert=cost[0], low=low, high=high, ert_steps=steps[0])
        parts.append(frame[frame["runs"] > 0])
    return pd.concat(parts, ignore_index=True)


def _scores(
    solvers: pd.Index, times: np.ndarray, ratios: np.ndarray, confidence: float, reference: str | None
) -> pd.DataFrame:
    """Return the frame `scores`."""
    scores = algoperf_scores(ratios)
    chosen = reference_of([str(name) for name in solvers], scores[0], reference)
    speed, problems = speedups(times, chosen)
    frame = pd.DataFrame({"solver": solvers, "solved": np.isfinite(times[0]).mean(axis=0), "algoperf": scores[0]})
    frame["algoperf_low"], frame["algoperf_high"] = band(scores, confidence)
    frame["speedup"] = speed[0]
    frame["speedup_low"], frame["speedup_high"] = band(speed, confidence)
    return frame.assign(speedup_problems=problems[0], reference=solvers[chosen])
