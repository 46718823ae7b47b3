"""Frames to what a terminal shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from gdbench.results.selection import rule
from gdbench.spec.schedules import KINDS
from gdbench.theory.drift import DRIFTS

# the end of a column that holds the kind of a hyperparameter's schedule
SCHEDULE = ".schedule"
# condition numbers that one sentence can hold
MOST_CONDITIONS = 12
# combinations whose best rate lies on the edge of the grid, likewise
MOST_EDGES = 12
SCORE_NAMES = {"test_r2": "test R²", "test_accuracy": "test accuracy"}
STATUS_STYLES = {
    "reached": "green",
    "diverged": "red",
    "stationary": "yellow",
    "budget": "yellow",
    "error": "bold red",
    "stopped": "yellow",
}


def number(value: object, digits: int = 4) -> str:
    """A number as a person writes it: 444, 40 012, 0.0198, 2.1e-07; nothing for what does not apply."""
    if value is None or value is pd.NA:
        return ""
    real = float(value)  # type: ignore[arg-type]
    if math.isnan(real):
        return ""
    if math.isinf(real):
        return "∞" if real > 0 else "-∞"
    # from a thousand on, four digits are a whole number
    whole = real == int(real) or abs(real) >= 10 ** (digits - 1)
    if whole and abs(real) < 1e6:
        return f"{real:,.0f}".replace(",", " ")
    return f"{real:.{digits}g}"


def whole(count: float | np.integer) -> str:
    """A count with its thousands apart: 1 048 576."""
    return f"{count:,.0f}".replace(",", " ")


def results_table(table: pd.DataFrame, swept: Mapping[str, Sequence[str]] | None = None) -> Table:
    """The table of a result: a heading for every surface, then each solver's rate, outcome and convergence.

    `swept` names by solver the other hyperparameters of which several values were tried: the winner's are shown, and
    every schedule. A sign behind rates that differ leads to the reason under the table.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold")
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
        # of a row that is too wide the settings take a second line, rather than cut a number
        shown.add_column(name, justify="left" if left else "right", no_wrap=name != "settings")
    signs = _signs(table)
    if signs:
        shown.add_column("", no_wrap=True)
        lines = ["", "Why the rates differ, or one is missing:", *(f"  {signs[text]} {text}" for text in signs)]
        shown.caption, shown.caption_justify, shown.caption_style = "\n".join(lines), "left", "none"
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
    return shown


def _signs(table: pd.DataFrame) -> dict[str, str]:
    """A raised number for every note on the rates, in the order of the rows; a table of old has none."""
    if "rate_note" not in table.columns:
        return {}
    notes = dict.fromkeys(str(text) for text in table["rate_note"].fillna("") if text)
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return {text: str(place).translate(raised) for place, text in enumerate(notes, 1)}


def _tuning(row: pd.Series) -> str:
    """Steps and share of success on the starts that the settings were chosen on."""
    steps = row["tuning_steps_to_target"]
    if pd.isna(steps):
        return ""
    starts = int(row["tuning_starts"])
    return f"{number(steps) if math.isfinite(steps) else 'never'}, {100 * row['tuning_success']:.0f} % of {starts}"


def _settings(row: pd.Series, names: Sequence[str]) -> str:
    """Schedules, then other hyperparameters with their values: `momentum 0.5 linear, end_value 0.9, eps 1e-08`."""
    kinds = [name for name in row.index if name.endswith(SCHEDULE) and not pd.isna(row[name])]
    scheduled = sorted((name.removesuffix(SCHEDULE) for name in kinds), key=lambda name: name != "learning_rate")
    shown = [words for name in scheduled for words in _schedule(row, name, names)]
    for name in names:
        if name in scheduled or name.partition(".")[0] in scheduled or ("." in name and pd.isna(row.get(name))):
            continue
        value = row.get(name)
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        shown.append(f"{name} {number(value) if numeric else value}")
    return ", ".join(shown)


def _schedule(row: pd.Series, name: str, swept: Sequence[str]) -> list[str]:
    """A hyperparameter's schedule, its base unless a column of its own has it, and the numbers that were chosen."""
    kind = str(row[f"{name}{SCHEDULE}"])
    shown = [f"{name} {kind}" if name == "learning_rate" else f"{name} {number(row[name])} {kind}"]
    usual = KINDS.get(kind, {})
    for column in row.index:
        key = column.removeprefix(f"{name}.")
        if key == column or column.endswith(SCHEDULE) or pd.isna(row[column]):
            continue
        if column in swept or row[column] != usual.get(key):
            shown.append(f"{key} {number(row[column])}")
    return shown


def condition_sentences(table: pd.DataFrame) -> list[str]:
    """The condition numbers, which are why one surface takes longer than another; in one line."""
    known = table.drop_duplicates("surface").dropna(subset=["condition_number"])
    if not len(known):
        return []
    if len(known) > MOST_CONDITIONS:
        low, high = known["condition_number"].min(), known["condition_number"].max()
        return [f"Condition number at the minimum: {number(low)} to {number(high)} on {len(known)} surfaces."]
    pairs = [f"{row.surface} {number(row.condition_number)}" for row in known.itertuples()]
    return [f"Condition number at the minimum: {', '.join(pairs)}."]


