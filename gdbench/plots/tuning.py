"""tuning.png: the steps to expect of the best of k settings tried, a panel per surface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdbench.columns import PROBLEM
from gdbench.formatting import count
from gdbench.plots.share_curves import BANDS, FEW
from gdbench.plots.style import DPI, GRID, MUTED, handle, in_order, log_ticks, only, page, set_ticks, sheets, style_of
from gdbench.results.statistics import floats


def figures(expected_best: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw `tuning.png` from the columns problem, solver, k, median, low, high; more pages for many surfaces.

    None where no solver made more than one trial. See `gdbench.results.statistics.expected_best`.
    """
    if expected_best.empty or floats(expected_best, "k").max() < 2:
        return
    tried = expected_best.groupby(PROBLEM, sort=False)["k"].max()
    for file, problems, remark in sheets("tuning", [str(name) for name in tried[tried > 1].index]):
        yield file, _sheet(expected_best[expected_best[PROBLEM].isin(problems)], problems, remark)


def _sheet(best: pd.DataFrame, problems: Sequence[str], remark: str) -> Figure:
    """Draw a page with a panel per surface."""
    solvers, single = in_order(best["solver"].unique()), len(problems) == 1
    entries = []
    for solver in solvers:
        last = only(best, "solver", solver).iloc[-1]
        steps = f"{count(last['median'])}" if np.isfinite(last["median"]) else "not reached"
        entries.append((handle(solver), f"{solver}\n{steps} after {count(last['k'], 'trial')}" if single else solver))
    subtitle = "steps at the best of k settings, drawn from those tried: median, band: the middle half"
    if len(solvers) > BANDS:
        subtitle += f" (for the best {FEW})"
    subtitle += "; lower and flatter is easier to tune"
    title = "How many trials tuning needs" + (f" on {problems[0]}" if single else "")
    size = (5.2, 3.9) if single else (2.9, 2.5 if len(solvers) <= 8 else 3.2)
    figure, panels = page(len(problems), size, entries, title + remark, subtitle, grows=True)
    for axes, problem in zip(panels, problems, strict=True):
        _panel(axes, only(best, PROBLEM, problem), 1.6 if single else 1.2)
        if not single:
            axes.set_title(problem)
    return figure


def _panel(axes: Axes, best: pd.DataFrame, width: float) -> None:
    """Draw the curves of one surface, and above them a band with a row for every solver whose median is a failure."""
    axes.set(xlabel="trials k (settings tried)", ylabel="steps at the best of k", xscale="log", yscale="log")
    solvers = in_order(best["solver"].unique())
    last = max(float(best["k"].max()), 2.0)
    axes.set_xlim(1 / 1.08, last * 1.08)
    set_ticks(axes.xaxis, log_ticks(1.0, last, 6))
    failing = in_order(best.loc[~np.isfinite(best["median"]), "solver"])
    inches = axes.get_window_extent().height / DPI
    row = min(0.13 / inches, 0.3 / (len(failing) + 2)) if failing else 0.0
    share = row * len(failing) + (0.18 / inches if failing else 0.0)
    low, high = _heights(best)
    top = low * (high / low) ** (1 / (1 - share))
    axes.set_ylim(low, top)
    set_ticks(axes.yaxis, log_ticks(low, high, 6))
    axes.grid(**GRID)
    if failing:
        axes.axhspan(high, top, color="#eceff2", zorder=0)
        text = "not reached (median)" if width > 1.5 else "not reached"
        axes.text(0.98, 1 - share + 0.04 / inches, text, transform=axes.transAxes, color=MUTED, size=7.5, ha="right")
    if not np.isfinite(best["median"]).any():
        axes.set_yticks([])
    ends = best.groupby("solver", sort=False)["median"].last().sort_values(kind="stable")
    banded = solvers if len(solvers) <= BANDS else [str(name) for name in ends.index[:FEW]]
    for i, solver in enumerate(solvers):
        curve, style = only(best, "solver", solver).sort_values("k"), style_of(solver)
        k, median = floats(curve, "k"), np.maximum(floats(curve, "median"), 1.0)
        good = np.isfinite(median)
        if solver in banded:
            lower, upper = (np.clip(floats(curve, name), 1.0, high) for name in ("low", "high"))
            axes.fill_between(
                k, lower, upper, where=lower < high, color=style.colour, alpha=0.12, linewidth=0, zorder=2
            )
        # Markers of neighbouring curves would coincide if all stood at the same trials.
        every = max(len(k) // 6, 1)
        look = {
            "linestyle": style.dashes,
            "linewidth": width,
            "marker": style.marker,
            "markersize": style.size(3 + width),
        }
        look |= {"color": style.colour, "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 3}
        axes.plot(k, np.where(good, median, np.nan), markevery=(2 * i % every, every), **look)
        if solver in failing:
            level = np.where(good, np.nan, 1 - row * (failing.index(solver) + 0.75))
            look |= {
                "transform": axes.get_xaxis_transform(),
                "markersize": style.size(min(4.0, 60 * row * inches)),
                "linewidth": 0.8 * width,
            }
            axes.plot(k, level, markevery=[int(np.flatnonzero(~good)[-1])], **look)


def _heights(best: pd.DataFrame) -> tuple[float, float]:
    """Return the range of steps shown."""
    finite = [values[np.isfinite(values)] for values in (floats(best, name) for name in ("low", "median", "high"))]
    steps = np.maximum(np.concatenate(finite), 1.0)
    low, high = (float(steps.min()), float(steps.max())) if len(steps) else (1.0, 10.0)
    return low / 1.3, max(high, 2 * low) * 1.3
