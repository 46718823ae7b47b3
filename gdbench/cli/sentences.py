"""Write the sentences below a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from gdbench.columns import PROBLEM
from gdbench.formatting import number, whole
from gdbench.results.selection import rule

# One sentence can hold this many condition numbers.
MOST_CONDITIONS = 12

# One sentence can name this many combinations with their best rate on the edge of the grid.
MOST_EDGES = 12


def condition_sentences(table: pd.DataFrame) -> list[str]:
    """List the condition numbers, which are why one surface takes longer than another, in one line."""
    rows = table.drop_duplicates(PROBLEM).dropna(subset=["condition_number"])
    if not len(rows):
        return []
    if len(rows) > MOST_CONDITIONS:
        low, high = rows["condition_number"].min(), rows["condition_number"].max()
        return [f"Condition number at the minimum: {number(low)} to {number(high)} on {len(rows)} surfaces."]
    pairs = [f"{row.problem} {number(row.condition_number)}" for row in rows.itertuples()]
    return [f"Condition number at the minimum: {', '.join(pairs)}."]


def sweep_target_sentence(rtol: Sequence[object], atol: Sequence[object], steps: Sequence[object]) -> str:
    """Say the target; where it is swept, its values."""
    if len(rtol) == len(atol) == len(steps) == 1:
        return target_sentence(float(rtol[0]), float(atol[0]), int(steps[0]))  # type: ignore[arg-type, call-overload]
    swept = [
        f"{name} {', '.join(map(str, values))}" for name, values in (("rtol", rtol), ("atol", atol), ("steps", steps))
    ]
    return f"Target: loss - f* <= atol + rtol × the gap at the start; {'; '.join(swept)}."


def other_target_sentences(table: pd.DataFrame, goals: Mapping[str, str]) -> list[str]:
    """Say what `reached` means where no lowest loss says it; `goals` in words by surface.

    Where neither a goal nor the minimum is known, that nothing there can be reached.
    """
    said = [f"On {name} `reached` means: {goal}." for name, goal in goals.items() if goal]
    ran = table[(table["status"] != "error") & ~table["surface"].isin(goals)]
    without = ran.groupby(PROBLEM, observed=True, sort=False)["gap"].agg(lambda gaps: bool(gaps.isna().all()))
    names = [str(name) for name, unknown in without.items() if unknown]
    if names:
        listed = ", ".join(names[:MOST_CONDITIONS]) + (" .." if len(names) > MOST_CONDITIONS else "")
        said.append(f"The lowest loss is not known on {listed}: nothing there is `reached`, the lower loss is better.")
    return said


def budget_sentence(
    table: pd.DataFrame, metric: str = "steps_to_target", trial: str = "learning rate", each: str = "start"
) -> str:
    """Say what tuning cost, how the winner was chosen, and whether it sits on the edge of its grid.

    `trial` is what was tried, `each` what it was tried on.
    """
    is_tuned = table["tuned"].astype(bool)
    tuned, fixed = table[is_tuned], table[~is_tuned]
    if not len(tuned):
        return "Nothing was tuned: every solver ran at one setting."
    owner = f"every solver but {', '.join(dict.fromkeys(fixed['solver']))}" if len(fixed) else "every solver"
    held_out = "tuning_starts" in table.columns
    trials, runs = tuned["trials"], tuned["tuning_runs"]
    unequal = tuned.groupby(PROBLEM, observed=True)[["trials", "tuning_runs"]].nunique().gt(1).to_numpy().any()
    if unequal:
        words = f"Tuning budget of {owner}, NOT equal: {whole(runs.min())} to {whole(runs.max())} runs on a surface"
    elif trials.min() == trials.max() and runs.min() == runs.max():
        per_trial = int(runs.iloc[0]) // int(trials.iloc[0])
        on = f"{per_trial} {each}{'s' if per_trial > 1 else ''}"
        words = f"Tuning budget of {owner} on every surface: {whole(trials.iloc[0])} {trial}s × {on}"
        words += f" = {whole(runs.iloc[0])} runs"
    else:
        words = f"Tuning budget of {owner}, equal on each surface: {whole(runs.min())} to {whole(runs.max())} runs"
    words += f"; chosen by {rule(metric)}."
    if held_out:
        words += f" Reported on {number(int(tuned['starts'].max()))} held-out starts that tuning never saw."
    words += f" Steps computed in all: {whole(table['tuning_steps'].sum())}."
    edges = tuned[tuned["tuning_edge"].fillna("") != ""]
    if len(edges):
        pairs = [f"{row.solver} on {row.problem}" for row in edges.itertuples()]
        names = ", ".join(pairs[:MOST_EDGES]) + (f" and {len(pairs) - MOST_EDGES} more" * (len(pairs) > MOST_EDGES))
        words += f" The best rate sits on the edge of the grid (marked < or >) for {names}: widen the grid"
        words += " (--rates, `rates` in a file)."
    return words


def target_sentence(rtol: float, atol: float, steps: int) -> str:
    """Say the target in words."""
    parts = [f"{rtol:g} × the gap at the start"] if rtol else []
    parts += [f"{atol:g}"] if atol or not rtol else []
    return f"Target: loss - f* <= {' + '.join(parts)}, within {number(steps)} steps."
