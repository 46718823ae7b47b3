"""sensitivity.png: how many steps a solver needs at each learning rate, a panel per surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.columns import PROBLEM
from gdbench.plots.style import (
    DPI,
    GRID,
    INK,
    MUTED,
    handle,
    in_order,
    log_ticks,
    only,
    page,
    set_ticks,
    sheets,
    sign,
    style_of,
)
from gdbench.results.statistics import floats
from gdbench.results.statistics.by_setting import best_of, by_setting, scheduled, swept
from gdbench.theory.closed_forms import FORMULAS, extremes, stability_edge

THEORY: Any = (0, (1, 1.2))
# More bands than this hide each other; more starts than this have quartiles.
BANDS, STARTS = 7, 8
# A line joins the best of scattered settings in each part of a decade.
PARTS = 2


def figures(
    runs: pd.DataFrame, table: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    """Draw `sensitivity.png` where a solver ran at several learning rates; more pages for more than 20 problems."""
    if not {PROBLEM, "solver", "learning_rate"} <= {*runs.columns}:
        return
    points = by_rate(runs)
    if points.empty or points.groupby([PROBLEM, "solver"])["learning_rate"].size().max() < 2:
        return
    theory = _theory(runs, contours)
    for file, problems, remark in sheets("sensitivity", in_order(points[PROBLEM].unique())):
        yield file, _sheet(points[points[PROBLEM].isin(problems)], table, theory, problems, remark)


def _sheet(
    points: pd.DataFrame,
    table: pd.DataFrame,
    theory: Mapping[tuple[str, str], float],
    problems: Sequence[str],
    remark: str,
) -> Figure:
    """Draw a page with a panel per surface."""
    solvers = in_order(points["solver"].unique())
    single = len(problems) == 1
    rows = table[table["solver"].astype(str).isin(solvers) & table[PROBLEM].astype(str).isin(problems)]
    title = f"Sensitivity to the learning rate on {problems[0]}" if single else "Sensitivity to the learning rate"
    subtitle = "lower is faster, wider is easier to tune"
    banded = len(solvers) <= BANDS
    if (points["starts"] > 1).any():
        subtitle += "; median over starts"
    if (points["starts"] > 1).any() and banded:
        quartiles = (points["starts"] > STARTS).any()
        subtitle += ", band: the middle half" if quartiles else ", band: fastest to slowest that reached the target"
    if points["scattered"].any():
        subtitle += f"; the best setting in each 1/{PARTS} decade"
    with_theory = [solver for solver in FORMULAS if any((problem, solver) in theory for problem in problems)]
    size = (5.2, 3.9) if single else (2.9, 2.5 if len(solvers) <= 8 else 3.2)
    entries = _entries(points, rows, solvers, with_theory)
    figure, panels = page(len(problems), size, entries, title + remark, subtitle, grows=True)
    for axes, problem in zip(panels, problems, strict=True):
        problem_points = points[points[PROBLEM] == problem]
        lines = {solver: theory[problem, solver] for solver in with_theory if (problem, solver) in theory}
        _panel(axes, problem_points, only(rows, PROBLEM, problem), solvers, lines, banded, 1.6 if single else 1.2)
        if not single:
            axes.set_title(problem)
    return figure


def _entries(
    points: pd.DataFrame, table: pd.DataFrame, solvers: Sequence[str], with_theory: Sequence[str]
) -> list[tuple[Line2D, str]]:
    """Return the legend: the solvers, then the marks that occur."""
    entries = [(handle(solver), solver) for solver in solvers]
    edges = [on_edge(row) for _, row in table.iterrows()]
    if not all(edges):
        entries.append((sign("o", INK, "none", 10), "chosen learning rate"))
    if any(edges):
        entries.append((sign("s", INK, "none", 10), "chosen, on the edge of the grid:\na better one may lie outside"))
    groups = [group for _, group in points.groupby([PROBLEM, "solver"], sort=False)]
    ends = [divergence_edge(group) for group in groups]
    lines = [joined(group) for group in groups]
    apart = [line[~(line["learning_rate"] >= end)] for line, end in zip(lines, ends, strict=True)]
    failed = pd.concat(apart)
    failed = failed[~np.isfinite(failed["median"])]
    if failed["diverged"].any():
        entries.append((sign("x", MUTED, size=6), "diverged"))
    if np.isfinite(ends).any():
        bar = sign("|", MUTED, size=7)
        bar.set(linestyle="-", linewidth=2.0, markeredgewidth=1.6, markevery=[0])
        entries.append((bar, "most runs diverge from here on"))
    if (~failed["diverged"]).any():
        entries.append((sign("o", MUTED, "white", 5.5), "stayed above the target"))
    if with_theory:
        formulas = ",\n".join(f"{solver} {FORMULAS[solver]}" for solver in with_theory)
        line = Line2D([], [], color=MUTED, linestyle=THEORY, linewidth=1.4)
        entries.append((line, f"theory: stable up to here,\n{formulas}\nat the minimum"))
    return entries


def _theory(runs: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """Return the learning rate up to which a solver is stable at the minimum of a surface, where theory knows one.

    Of several swept values of momentum the one that bears the largest rate counts, as it does for the line drawn.
    """
    kept = runs[runs["solver"].isin(FORMULAS) & ~scheduled(runs)]
    columns = [name for name in (PROBLEM, "solver", "momentum") if name in kept.columns]
    edge_of: dict[tuple[str, str], float] = {}
    for (problem, solver), group in kept[columns].drop_duplicates().groupby([PROBLEM, "solver"], sort=False):
        momenta = floats(group, "momentum") if solver != "sgd" else np.zeros(1)
        edges = stability_edge(str(solver), extremes(contours, str(problem))[1], momenta)
        if np.isfinite(edges).any():
            edge_of[str(problem), str(solver)] = float(np.nanmax(edges))
    return edge_of


def by_rate(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the steps to the target at every learning rate: their median (a failure is infinity) and range.

    Columns: problem, solver, learning_rate, median, quartile_1, quartile_3, fastest, slowest (of the runs that reached
    it), diverged (most of the failures), lost (the share of runs that diverged), starts, scattered (of the solver's
    settings no two share a rate). Where other hyperparameters were swept too, the best setting at that rate counts.
    """
    keys = [PROBLEM, "solver", "learning_rate"]
    usable = runs[floats(runs, "learning_rate") > 0]
    others = [name for name in swept(usable) if name != "learning_rate"]
    settings = by_setting(usable, [*keys, *others]).astype({PROBLEM: str, "solver": str})
    settings["learning_rate"] = floats(settings, "learning_rate")
    settings["diverged"] = settings["lost"] > settings["failed"] / 2
    best = best_of(settings, keys)
    groups = settings.groupby([PROBLEM, "solver"])
    several = groups[others].nunique().gt(1).any(axis=1) if others else False
    counts = groups["learning_rate"].agg(["size", "nunique"])
    scattered = several & (counts["size"] == counts["nunique"])
    best["scattered"] = scattered.reindex(pd.MultiIndex.from_frame(best[[PROBLEM, "solver"]])).to_numpy(dtype=bool)
    columns = ["median", "quartile_1", "quartile_3", "fastest", "slowest", "diverged", "lost", "starts", "scattered"]
    return best[[*keys, *columns]]


