"""Lay out every table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from gdbench.columns import PROBLEM, SCHEDULE
from gdbench.formatting import number
from gdbench.results.verdicts import APART, BETTER, DIFFERS, SAME, UNKNOWN, WORSE
from gdbench.spec.schedules import KINDS
from gdbench.theory.drift import DRIFTS

SCORE_NAMES = {"test_r2": "test R²", "test_accuracy": "test accuracy"}

STATUS_STYLES = {
    "reached": "green",
    "diverged": "red",
    "stationary": "yellow",
    "budget": "yellow",
    "error": "bold red",
    "stopped": "yellow",
}


def results_table(table: pd.DataFrame, swept: Mapping[str, Sequence[str]] | None = None) -> Table:
    """Lay out the table of a result: a heading for every problem, then each solver's rate, outcome and convergence.

    `swept` names by solver the other hyperparameters of which several values were tried: the winner's are shown, and
    every schedule. A sign behind rates that differ leads to the reason under the table.
    """
    layout = Table(box=None, pad_edge=False, header_style="bold")
    several_starts = bool((table["starts"] > 1).any())
    swept = swept or {}
    has_settings = any(swept.values()) or any(name.endswith(SCHEDULE) for name in table.columns)
    names = ["solver", "learning rate", *(["settings"] if has_settings else []), "steps to target"]
    tuned_on = "tuning_steps_to_target" in table.columns
    names += [*(["reached"] if several_starts else []), *(["on tuning starts"] if tuned_on else []), "outcome", "loss"]
    scores = [name for name in ("test_r2", "test_accuracy") if name in table.columns and table[name].notna().any()]
    names += [SCORE_NAMES[name] for name in scores]
    for name in [*names, "rate seen", "predicted"]:
        left = name in ("solver", "settings", "outcome")
        # The settings of a row that is too wide take a second line, rather than cut a number.
        layout.add_column(name, justify="left" if left else "right", no_wrap=name != "settings")
    signs = _signs(table)
    if signs:
        layout.add_column("", no_wrap=True)
        lines = ["", "Why the rates differ, or one is missing:", *(f"  {signs[text]} {text}" for text in signs)]
        layout.caption, layout.caption_justify, layout.caption_style = "\n".join(lines), "left", "none"
    for index, (problem, rows) in enumerate(table.groupby(PROBLEM, sort=False)):
        if index:
            layout.add_row()
        layout.add_row(Text(str(problem), style="bold"))
        for _, row in rows.iterrows():
            edge = {"low": " <", "high": " >"}.get(str(row["tuning_edge"]), "")
            steps = row["steps_to_target"]
            layout.add_row(
                f"  {row['solver']}",
                number(row.get("learning_rate")) + edge if row["status"] != "error" else "",
                *([_settings(row, swept.get(str(row["solver"]), []))] if has_settings else []),
                number(steps) if math.isfinite(steps) else "never",
                *([f"{round(row['success'] * row['starts'])}/{row['starts']}"] if several_starts else []),
                *([_tuning(row)] if tuned_on else []),
                _outcome(str(row["status"]), row["minimum"], str(row["message"])),
                number(row["loss_final"]),
                *(number(row[name]) for name in scores),
                number(row["rate_observed"], 6),
                number(row["rate_predicted"], 6),
                *([signs.get(str(row["rate_note"]), "")] if signs else []),
            )
    return layout


def _signs(table: pd.DataFrame) -> dict[str, str]:
    """Give a raised number to every note on the rates, in the order of the rows; a table of old has none."""
    if "rate_note" not in table.columns:
        return {}
    notes = dict.fromkeys(str(text) for text in table["rate_note"].fillna("") if text)
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return {text: str(place).translate(raised) for place, text in enumerate(notes, 1)}


def _tuning(row: pd.Series) -> str:
    """Write steps and share of success on the starts that the settings were chosen on."""
    steps = row["tuning_steps_to_target"]
    if pd.isna(steps):
        return ""
    starts = int(row["tuning_starts"])
    return f"{number(steps) if math.isfinite(steps) else 'never'}, {100 * row['tuning_success']:.0f} % of {starts}"


def _settings(row: pd.Series, names: Sequence[str]) -> str:
    """List schedules, then other hyperparameters with values: `momentum 0.5 linear, end_value 0.9, eps 1e-08`."""
    kinds = [name for name in row.index if name.endswith(SCHEDULE) and not pd.isna(row[name])]
    scheduled = sorted((name.removesuffix(SCHEDULE) for name in kinds), key=lambda name: name != "learning_rate")
    parts = [words for name in scheduled for words in _schedule(row, name, names)]
    for name in names:
        if name in scheduled or name.partition(".")[0] in scheduled or ("." in name and pd.isna(row.get(name))):
            continue
        value = row.get(name)
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        parts.append(f"{name} {number(value) if numeric else value}")
    return ", ".join(parts)


def _schedule(row: pd.Series, name: str, swept: Sequence[str]) -> list[str]:
    """List a hyperparameter's schedule, its base unless a column of its own has it, and the numbers chosen."""
    kind = str(row[f"{name}{SCHEDULE}"])
    parts = [f"{name} {kind}" if name == "learning_rate" else f"{name} {number(row[name])} {kind}"]
    usual = KINDS.get(kind, {})
    for column in row.index:
        key = column.removeprefix(f"{name}.")
        if key == column or column.endswith(SCHEDULE) or pd.isna(row[column]):
            continue
        if column in swept or row[column] != usual.get(key):
            parts.append(f"{key} {number(row[column])}")
    return parts


