"""Every solver gets the same budget of trials; the winner is chosen by one printed rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

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