def divergence_edge(points: pd.DataFrame) -> float:
    """Return the smallest learning rate of one solver from which on more than half of the runs diverge; NaN if none."""
    ordered = points.sort_values("learning_rate")
    lost = ordered["lost"].to_numpy() > 0.5
    calm = np.flatnonzero(~lost)
    first = calm[-1] + 1 if len(calm) else 0
    return float(ordered["learning_rate"].iloc[first]) if first < len(ordered) else np.nan


def _panel(
    axes: Axes,
    points: pd.DataFrame,
    table: pd.DataFrame,
    solvers: Sequence[str],
    theory: Mapping[str, float],
    banded: bool,
    width: float,
) -> None:
    """Draw the curves of one surface, and above them a band with a row per solver for the rates at which it failed."""
    axes.set(xlabel="learning rate", ylabel="steps to the target (updates)", xscale="log", yscale="log")
    rates = points["learning_rate"].to_numpy()
    left, right = rates.min() / 1.5, rates.max() * 1.5
    axes.set_xlim(left, right)
    set_ticks(axes.xaxis, log_ticks(left, right, 6))
    low, high, band, row = _heights(axes, points, len(solvers))
    top = low * (high / low) ** (1 / (1 - band))
    axes.set_ylim(low, top)
    set_ticks(axes.yaxis, log_ticks(low, high, 6))
    axes.grid(**GRID)
    remark: dict[str, Any] = {"transform": axes.transAxes, "color": MUTED, "ha": "center", "zorder": 2.7}
    if band:
        axes.axhspan(high, top, color="#eceff2", zorder=0)
        words = "not reached" + (", rows in the legend's order" if len(solvers) > 1 else "")
        axes.text(0.02, 1 - band + 0.1 * row, words, size=7.5, **remark | {"ha": "left"})
    if not np.isfinite(points["median"]).any():
        axes.set_yticks([])
        axes.text(0.5, (1 - band) / 2, "no learning rate reaches the target", **remark)
    groups = points.sort_values("learning_rate", kind="stable").groupby("solver", sort=False)
    lines = {str(solver): joined(solver_points) for solver, solver_points in groups}
    # Failures of a fine grid shrink until they stand apart.
    finest = max(len(line) for line in lines.values())
    spacing = 72 * axes.get_window_extent().width / DPI / max(finest, 12)
    mark = min(4.0, 0.75 * spacing) if row > 0.03 else min(3.0, 0.75 * spacing)
    for i, solver in enumerate(solvers):
        if solver not in lines:
            continue
        solver_points, line = points[points["solver"] == solver], lines[solver]
        if banded:
            _band(axes, line, style_of(solver).colour, high)
        _curve(axes, solver, line, width)
        _failures(axes, solver, line, divergence_edge(solver_points), 1 - row * (i + 0.75), mark)
        if left <= theory.get(solver, np.nan) <= right:
            look: dict[str, Any] = {"color": style_of(solver).colour, "linestyle": THEORY, "linewidth": 1.4}
            axes.axvline(theory[solver], zorder=2.5, **look)
        for _, chosen in only(table, "solver", solver).iloc[:1].iterrows():
            _ring(axes, solver, chosen)