def _outcome(status: str, minimum: object, message: str) -> Text:
    text = Text(status, style=STATUS_STYLES.get(status, ""))
    if not pd.isna(minimum) and int(minimum) > 0:  # type: ignore[call-overload]
        text.append(", local minimum")
    if message.startswith(DRIFTS):
        text.append(f", {DRIFTS}")
    return text


def scores_table(scores: pd.DataFrame) -> Table:
    """Lay out solvers over all problems, best first: share solved, area under the performance profile, speed-up."""
    layout = Table(box=None, pad_edge=False, header_style="bold")
    reference = str(scores["reference"].iloc[0])
    names = ("solver", "solved", "score", f"speed against {reference}, where both arrive")
    for name in names:
        layout.add_column(name, justify="left" if name == "solver" else "right", no_wrap=True)
    for _, row in scores.sort_values("algoperf", ascending=False, kind="stable").iterrows():
        layout.add_row(
            str(row["solver"]),
            f"{100 * row['solved']:.0f} %",
            _with_band(row["algoperf"], row["algoperf_low"], row["algoperf_high"]),
            _with_band(row["speedup"], row["speedup_low"], row["speedup_high"]),
        )
    return layout


def _with_band(value: float, low: float, high: float) -> str:
    """Write a statistic with its bootstrap band."""
    if math.isnan(value):
        return ""
    band = f" ({number(low, 3)} to {number(high, 3)})" if not (math.isnan(low) or low == high) else ""
    return f"{number(value, 3)}{band}"


VERDICT_STYLES = {WORSE: "bold red", BETTER: "green", DIFFERS: "yellow", UNKNOWN: "", SAME: "dim", APART: "dim"}


def comparison_table(frame: pd.DataFrame) -> Table:
    """Lay out a comparison, a heading for every problem: both sides' figures, the ratio of steps, the verdict.

    The final gaps stand in the verdict, where the median run of a side did not reach the target.
    """
    layout = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("solver", "steps a → b", "b / a", "95 %", "reached a → b"):
        layout.add_column(name, justify="left" if name == "solver" else "right", no_wrap=True)
    layout.add_column("verdict on b", min_width=12)
    for index, (problem, rows) in enumerate(frame.groupby(PROBLEM, sort=False)):
        if index:
            layout.add_row()
        layout.add_row(Text(str(problem), style="bold"))
        for row in rows.to_dict("records"):
            interval = [number(row[name], 3) for name in ("ratio_low", "ratio_high")]
            layout.add_row(
                f"  {row['solver']}",
                " → ".join(_steps(row[f"steps_{side}"]) for side in "ab"),
                number(row["ratio"], 3),
                "–".join(interval) if all(interval) else "",
                " → ".join(_reached(row[f"success_{side}"], row[f"runs_{side}"]) for side in "ab"),
                _verdict_cell(row),
            )
    return layout


def _steps(value: float) -> str:
    return "never" if np.isinf(value) else number(value) or "–"


def _reached(success: float, runs: int) -> str:
    return f"{round(success * runs)}/{runs}" if runs else "–"


def _verdict_cell(row: Mapping[Hashable, Any]) -> Text:
    if row["verdict"] == APART:
        return Text(row["reason"], style=VERDICT_STYLES[APART])
    cell = Text(row["verdict"], style=VERDICT_STYLES[row["verdict"]])
    if row["verdict"] != SAME:
        cell = Text.assemble(cell, f": {row['reason']}")
    gaps = [number(row[f"gap_{side}"], 2) for side in "ab"]
    if np.isinf([row["steps_a"], row["steps_b"]]).any() and all(gaps):
        cell.append(f" (gap {' → '.join(gaps)})")
    return cell


def influence_table(influence: Mapping[str, Any]) -> Table:
    """Lay out what `influence_of` returns."""
    inputs, targets = (", ".join(f"{value:g}" for value in values) for values in influence["example"].values())
    title = f"How {influence['weight']} moves E at the start, on the example {inputs} → {targets}"
    table = Table(box=box.SIMPLE, pad_edge=False, title=title, title_justify="left")
    for name in ("step", "is", "value"):
        table.add_column(name, style="bold" if name == "step" else "", no_wrap=name == "step")
    for name, formula, value in (step.values() for step in influence["steps"]):
        text = ", ".join(number(item, 6) for item in value) if isinstance(value, list) else number(value, 10)
        table.add_row(*map(Text, (name, formula, text)))
    return table
