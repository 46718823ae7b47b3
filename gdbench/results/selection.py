"""Select the settings that win, by one printed rule, and the runs that are at them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gdbench.columns import PROBLEM, hyperparameters
from gdbench.results.codes import ABSENT, matching_codes
from gdbench.results.statistics.medians import grouped_median

# The rule that chooses the winner is printed under every table.
RULE = "most runs at the target, then fewest steps (median over starts), then lowest loss, then smaller rate"

# the same where tuning goes by a loss
LOSS_RULE = "lowest {} (median over starts), then most runs at the target, then fewest steps, then smaller rate"

METRICS = {"steps_to_target": "steps", "loss_final": "loss", "loss_best": "loss"}

# A score is made of these columns.
SCORED = ("status", "steps_to_target", "loss_final", "loss_best")


def rule(metric: str = "steps_to_target") -> str:
    """Return the rule by which `metric` chooses, in words."""
    return RULE if METRICS[metric] == "steps" else LOSS_RULE.format(metric.replace("_", " "))


def score_groups(
    runs: pd.DataFrame, groups: np.ndarray, codes: np.ndarray, metric: str = "steps_to_target"
) -> pd.DataFrame:
    """Return a row per group (a problem and solver) and setting, best first within each group by the rule of `metric`.

    groups : `[runs]`, the number of a run's group; codes : `[runs]`, as `setting_codes` numbers them. Columns: group,
    setting (one of `codes`), reached : runs at the target, steps : their median over starts, a failed run counting as
    infinity, loss : the median final (or best) loss, likewise.
    """
    settings, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    table = pd.DataFrame({"group": groups[first], "setting": settings, **_scores(runs, inverse.reshape(-1), metric)})
    keys = [-table[name] if name == "reached" else table[name] for name in _order(metric)]
    # the last key counts first; equal settings stand in the order of their numbers
    best_first = np.lexsort((table["setting"], *reversed(keys), table["group"]))
    return table.iloc[best_first].reset_index(drop=True)


def group_edges(rates: np.ndarray, groups: np.ndarray, codes: np.ndarray, scored: pd.DataFrame) -> dict[int, str]:
    """Return, by group of `scored`, the edge of the learning rates that its winner sits on: "low", "high" or "".

    rates : `[runs]`, NaN where a run has none; groups, codes, scored : as `score_groups` takes and returns them.
    """
    best = scored.drop_duplicates("group")
    settings, first = np.unique(codes, return_index=True)
    winner = rates[first[np.searchsorted(settings, best["setting"])]]
    known = pd.Series(rates).groupby(groups)
    low, high = (bound.loc[best["group"]].to_numpy() for bound in (known.min(), known.max()))
    # where no rate did better than another, no wider grid would help
    outcomes = scored.drop_duplicates(["group", "reached", "steps", "loss"])["group"].value_counts()
    open_ended = (outcomes.loc[best["group"]].to_numpy() > 1) & (low < high)
    edges = np.where(open_ended & (winner == low), "low", np.where(open_ended & (winner == high), "high", ""))
    return dict(zip(best["group"].tolist(), edges.tolist(), strict=True))


def _order(metric: str) -> list[str]:
    """Return the columns of scores by which `metric` chooses, the first one first."""
    return ["reached", "steps", "loss"] if METRICS[metric] == "steps" else ["loss", "reached", "steps"]


def _scores(runs: pd.DataFrame, codes: np.ndarray, metric: str) -> dict[str, np.ndarray]:
    """Score the runs of every code; `codes` are whole numbers from 0, and every one occurs."""
    failed = runs["status"].isin(["diverged", "error"]).to_numpy()
    loss = pd.to_numeric(runs["loss_best" if metric == "loss_best" else "loss_final"]).to_numpy(float, na_value=np.inf)
    loss = np.where(failed | np.isnan(loss), np.inf, loss)
    steps = pd.to_numeric(runs["steps_to_target"]).to_numpy(dtype=float, na_value=np.inf)
    return {
        "reached": np.bincount(codes, (runs["status"] == "reached").to_numpy()).astype(int),
        "steps": grouped_median(steps, codes),
        "loss": grouped_median(loss, codes),
    }


def chosen_runs(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `runs`, in their order, at the settings that `table` names for each problem and solver.

    All hyperparameters that both frames have must be equal: an empty cell equals an empty one only, a number its exact
    value, whichever type its column was read as. Where the table's `tuning_starts` is above 0 only the held-out starts
    count: `start >= tuning_starts`.
    """
    rows, run_key, table_key = np.arange(len(runs)), np.zeros(len(runs), np.int64), np.zeros(len(table), np.int64)
    for name in [PROBLEM, "solver", *(name for name in hyperparameters(runs) if name in table.columns)]:
        found, given = matching_codes(runs[name].iloc[rows], table[name])
        base = int(given.max(initial=0)) + 1
        # numbered anew after every column: a product over all columns would overflow
        known, table_key = np.unique(table_key * base + given, return_inverse=True)
        key = pd.Index(known).get_indexer(pd.Index(run_key * base + found))
        keep = (found != ABSENT) & (key >= 0)
        rows, run_key = rows[keep], key[keep].astype(np.int64)
    if "tuning_starts" in table.columns:
        held_out = np.zeros(int(table_key.max(initial=-1)) + 1)
        held_out[table_key] = pd.to_numeric(table["tuning_starts"]).to_numpy(dtype=float, na_value=0.0)
        rows = rows[runs["start"].to_numpy()[rows] >= held_out[run_key]]
    return runs.iloc[rows]