def joined(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points that a solver's line joins: all, or of scattered settings the best in each part of a decade.

    A line through all of those would jump up and down with the other hyperparameters.
    """
    if not points["scattered"].any():
        return points
    parts = np.floor(PARTS * np.log10(points["learning_rate"].to_numpy()))
    shares = {"part": parts, "failed": np.isinf(points["median"].to_numpy())}
    return best_of(points.reset_index(drop=True).assign(**shares), ["part"])


def _band(axes: Axes, points: pd.DataFrame, colour: str, high: float) -> None:
    """Draw how much the starts differ: the middle half of many, the whole range of a few."""
    names = ("quartile_1", "quartile_3") if (points["starts"] > STARTS).any() else ("fastest", "slowest")
    first, last = (np.clip(points[name].to_numpy(dtype=float), 1.0, high) for name in names)
    visible = np.isfinite(points["median"].to_numpy()) & (points["starts"].to_numpy() > 1)
    if visible.any():
        x = points["learning_rate"].to_numpy()
        axes.fill_between(x, first, last, where=visible, color=colour, alpha=0.13, linewidth=0, zorder=2)


def _curve(axes: Axes, solver: str, points: pd.DataFrame, width: float) -> None:
    """Draw the median, broken where it is infinite."""
    style = style_of(solver)
    x, y = points["learning_rate"].to_numpy(), np.maximum(points["median"].to_numpy(), 1.0)
    good = np.isfinite(y)
    # Markers on every point of a fine grid would hide the line; a point without neighbours has no line.
    sparse = np.arange(len(x)) % max(len(x) // 10, 1) == 0
    alone = ~np.append(False, good[:-1]) & ~np.append(good[1:], False)
    axes.plot(
        x,
        np.where(good, y, np.nan),
        style.marker,
        color=style.colour,
        linestyle=style.dashes,
        linewidth=width,
        markersize=style.size(3 + width),
        markevery=sparse | alone,
        markeredgecolor="white",
        markeredgewidth=0.5,
        zorder=3,
    )


def _failures(axes: Axes, solver: str, points: pd.DataFrame, edge: float, level: float, mark: float) -> None:
    """Draw the rates at which the target was not met in the solver's row of the band; a bar where most diverge."""
    x, good = points["learning_rate"].to_numpy(), np.isfinite(points["median"].to_numpy())
    lost = points["diverged"].to_numpy(dtype=bool)
    look: dict[str, Any] = {"color": style_of(solver).colour, "transform": axes.get_xaxis_transform(), "zorder": 3}
    if np.isfinite(edge):
        axes.plot([edge, axes.get_xlim()[1]], [level, level], linewidth=0.5 * mark, solid_capstyle="butt", **look)
        axes.plot([edge], [level], "|", markersize=2 * mark, markeredgewidth=1.6, **look)
    look |= {"linestyle": "none", "markersize": mark}
    apart = ~good & ~(x >= edge)
    axes.plot(x[apart & lost], np.full((apart & lost).sum(), level), marker="x", **look)
    axes.plot(x[apart & ~lost], np.full((apart & ~lost).sum(), level), marker="o", markerfacecolor="white", **look)


def _ring(axes: Axes, solver: str, chosen: pd.Series) -> None:
    """Mark the chosen rate, at the steps that the table gives the chosen setting.

    Another may be faster at that rate but reach the target from fewer starts: the ring then stands off the line.
    """
    rate = float(chosen.get("learning_rate", np.nan))
    steps = float(pd.to_numeric(pd.Series([chosen.get("steps_to_target")]), errors="coerce").iloc[0])
    if np.isfinite(rate) and np.isfinite(steps):
        look: dict[str, Any] = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.4, "zorder": 5}
        axes.plot(rate, max(steps, 1.0), "s" if on_edge(chosen) else "o", color=style_of(solver).colour, **look)


def _heights(axes: Axes, points: pd.DataFrame, solvers: int) -> tuple[float, float, float, float]:
    """Return the range of steps shown, and, as shares of the panel, the band of failures and a row in it."""
    reached = points[np.isfinite(points["median"])]
    few = points["starts"].max() <= STARTS
    low = max(float(reached["fastest" if few else "quartile_1"].min()), 1.0) if len(reached) else 1.0
    high = max(float(reached["slowest" if few else "median"].max()), low * 2) if len(reached) else 10.0
    inches = axes.get_window_extent().height / DPI
    row = min(0.13 / inches, 0.45 / (solvers + 1.4)) if len(reached) < len(points) else 0.0
    return low / 1.3, high * 1.3, row * (solvers + 1.4), row


def on_edge(chosen: pd.Series) -> bool:
    """Decide whether the tuned rate of a table's row lies on the edge of its grid: a better one may lie outside."""
    return str(chosen.get("tuning_edge", "")) in ("low", "high")
