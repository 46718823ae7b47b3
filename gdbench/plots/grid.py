"""grid.png: every solver on every surface at its chosen settings, as a table in colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gdbench.columns import PROBLEM
from gdbench.formatting import human, short
from gdbench.plots.colours import FAILED, Shades, colour_bar, failure_sign, ink_on
from gdbench.plots.style import INK, names, only, page, sheets
from gdbench.results.statistics import floats

# A page has at most so many rows.
ROWS = 40
# Everything slower than so many times the fastest is equally dark.
SLOWEST = 100.0
# A letter in a name takes so many inches.
LETTER = 0.075
WORDS = {
    "budget": "not reached",
    "stationary": "stuck",
    "diverged": "diverged",
    "error": "error",
    "stopped": "stopped early",
}


def figures(table: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw `grid.png`, if there are at least two surfaces and two solvers; more pages for more than 40 surfaces.

    A cell gives the median steps to the target over the starts, its colour how many times the steps of the row's
    fastest solver that is; where most starts failed, a grey says how. Below stands the share of starts that reached
    the target, unless all did or none.
    """
    problems, solvers = names(table, PROBLEM), names(table, "solver")
    if len(problems) < 2 or len(solvers) < 2 or "steps_to_target" not in table.columns:
        return
    for file, on_page, remark in sheets("grid", problems, ROWS):
        yield file, _sheet(table, on_page, solvers, remark)


def _sheet(table: pd.DataFrame, problems: Sequence[str], solvers: Sequence[str], remark: str) -> Figure:
    """Draw a page with a row per surface."""
    rows = [only(table, PROBLEM, name).drop_duplicates("solver").astype({"solver": str}) for name in problems]
    rows = [row.set_index("solver").reindex(pd.Index(solvers)) for row in rows]
    # A combination that did not run has NaN.
    steps = np.stack([floats(row, "steps_to_target") for row in rows])
    status = np.array([row.get("status", pd.Series(np.nan, row.index)).to_numpy(dtype=object) for row in rows])
    ran = ~np.isnan(steps) | pd.notna(status)
    steps = np.where(np.isnan(steps) & ran, np.inf, steps)
    shares = np.stack([floats(row, "success") for row in rows])
    kinds = np.array([[_failure(words) for words in line] for line in status])
    # A start at the target takes no step, and every ratio to it would be infinite.
    fastest = np.nanmin(np.where(ran, np.maximum(steps, 1), np.inf), axis=1, keepdims=True)
    ratios = np.divide(np.maximum(steps, 1), fastest, out=np.full(steps.shape, np.inf), where=np.isfinite(steps))
    shades = Shades.of(ratios, 10.0, SLOWEST)
    failed = {kind for kind in FAILED if (ran & np.isinf(steps) & (kinds == kind)).any()}
    entries = [(failure_sign(kind), FAILED[kind]) for kind in FAILED if kind in failed]
    partial = (shares > 0) & (shares < 1)
    size = (
        0.62 * len(solvers) if len(solvers) > 4 else 1.0 * len(solvers),
        (0.36 if partial.any() else 0.27) * len(problems),
    )
    left = max(0.8, 0.3 + LETTER * max(len(name) for name in problems))
    longest = max(len(name) for name in solvers)
    slanted = 1.15 * longest * LETTER > size[0] / len(solvers)
    above = 0.25 + (0.72 * LETTER * longest if slanted else 0.0)
    title = f"Median steps to the target{remark}"
    subtitle = (
        "a row per surface, brightest: its fastest solver; %: the starts that reached the target, where not all did"
    )
    if not partial.any():
        subtitle = "a row per surface, brightest: its fastest solver; grey: most starts failed"
    figure, (axes,) = page(1, size, entries, title, subtitle, below=2.3, left=left, above=above)
    colours = np.full((*steps.shape, 4), 255, dtype=np.uint8)
    colours[ran] = shades.colours(ratios[ran], kinds[ran])
    axes.imshow(colours, aspect="auto", interpolation="nearest", extent=(0, len(solvers), len(problems), 0))
    _frame(axes, problems, solvers, slanted)
    inks = ink_on(colours.reshape(-1, 4)).reshape(steps.shape)
    for i, j in zip(*np.nonzero(ran), strict=True):
        text = short(steps[i, j]) if np.isfinite(steps[i, j]) else WORDS[str(kinds[i, j])]
        heavy = "bold" if ratios[i, j] == 1 else "normal"
        look = {"color": inks[i, j], "ha": "center", "va": "center"}
        high = i + (0.36 if partial[i, j] else 0.52)
        axes.text(j + 0.5, high, text, size=7.5 if np.isfinite(steps[i, j]) else 6.5, weight=heavy, **look)
        if partial[i, j]:
            axes.text(j + 0.5, i + 0.74, f"{human(round(100 * shares[i, j]))} %", size=6.0, **look)
    colour_bar(figure, shades, "times the fastest's steps", more=shades.high == SLOWEST)
    return figure


def _frame(axes: Axes, problems: Sequence[str], solvers: Sequence[str], slanted: bool) -> None:
    """Draw names at the left and on top, white lines between the cells."""
    axes.xaxis.tick_top()
    for axis, labels in ((axes.xaxis, solvers), (axes.yaxis, problems)):
        axis.set_major_locator(FixedLocator([i + 0.5 for i in range(len(labels))]))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels(list(labels), color=INK)
    axes.tick_params(length=0)
    if slanted:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="left", rotation_mode="anchor")
    axes.hlines(range(1, len(problems)), 0, len(solvers), color="white", linewidth=1.0)
    axes.vlines(range(1, len(solvers)), 0, len(problems), color="white", linewidth=1.0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _failure(status: object) -> str:
    """Return the most frequent failure in the words of a status: `diverged`, or `9 reached, 5 budget, 2 diverged`."""
    counts: dict[str, float] = {}
    for part in str(status).split(", "):
        number, _, kind = part.rpartition(" ")
        counts[kind] = float(number) if number.isdigit() else 1.0
    failures = {kind: counts[kind] for kind in FAILED if kind in counts}
    return max(failures, key=lambda kind: failures[kind]) if failures else "budget"
