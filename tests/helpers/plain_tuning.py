"""Score settings and choose one, in the plainest words: `gdbench.results.selection` is held against this."""

import numpy as np
import pandas as pd

RULES = {"steps_to_target": ("reached", "steps", "loss"), "loss_final": ("loss", "reached", "steps")}
RULES["loss_best"] = RULES["loss_final"]


def middle(numbers):
    """The median, in which infinities are numbers."""
    ordered = sorted(numbers)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return high if low == high else low + (high - low) / 2


def score_settings(runs, settings, metric="steps_to_target"):
    """A row per combination of `settings` of one problem and solver, best first: settings, reached, steps, loss."""
    groups = runs.groupby(settings, dropna=False, sort=True) if settings else [((), runs)]
    rows = []
    for _, own in groups:
        losses, steps = [], []
        for status, hit, loss in zip(
            own["status"],
            own["steps_to_target"].to_numpy(float, np.nan),
            own["loss_best" if metric == "loss_best" else "loss_final"].to_numpy(float, np.nan),
            strict=True,
        ):
            steps.append(np.inf if np.isnan(hit) else hit)
            losses.append(np.inf if np.isnan(loss) or status in ("diverged", "error") else loss)
        row = {name: own[name].iloc[0] for name in settings}
        row["reached"] = sum(status == "reached" for status in own["status"])
        rows.append(row | {"steps": middle(steps), "loss": middle(losses)})
    # groups come in the order of their settings, and equal scores keep it
    best_first = sorted(rows, key=lambda row: [-row[k] if k == "reached" else row[k] for k in RULES[metric]])
    return pd.DataFrame(best_first)


def choose(runs, settings, metric="steps_to_target"):
    """The runs at the winning settings, and the edge of the learning rates that those lie on."""
    scored = score_settings(runs, settings, metric)
    won = np.ones(len(runs), bool)
    for name in settings:
        value = scored[name].iloc[0]
        won &= (runs[name].isna() if pd.isna(value) else runs[name] == value).to_numpy(bool)
    if "learning_rate" not in settings or len(scored[["reached", "steps", "loss"]].drop_duplicates()) == 1:
        return runs[won], ""
    rates, winner = runs["learning_rate"].dropna(), scored["learning_rate"].iloc[0]
    if rates.min() == rates.max():
        return runs[won], ""
    return runs[won], "low" if winner == rates.min() else "high" if winner == rates.max() else ""
