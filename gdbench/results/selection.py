"""Select the settings that win, by one printed rule, and the runs that are at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gdbench.columns import PROBLEM, hyperparameters
from gdbench.results.labels import _plain

# how the winner is chosen; printed under every table
RULE = "most runs at the target, then fewest steps (median over starts), then lowest loss, then smaller rate"

# the same where tuning goes by a loss
LOSS_RULE = "lowest {} (median over starts), then most runs at the target, then fewest steps, then smaller rate"

METRICS = {"steps_to_target": "steps", "loss_final": "loss", "loss_best": "loss"}

# what a score is made of
SCORED = ("status", "steps_to_target", "loss_final", "loss_best")


def rule(metric: str = "steps_to_target") -> str:
    """The rule by which `metric` chooses, in words."""
    return RULE if METRICS[metric] == "steps" else LOSS_RULE.format(metric.replace("_", " "))


def setting_codes(runs: pd.DataFrame, groups: np.ndarray, settings: Sequence[str]) -> np.ndarray:
    """The number `[runs]` of every distinct combination of group and `settings`, from 0, in the order of all these.

    An empty cell equals an empty one and comes last.
    """
    codes = groups
    for name in settings:
        places, values = pd.factorize(runs[name], sort=True)
        if len(values) > (places >= 0).all():  # else all cells are alike
            codes = codes * (len(values) + 1) + np.where(places < 0, len(values), places)
            # numbered anew after every column: a product over all columns would overflow
            codes = pd.factorize(codes, sort=True)[0]
    return codes if codes is not groups else pd.factorize(codes, sort=True)[0]


def score_groups(
    runs: pd.DataFrame, groups: np.ndarray, codes: np.ndarray, metric: str = "steps_to_target"
) -> pd.DataFrame:
    """A row per group (a problem and solver) and setting, best first within each group by the rule of `metric`.

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
    """By group of `scored`, the edge of the learning rates that its winner sits on: "low", "high" or "".

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
    """The columns of scores by which `metric` chooses, the first one first."""
    return ["reached", "steps", "loss"] if METRICS[metric] == "steps" else ["loss", "reached", "steps"]


def _scores(runs: pd.DataFrame, codes: np.ndarray, metric: str) -> dict[str, np.ndarray]:
    """What the runs of every code came to; `codes` are whole numbers from 0, and every one occurs."""
    failed = runs["status"].isin(["diverged", "error"]).to_numpy()
    loss = pd.to_numeric(runs["loss_best" if metric == "loss_best" else "loss_final"]).to_numpy(float, na_value=np.inf)
    loss = np.where(failed | np.isnan(loss), np.inf, loss)
    steps = pd.to_numeric(runs["steps_to_target"]).to_numpy(dtype=float, na_value=np.inf)
    return {
        "reached": np.bincount(codes, (runs["status"] == "reached").to_numpy()).astype(int),
        "steps": grouped_median(steps, codes),
        "loss": grouped_median(loss, codes),
    }


def grouped_median(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The `median` of every group of `values`; `codes` are whole numbers from 0, and every one occurs."""
    order = np.lexsort((values, codes))
    counts = np.bincount(codes)
    first = np.cumsum(counts) - counts
    ordered = values[order]
    low, high = ordered[first + (counts - 1) // 2], ordered[first + counts // 2]
    with np.errstate(invalid="ignore"):
        return np.where(low == high, high, low + (high - low) / 2)


def median(values: pd.Series | np.ndarray) -> float:
    """The median in which infinities are ordinary large numbers: two middle ones of which one is infinite give it."""
    numbers = np.asarray(values, dtype=float)
    return float(grouped_median(numbers, np.zeros(len(numbers), np.int64))[0])


EMPTY, ABSENT = 0, -1


def chosen_runs(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `runs`, in their order, at the settings that `table` names for each problem and solver.

    All hyperparameters that both frames have must be equal: an empty cell equals an empty one only, a number its exact
    value, whichever type its column was read as. Where the table's `tuning_starts` is above 0 only the held-out starts
    count: `start >= tuning_starts`.
    """
    rows, run_key, table_key = np.arange(len(runs)), np.zeros(len(runs), np.int64), np.zeros(len(table), np.int64)
    for name in [PROBLEM, "solver", *(name for name in hyperparameters(runs) if name in table.columns)]:
        found, given = _codes(runs[name].iloc[rows], table[name])
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


def _codes(column: pd.Series, choices: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Both columns as whole numbers, equal where the cells are: 0 for an empty one, -1 for what `choices` lacks."""
    given = _factorised(choices)
    known = given[1].drop_duplicates()  # a column of mixed types may hold 3 and "3"

    def numbered(codes: np.ndarray, values: pd.Index) -> np.ndarray:
        places = known.get_indexer(values)
        # the code of an empty cell is -1: the last number
        return np.append(np.where(places < 0, ABSENT, places + 1), EMPTY)[codes]

    return numbered(*_factorised(column)), numbered(*given)


def _factorised(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """For each cell the place of its value, -1 for an empty one, and the values."""
    codes, uniques = pd.factorize(column)
    if pd.api.types.is_numeric_dtype(uniques.dtype) and not pd.api.types.is_bool_dtype(uniques.dtype):
        return codes, pd.Index(np.asarray(uniques, dtype=float))
    return codes, pd.Index([_plain(value) for value in uniques], dtype=object)
