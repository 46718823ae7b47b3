"""Frames to what a terminal shows."""

from __future__ import annotations

import math

import pandas as pd
from rich.table import Table
from rich.text import Text

from gdbench.tuning import RULE

STATUS_STYLES = {"reached": "green", "diverged": "red", "stationary": "yellow", "budget": "yellow", "error": "bold red"}


def number(value: object, digits: int = 4) -> str:
    """A number as a person writes it: 444, 40 012, 0.0198, 2.1e-07; nothing for what does not apply."""
    if value is None or value is pd.NA:
        return ""
    real = float(value)  # type: ignore[arg-type]
    if math.isnan(real):
        return ""
    if math.isinf(real):
        return "∞" if real > 0 else "-∞"
    whole = real == int(real) or abs(real) >= 10**digits - 0.5
    if whole and abs(real) < 1e6:
        return f"{real:,.0f}".replace(",", " ")
    return f"{real:.{digits}g}"


def results_table(table: pd.DataFrame) -> Table:
    """The table of a result: a heading for every surface, then each solver's rate, outcome and convergence."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    several_starts = bool((table["starts"] > 1).any())
    names = ["solver", "learning rate", "steps to target", *(["reached"] if several_starts else []), "outcome", "loss"]
    for name in [*names, "rate seen", "predicted"]:
        shown.add_column(name, justify="left" if name in ("solver", "outcome") else "right", no_wrap=True)
    for index, (surface, rows) in enumerate(table.groupby("surface", sort=False)):
        if index:
            shown.add_row()
        shown.add_row(Text(str(surface), style="bold"))
        for _, row in rows.iterrows():
            edge = {"low": " <", "high": " >"}.get(str(row["tuning_edge"]), "")
            steps = row["steps_to_target"]
            shown.add_row(
                f"  {row['solver']}",
                number(row.get("learning_rate")) + edge if row["status"] != "error" else "",
                number(steps) if math.isfinite(steps) else "never",
                *([f"{round(row['success'] * row['starts'])}/{row['starts']}"] if several_starts else []),
                _outcome(str(row["status"]), row["minimum"]),
                number(row["loss_final"]),
                number(row["rate_observed"], 6),
                number(row["rate_predicted"], 6),
            )
    return shown


def condition_sentences(table: pd.DataFrame) -> list[str]:
    """The condition numbers, which are why one surface takes longer than another; in one line."""
    known = table.drop_duplicates("surface").dropna(subset=["condition_number"])
    if not len(known):
        return []
    pairs = [f"{row.surface} {number(row.condition_number)}" for row in known.itertuples()]
    return [f"Condition number at the minimum: {', '.join(pairs)}."]


def _outcome(status: str, minimum: object) -> Text:
    text = Text(status, style=STATUS_STYLES.get(status, ""))
    if not pd.isna(minimum) and int(minimum) > 0:  # type: ignore[call-overload]
        text.append(", local minimum")
    return text


def budget_sentence(table: pd.DataFrame) -> str:
    """What tuning cost, how the winner was chosen, and whether it sits on the edge of its grid."""
    is_tuned = table["tuned"].astype(bool)
    tuned, fixed = table[is_tuned], table[~is_tuned]
    if not len(tuned):
        return "Nothing was tuned: every solver ran at one setting."
    first = tuned.iloc[0]
    starts = f"{first['starts']} start{'s' if first['starts'] > 1 else ''}"
    owner = f"every solver but {', '.join(dict.fromkeys(fixed['solver']))}" if len(fixed) else "every solver"
    words = f"Tuning budget of {owner} on every surface: {first['trials']} learning rates × {starts}"
    words += f" = {number(first['tuning_runs'])} runs; chosen by {RULE}."
    words += f" Steps computed in all: {int(table['tuning_steps'].sum()):,}.".replace(",", " ")
    edges = tuned[tuned["tuning_edge"].fillna("") != ""]
    if len(edges):
        names = ", ".join(f"{row.solver} on {row.surface}" for row in edges.itertuples())
        words += f" The best rate sits on the edge of the grid (marked < or >) for {names}: widen --rates."
    return words


def target_sentence(rtol: float, atol: float, steps: int) -> str:
    """The target in words."""
    parts = [f"{rtol:g} × the gap at the start"] if rtol else []
    parts += [f"{atol:g}"] if atol or not rtol else []
    return f"Target: loss - f* <= {' + '.join(parts)}, within {number(steps)} steps."
