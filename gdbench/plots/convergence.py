"""convergence.png: the gap to the minimum against the step, a panel per surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.columns import PROBLEM, RANGE
from gdbench.plots.style import (
    GRID,
    MUTED,
    handle,
    in_order,
    log_ticks,
    names,
    note,
    only,
    page,
    scale_steps,
    set_ticks,
    sheets,
    sign,
    style_of,
)
from gdbench.results.statistics import floats

SPREAD = "lowest to highest of all\nsteps since the point before,\nwhose median is the line"


@dataclass(frozen=True)
class Curve:
    """The finite part of one run: heights (gap, or loss where no minimum is known) at some steps, both `[k]`.

    spread : of random steps the lowest, median and highest of the heights since the step before, `[3, k]`; None
    where the line between two heights does not deceive.
    """

    solver: str
    status: str
    steps: np.ndarray
    heights: np.ndarray
    spread: np.ndarray | None = None

    @property
    def line(self) -> np.ndarray:
        """The heights to join `[k]`: of random steps the medians, and at the end where the run ended."""
        return self.heights if self.spread is None else np.append(self.spread[1, :-1], self.heights[-1])

    @property
    def reach(self) -> np.ndarray:
        """All finite heights that are drawn."""
        every = self.heights if self.spread is None else np.append(self.heights, self.spread)
        return every[np.isfinite(every)]


def figures(runs: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw `convergence.png`: `loss - f*`, or the loss itself where no minimum is known, of every drawn run.

    Of more than 60 surfaces the first 60 are drawn, on pages of at most 20.
    """
    problems = in_order(names(table, PROBLEM), names(curves, PROBLEM))
    if not problems:
        return
    drawn = runs[runs["run"].isin(curves["run"])] if "run" in runs.columns and "run" in curves.columns else runs
    for file, on_page, remark in sheets("convergence", problems):
        yield file, _sheet(drawn, table, curves, on_page, remark)


def _sheet(
    runs: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame, problems: Sequence[str], remark: str
) -> Figure:
    """Draw a page with a panel per surface."""
    single = len(problems) == 1
    title = f"Convergence on {problems[0]}" if single else f"Convergence on every surface{remark}"
    subtitle = "how far the loss is above its minimum after each step; steeper is faster"
    if not np.isfinite(floats(curves, "gap")).any():
        subtitle = "the loss after each step"
    entries = _entries(runs, table, curves)
    figure, panels = page(len(problems), (5.2, 3.9) if single else (2.9, 2.4), entries, title, subtitle, grows=True)
    status = dict(zip(runs["run"], runs["status"].astype(str), strict=True)) if {"run", "status"} <= {*runs} else {}
    for axes, problem in zip(panels, problems, strict=True):
        rows = only(table, PROBLEM, problem)
        rates = dict(zip(rows["solver"].astype(str), _rates(rows), strict=True)) if len(rows) else {}
        _panel(axes, only(curves, PROBLEM, problem), rates, status, 1.7 if single else 1.3)
        if not single:
            axes.set_title(problem)
    return figure


def _rates(table: pd.DataFrame) -> np.ndarray:
    """Return the predicted contraction of the distance per step; NaN where theory predicts no convergence."""
    rates = floats(table, "rate_predicted")
    return np.where((rates > 0) & (rates < 1), rates, np.nan)


def _entries(runs: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame) -> list[tuple[Line2D, str]]:
    """Return the legend: the solvers, then the marks that occur."""
    solvers = in_order(names(table, "solver"), names(curves, "solver"))
    entries = [(handle(solver), solver) for solver in solvers]
    ends = set(names(runs, "status"))
    if "reached" in ends:
        entries.append((sign("o", MUTED, size=7), "target met"))
    if ends - {"reached", "diverged", "error"}:
        entries.append((sign("o", MUTED, "white", 7), "target not met"))
    if "diverged" in ends:
        entries.append((sign("X", MUTED, size=7), "diverged"))
    if np.isfinite(floats(curves, RANGE[0])).any():
        entries.append((Line2D([], [], color=MUTED, alpha=0.3, linewidth=9, solid_capstyle="butt"), SPREAD))
    if np.isfinite(_rates(table)).any() and np.isfinite(floats(curves, "gap")).any():
        entries.append((Line2D([], [], color=MUTED, linestyle=":", linewidth=1.3), "predicted rate (slope)"))
    return entries


def _panel(
    axes: Axes, curves: pd.DataFrame, rates: Mapping[str, float], status: Mapping[Any, str], width: float
) -> None:
    """Draw the curves of one surface."""
    has_minimum = bool(np.isfinite(floats(curves, "gap")).any())
    axes.set(xlabel="step (updates)", ylabel="loss − f*" if has_minimum else "loss (minimum unknown)")
    heights, steps = floats(curves, "gap" if has_minimum else "loss"), floats(curves, "step")
    usable = np.isfinite(heights) & np.isfinite(steps)
    if not usable.any():
        axes.set(xticks=[], yticks=[])
        note(axes, "no finite loss to draw")
        return
    frame = curves.assign(height=heights, step=steps)[usable].sort_values("step", kind="stable")
    drawn = [
        Curve(
            str(points["solver"].iloc[0]),
            status.get(run, ""),
            points["step"].to_numpy(),
            points["height"].to_numpy(),
            _spread(points, has_minimum),
        )
        for run, points in frame.groupby("run", sort=False)
    ]
    logarithmic = has_minimum or all((curve.heights > 0).all() for curve in drawn)
    low, high = _limits(drawn, logarithmic)
    last = scale_steps(axes.xaxis, [curve.steps[-1] for curve in drawn])
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylim(low, high)
    set_ticks(axes.yaxis, log_ticks(low, high, 6) if logarithmic else None)
    axes.grid(**GRID)
    several = len(drawn) > len({curve.solver for curve in drawn})
    for i, curve in enumerate(drawn):
        rate = rates.get(curve.solver, np.nan)
        if logarithmic and rate < 1 and curve.heights[0] > low:
            _guide(axes, curve, rate, last, low)
        _line(axes, curve, (low, high), i, width * (0.6 if several else 1))
    if has_minimum and any((curve.heights < low).any() for curve in drawn):
        axes.text(0.02, 0.03, "smaller gaps lie on the lower edge", transform=axes.transAxes, color=MUTED, fontsize=7.5)