def _outcome(status: str, minimum: object, message: str) -> Text:
    text = Text(status, style=STATUS_STYLES.get(status, ""))
    if not pd.isna(minimum) and int(minimum) > 0:  # type: ignore[call-overload]
        text.append(", local minimum")
    if message.startswith(DRIFTS):
        text.append(f", {DRIFTS}")
    return text


def scores_table(scores: pd.DataFrame) -> Table:
    """Solvers over all problems, best first: share solved, area under the performance profile, speed-up."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    reference = str(scores["reference"].iloc[0])
    names = ("solver", "solved", "score", f"speed against {reference}, where both arrive")
    for name in names:
        shown.add_column(name, justify="left" if name == "solver" else "right", no_wrap=True)
    for _, row in scores.sort_values("algoperf", ascending=False, kind="stable").iterrows():
        shown.add_row(
            str(row["solver"]),
            f"{100 * row['solved']:.0f} %",
            _with_band(row["algoperf"], row["algoperf_low"], row["algoperf_high"]),
            _with_band(row["speedup"], row["speedup_low"], row["speedup_high"]),
        )
    return shown


def _with_band(value: float, low: float, high: float) -> str:
    """A statistic with its bootstrap band."""
    if math.isnan(value):
        return ""
    band = f" ({number(low, 3)} to {number(high, 3)})" if not (math.isnan(low) or low == high) else ""
    return f"{number(value, 3)}{band}"


def sweep_target_sentence(rtol: Sequence[object], atol: Sequence[object], steps: Sequence[object]) -> str:
    """The target in words; where it is swept, the values."""
    if len(rtol) == len(atol) == len(steps) == 1:
        return target_sentence(float(rtol[0]), float(atol[0]), int(steps[0]))  # type: ignore[arg-type, call-overload]
    swept = [
        f"{name} {', '.join(map(str, values))}" for name, values in (("rtol", rtol), ("atol", atol), ("steps", steps))
    ]
    return f"Target: loss - f* <= atol + rtol × the gap at the start; {'; '.join(swept)}."


def other_target_sentences(table: pd.DataFrame, goals: Mapping[str, str]) -> list[str]:
    """What `reached` means where no lowest loss says it; `goals` in words by surface, whose name problems begin with.

    Where neither a goal nor the minimum is known, that nothing there can be reached.
    """
    said = [f"On {name} `reached` means: {goal}." for name, goal in goals.items() if goal]
    ran = table[(table["status"] != "error") & ~table["surface"].astype(str).str.partition(" ")[0].isin(goals)]
    without = ran.groupby("surface", observed=True, sort=False)["gap"].agg(lambda gaps: bool(gaps.isna().all()))
    names = [str(name) for name, unknown in without.items() if unknown]
    if names:
        shown = ", ".join(names[:MOST_CONDITIONS]) + (" .." if len(names) > MOST_CONDITIONS else "")
        said.append(f"The lowest loss is not known on {shown}: nothing there is `reached`, the lower loss is better.")
    return said


def budget_sentence(
    table: pd.DataFrame, metric: str = "steps_to_target", trial: str = "learning rate", each: str = "start"
) -> str:
    """What tuning cost, how the winner was chosen, and whether it sits on the edge of its grid.

    `trial` is what was tried, `each` what it was tried on.
    """
    is_tuned = table["tuned"].astype(bool)
    tuned, fixed = table[is_tuned], table[~is_tuned]
    if not len(tuned):
        return "Nothing was tuned: every solver ran at one setting."
    owner = f"every solver but {', '.join(dict.fromkeys(fixed['solver']))}" if len(fixed) else "every solver"
    held_out = "tuning_starts" in table.columns
    trials, runs = tuned["trials"], tuned["tuning_runs"]
    unequal = tuned.groupby("surface", observed=True)[["trials", "tuning_runs"]].nunique().gt(1).to_numpy().any()
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
        pairs = [f"{row.solver} on {row.surface}" for row in edges.itertuples()]
        names = ", ".join(pairs[:MOST_EDGES]) + (f" and {len(pairs) - MOST_EDGES} more" * (len(pairs) > MOST_EDGES))
        words += f" The best rate sits on the edge of the grid (marked < or >) for {names}: widen the grid"
        words += " (--rates, `rates` in a file)."
    return words


def target_sentence(rtol: float, atol: float, steps: int) -> str:
    """The target in words."""
    parts = [f"{rtol:g} × the gap at the start"] if rtol else []
    parts += [f"{atol:g}"] if atol or not rtol else []
    return f"Target: loss - f* <= {' + '.join(parts)}, within {number(steps)} steps."
