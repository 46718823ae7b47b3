"""A compared row in words: its verdict, the table, and the sentences below it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gdbench.results.statistics.paired import LEAST, LEVEL

BETTER, WORSE, SAME, UNKNOWN = "better", "worse", "identical", "no difference shown"

# too few pairs for any test to tell; no pair at all
DIFFERS, APART = "differs", "not compared"

VERDICTS = (WORSE, BETTER, UNKNOWN, DIFFERS, SAME, APART)

MEASURES = ("steps", "success", "gap")


def verdict(row: Mapping[Hashable, Any], sides: Sequence[str]) -> tuple[str, str, str]:
    """Return the verdict on b, the measure that decided it ("" where none did) and the reason.

    sides : the names of the results that have the row.
    """
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
    """Count the verdicts, and say how to read a row, and what would make the tests say more."""
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