def _spread(curve: pd.DataFrame, has_minimum: bool) -> np.ndarray | None:
    """Return the spread of one run's heights (see `Curve`), above its minimum if it `has_minimum`."""
    heights = np.array([floats(curve, name) for name in RANGE])
    if not np.isfinite(heights).all(axis=0).any():
        return None
    return heights - (floats(curve, "loss") - floats(curve, "gap")) if has_minimum else heights


def _line(axes: Axes, curve: Curve, limits: tuple[float, float], shift: int, width: float) -> None:
    """Draw one curve, with a mark at its end; that of a diverged run stands where it leaves the panel."""
    style, (low, high) = style_of(curve.solver), limits
    look: dict[str, Any] = {"color": style.colour, "markeredgewidth": 0.5, "markeredgecolor": "white"}
    # Markers of neighbouring curves would coincide if all stood at the same steps.
    every = max(len(curve.steps) // 6, 1)
    # A diverged height of 1e300 would overflow in the renderer.
    far = 1e3 * high if low > 0 else high + 10 * (high - low)
    heights = np.clip(curve.line, low, far)
    if curve.spread is not None:
        band = np.clip(curve.spread, low, far)
        axes.fill_between(curve.steps, band[0], band[2], color=style.colour, alpha=0.12, linewidth=0, zorder=1.5)
    axes.plot(
        curve.steps,
        heights,
        linestyle=style.dashes,
        linewidth=width,
        marker=style.marker,
        markevery=(2 * shift % every, every),
        markersize=style.size(2.8 + width),
        zorder=3,
        **look,
    )
    x, y = curve.steps[-1], np.clip(curve.heights[-1], low, high)
    if curve.status == "diverged":
        above = np.flatnonzero(heights > high)
        if len(above) and above[0] > 0:
            scale = np.log if low > 0 else np.asarray
            last_two = slice(above[0] - 1, above[0] + 1)
            x, y = np.interp(scale(high), scale(heights[last_two]), curve.steps[last_two]), high
    elif curve.status != "reached":
        look |= {"markerfacecolor": "white", "markeredgecolor": style.colour, "markeredgewidth": 1.2}
    shape = "X" if curve.status == "diverged" else "o"
    axes.plot(x, y, shape, markersize=4.5 + 1.8 * width, clip_on=False, zorder=4, **look)


def _limits(curves: Sequence[Curve], logarithmic: bool) -> tuple[float, float]:
    """Return the visible heights: all of them, but a diverged run, 1e6 times the start or more, leaves at the top."""
    every = np.concatenate([curve.reach for curve in curves])
    kept = [curve.reach for curve in curves if curve.status != "diverged"]
    start = max(float(curve.heights[0]) for curve in curves)
    if not logarithmic:
        low = float(every.min())
        high = min(float(np.concatenate([*kept, [start]]).max()), start + 0.3 * abs(start - low))
        pad = 0.06 * (high - low) or 0.06 * abs(high) + 1e-3
        return low - pad, high + pad
    positive = every[every > 0]
    if not len(positive):
        return 1e-1, 1e1
    start = start if start > 0 else float(positive.max())
    high = max([float(heights.max()) for heights in kept] + ([start * 30] if len(kept) < len(curves) else []))
    high = min(max(high, start), start * 1e4, 1e300)
    # All runs stop at the target; one that overshoots it by ten decades would squeeze what there is to compare.
    hits = [float(curve.heights[-1]) for curve in curves if curve.status == "reached"]
    low = max(min(float(positive.min()), high), 1e-3 * max(hits, default=0.0), high * 1e-30, 1e-300)
    pad = max((high / low) ** 0.05, 1.3)
    return low / pad, high * pad


def _guide(axes: Axes, curve: Curve, rate: float, last: float, low: float) -> None:
    """Draw the gap that the predicted rate gives, `gap_0 * rate^(2k)`: the gap is quadratic in the distance."""
    slope, start = 2 * np.log(rate), np.log(curve.heights[0])
    end = min(last, (np.log(low) - start) / slope)
    steps = np.unique(np.append(np.linspace(0, end, 40), np.geomspace(max(end * 1e-4, 0.1), max(end, 0.2), 60)))
    steps = steps[steps <= last]
    axes.plot(
        steps,
        np.exp(start + slope * steps),
        ":",
        color=style_of(curve.solver).colour,
        alpha=0.6,
        linewidth=1.2,
        zorder=2,
    )
