"""A compared row in words: its verdict, the table, and the sentences below it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from gdbench.cli.tables import number
from gdbench.results.statistics.paired import LEAST, LEVEL

BETTER, WORSE, SAME, UNKNOWN = "better", "worse", "identical", "no difference shown"
# too few pairs for any test to tell; no pair at all
DIFFERS, APART = "differs", "not compared"
VERDICTS = (WORSE, BETTER, UNKNOWN, DIFFERS, SAME, APART)
VERDICT_STYLES = {WORSE: "bold red", BETTER: "green", DIFFERS: "yellow", UNKNOWN: "", SAME: "dim", APART: "dim"}
MEASURES = ("steps", "success", "gap")


def verdict(row: Mapping[Hashable, Any], sides: Sequence[str]) -> tuple[str, str, str]:
    """The verdict on b, the measure that decided it ("" where none did) and the reason; `sides` that have the row."""
    pairs = row["pairs"]
    if len(sides) == 1:
        return APART, "", f"only in {sides[0]}"
    if not pairs:
        return APART, "", "no test (no start and seed in common)"
    of_all = f"all {pairs} pairs" if pairs > 1 else "the only pair"
    if row["same"]:
        return SAME, "", f"the same steps, status and loss in {of_all}"
    for sign, change in ((1, WORSE), (-1, BETTER)):
        for name in MEASURES:
            if row[f"sign_{name}"] == sign and row[f"holm_{name}"] < LEVEL:
                (up, down), words = {
                    "steps": ((row["more"], row["fewer"]), ("slower", "faster")),
                    "success": ((row["lost"], row["won"]), ("lose the target", "win it")),
                    "gap": ((row["larger"], row["smaller"]), ("end further away", "end nearer")),
                }[name]
                if sign < 0:
                    up, down, words = down, up, words[::-1]
                found = f"{up} of {pairs} pairs {words[0]}" + (f", {down} {words[1]}" if down else "")
                return change, name, f"{found}, p = {row[f'holm_{name}']:.2g}"
    name = "gap" if np.isnan(row["ratio"]) else "steps"
    differ = row["larger"] + row["smaller"] if name == "gap" else row["more"] + row["fewer"]
    if not differ:
        return UNKNOWN, "", f"the same {'final gap' if name == 'gap' else 'steps'} in {of_all}; other figures differ"
    if pairs < LEAST:
        return DIFFERS, "", f"no test ({pairs} pair{'s' if pairs > 1 else ''})"
    if differ < LEAST:
        return UNKNOWN, "", f"no test ({differ} of {pairs} pairs differ)"
    before = f", {row[f'p_{name}']:.2g} before correction" if row[f"p_{name}"] < LEVEL else ""
    return UNKNOWN, "", f"p = {row[f'holm_{name}']:.2g}{before}"


def explain(frame: pd.DataFrame, a: str, b: str) -> list[str]:
    """The count of verdicts, how to read a row, and what would make the tests say more."""
    counts = frame["verdict"].value_counts()
    listed = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if name in counts)
    found = [f"{b} against {a}: {listed}."]
    if (frame["verdict"] == SAME).all():
        return found
    tests = int(frame[[f"p_{name}" for name in MEASURES]].notna().sum().sum())
    if frame["ratio"].notna().any():
        found.append(
            f"Ratio: steps in {b} / steps in {a}, median over runs paired by start and seed, with a 95 % bootstrap "
            "interval; a failed run counts as infinity, two failed ones as a tie."
        )
    if tests:
        found.append(
            "p: Wilcoxon's signed ranks of steps (of final gaps where no run reached the target) and McNemar's test of "
            f"success, Holm-corrected over {tests} test{'s' if tests > 1 else ''}; "
            f"better and worse need p < {LEVEL:g}."
        )
    # with n pairs that all differ one way p is 2 / 2^n, times the number of tests
    needed = max(LEAST, int(np.ceil(np.log2(2 * max(tests, 1) / LEVEL) + 1e-9)))
    short = frame["verdict"].isin([UNKNOWN, DIFFERS]) & (frame["pairs"] < needed)
    if short.any():
        found.append(
            f"Fewer than {needed} pairs cannot show a difference here ({short.sum()} of {len(frame)} rows): "
            f"give both results more starts, such as --starts {max(16, 2 * needed)}."
        )
    return found


def comparison_table(frame: pd.DataFrame) -> Table:
    """The rows, a heading for every surface: both sides' figures, the ratio of steps with its interval, the verdict.

    The final gaps stand in the verdict, where the median run of a side did not reach the target.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("solver", "steps a → b", "b / a", "95 %", "reached a → b"):
        shown.add_column(name, justify="left" if name == "solver" else "right", no_wrap=True)
    shown.add_column("verdict on b", min_width=12)
    for index, (surface, rows) in enumerate(frame.groupby("surface", sort=False)):
        if index:
            shown.add_row()
        shown.add_row(Text(str(surface), style="bold"))
        for row in rows.to_dict("records"):
            interval = [number(row[name], 3) for name in ("ratio_low", "ratio_high")]
            shown.add_row(
                f"  {row['solver']}",
                " → ".join(_steps(row[f"steps_{side}"]) for side in "ab"),
                number(row["ratio"], 3),
                "–".join(interval) if all(interval) else "",
                " → ".join(_reached(row[f"success_{side}"], row[f"runs_{side}"]) for side in "ab"),
                _verdict_cell(row),
            )
    return shown


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
