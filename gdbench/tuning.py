"""Every solver gets the same budget of trials; the winner is chosen by one printed rule."""

from __future__ import annotations

import numpy as np
import pandas as pd

# how the winner is chosen; printed under every table
RULE = "most runs at the target, then fewest steps (median over starts), then lowest loss, then smaller rate"


def score_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per learning rate of one surface and solver: `learning_rate, reached, steps, loss`, best first.

    reached : runs at the target; steps : their median over starts, a failed run counting as infinity; loss : median
    final loss, likewise. Runs without a learning rate are one group.
    """
    failed = runs["status"].isin(["diverged", "error"])
    scored = pd.DataFrame(
        {
            "learning_rate": runs.get("learning_rate", np.nan),
            "reached": (runs["status"] == "reached").astype(int),
            "steps": runs["steps_to_target"].astype("Float64").fillna(np.inf).astype(float),
            "loss": runs["loss_final"].astype(float).where(~failed, np.inf).fillna(np.inf),
        }
    )
    groups = scored.groupby("learning_rate", dropna=False, sort=True)
    table = groups.agg(reached=("reached", "sum"), steps=("steps", median), loss=("loss", median)).reset_index()
    return table.sort_values(
        ["reached", "steps", "loss", "learning_rate"], ascending=[False, True, True, True], kind="stable"
    ).reset_index(drop=True)


def median(values: pd.Series) -> float:
    """The median in which infinities are ordinary large numbers: two middle ones of which one is infinite give it."""
    ordered = np.sort(np.asarray(values, dtype=float))
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(high) if low == high else float(low + (high - low) / 2)


def choose(runs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of the winning learning rate, and the edge of the grid that it sits on: "low", "high" or ""."""
    scored = score_rates(runs)
    winner = scored["learning_rate"].iloc[0]
    if "learning_rate" not in runs or np.isnan(winner):
        return runs, ""
    rates = runs["learning_rate"].to_numpy()
    edge = ""
    # where no rate did better than another, no wider grid would help
    distinct = scored[["reached", "steps", "loss"]].drop_duplicates()
    if rates.min() < rates.max() and len(distinct) > 1:
        edge = "low" if winner == rates.min() else "high" if winner == rates.max() else ""
    return runs[rates == winner], edge
