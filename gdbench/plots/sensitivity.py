"""sensitivity.png: how many steps a solver needs at each learning rate, a panel per surface."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    sign,
    style_of,
)
from gdbench.statistics import floats

# The columns of runs.csv that describe a run or its outcome; what is left are hyperparameters.
CONTRACT = {"run", "surface", "solver", "start", "seed", "status", "steps", "steps_to_target", "loss_start"}
CONTRACT |= {"loss_final", "loss_best", "gap", "distance", "grad_norm", "minimum", "value_evals", "grad_evals"}
CONTRACT |= {"hess_evals", "rate_observed", "rate_predicted", "condition_number", "fingerprint", "message"}


def figures(runs: pd.DataFrame, table: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """`sensitivity.png`, unless no solver ran at more than one learning rate."""
    if not {"surface", "solver", "learning_rate"} <= {*runs.columns}:
        return
    points = by_rate(runs)
    if points.empty or points.groupby(["surface", "solver"])["learning_rate"].size().max() < 2:
        return
    surfaces = in_order(points["surface"])
    solvers = in_order(points["solver"])
    single = len(surfaces) == 1
    entries = [(handle(solver), solver) for solver in solvers]
    edges = [on_edge(row) for _, row in table[table["solver"].astype(str).isin(solvers)].iterrows()]
    if not all(edges):
        entries.append((sign("o", INK, "none", 10), "chosen learning rate"))
    if any(edges):
        entries.append((sign("s", INK, "none", 10), "chosen, on the edge of the grid:\na better one may lie outside"))
    failed = points[~np.isfinite(points["median"])]
    if failed["diverged"].any():
        entries.append((sign("x", MUTED, size=6), "diverged"))
    if (~failed["diverged"]).any():
        entries.append((sign("o", MUTED, "white", 5.5), "not reached within the budget"))
    title = f"Sensitivity to the learning rate on {surfaces[0]}" if single else "Sensitivity to the learning rate"
    subtitle = "lower is faster, wider is easier to tune"
    if (points["starts"] > 1).any():
        subtitle += "; median over starts, band from the fastest to the slowest that reached the target"
    size = (5.2, 3.9) if single else (2.9, 2.5 if len(solvers) <= 8 else 3.2)
    figure, panels = page(len(surfaces), size, entries, title, subtitle, grows=True)
    for axes, surface in zip(panels, surfaces, strict=True):
        rows = only(table, "surface", surface)
        _panel(axes, points[points["surface"] == surface], rows, solvers, 1.6 if single else 1.2)
        if not single:
            axes.set_title(surface)
    yield "sensitivity.png", figure


def by_rate(runs: pd.DataFrame) -> pd.DataFrame:
    """Steps to the target at every learning rate: median over the runs there (a failure is infinity), and the range.

    Columns: surface, solver, learning_rate, median, fastest, slowest (of the runs that reached it), diverged (most of
    the failures), starts. Where other hyperparameters were swept too, the best setting at that rate counts.
    """
    known = re.compile(r"(surface|start)\.|steps_at_|learning_rate$")
    extra = [name for name in runs.columns if name not in CONTRACT and not known.match(name)]
    swept = [name for name in extra if len(runs[name].unique()) > 1]
    hits = floats(runs, "steps_to_target")
    status = runs["status"].astype(str) if "status" in runs.columns else pd.Series("", index=runs.index)
    frame = runs[["surface", "solver", *swept]].astype({"surface": str, "solver": str})
    frame = frame.assign(learning_rate=floats(runs, "learning_rate"), hit=np.where(np.isnan(hits), np.inf, hits))
    frame = frame.assign(finite=hits, failed=np.isnan(hits), lost=np.isnan(hits) & (status == "diverged").to_numpy())
    keys = ["surface", "solver", "learning_rate"]
    groups = frame[frame["learning_rate"] > 0].groupby([*keys, *swept], sort=False, dropna=False)
    points = groups.agg(
        median=("hit", "median"),
        fastest=("finite", "min"),
        slowest=("finite", "max"),
        starts=("hit", "size"),
        failed=("failed", "mean"),
        lost=("lost", "mean"),
    ).reset_index()
    points["diverged"] = points["lost"] > points["failed"] / 2
    best = points.sort_values(["median", "failed", "lost"], kind="stable").drop_duplicates(keys)
    return best.sort_index()[[*keys, "median", "fastest", "slowest", "diverged", "starts"]].reset_index(drop=True)


def _panel(axes: Axes, points: pd.DataFrame, table: pd.DataFrame, solvers: Sequence[str], width: float) -> None:
    """The curves of one surface, and above them a band with a row per solver for the rates at which it failed."""
    axes.set(xlabel="learning rate", ylabel="steps to the target", xscale="log", yscale="log")
    rates = points["learning_rate"].to_numpy()
    left, right = rates.min() / 1.5, rates.max() * 1.5
    axes.set_xlim(left, right)
    set_ticks(axes.xaxis, log_ticks(left, right, 6))
    low, high, band, row = _heights(axes, points, len(solvers))
    top = low * (high / low) ** (1 / (1 - band))
    axes.set_ylim(low, top)
    set_ticks(axes.yaxis, log_ticks(low, high, 6))
    axes.grid(**GRID)
    remark: dict[str, Any] = {"transform": axes.transAxes, "color": MUTED, "ha": "center"}
    if band:
        axes.axhspan(high, top, color="#eceff2", zorder=0)
        axes.text(0.5, 1 - band + 0.1 * row, "not reached", size=7.5, **remark)
    if not np.isfinite(points["median"]).any():
        axes.set_yticks([])
        axes.text(0.5, (1 - band) / 2, "no learning rate reaches the target", **remark)
    # Failures of a fine grid shrink until they stand apart.
    spacing = 72 * axes.get_window_extent().width / DPI / max(points["learning_rate"].nunique(), 12)
    mark = min(4.0, 0.75 * spacing) if row > 0.03 else min(3.0, 0.75 * spacing)
    for i, solver in enumerate(solvers):
        own = points[points["solver"] == solver].sort_values("learning_rate")
        style = style_of(solver)
        x, y = own["learning_rate"].to_numpy(), np.maximum(own["median"].to_numpy(), 1.0)
        good, lost = np.isfinite(y), own["diverged"].to_numpy(dtype=bool)
        # Markers on every point of a fine grid would hide the line; a point without neighbours has no line.
        sparse = np.arange(len(x)) % max(len(x) // 10, 1) == 0
        alone = ~np.append(False, good[:-1]) & ~np.append(good[1:], False)
        banded = good & (own["starts"].to_numpy() > 1)
        if banded.any():
            fastest, slowest = (np.maximum(own[name].to_numpy(), 1.0) for name in ("fastest", "slowest"))
            axes.fill_between(x, fastest, slowest, where=banded, color=style.colour, alpha=0.13, linewidth=0, zorder=2)
        line: dict[str, Any] = {"color": style.colour, "zorder": 3}
        axes.plot(
            x,
            np.where(good, y, np.nan),
            style.marker,
            linestyle=style.dashes,
            linewidth=width,
            markersize=style.size(3 + width),
            markevery=sparse | alone,
            markeredgecolor="white",
            markeredgewidth=0.5,
            **line,
        )
        line |= {"transform": axes.get_xaxis_transform(), "linestyle": "none", "markersize": mark}
        level = np.full(len(x), 1 - row * (i + 0.75))
        axes.plot(x[~good & lost], level[~good & lost], marker="x", **line)
        axes.plot(x[~good & ~lost], level[~good & ~lost], marker="o", markerfacecolor="white", **line)
        for _, chosen in only(table, "solver", solver).iloc[:1].iterrows():
            at = np.flatnonzero(np.isclose(x, float(chosen.get("learning_rate", np.nan)), rtol=1e-9))
            if len(at) and good[at[0]]:
                shape = "s" if on_edge(chosen) else "o"
                axes.plot(
                    x[at[0]],
                    y[at[0]],
                    shape,
                    markersize=10,
                    markerfacecolor="none",
                    markeredgewidth=1.4,
                    color=style.colour,
                    zorder=5,
                )


def _heights(axes: Axes, points: pd.DataFrame, solvers: int) -> tuple[float, float, float, float]:
    """The range of steps shown, and as shares of the panel the band of failures above it and a row in that band."""
    reached = points[np.isfinite(points["median"])]
    low = max(float(reached["fastest"].min()), 1.0) if len(reached) else 1.0
    high = max(float(reached["slowest"].max()), low * 2) if len(reached) else 10.0
    inches = axes.get_window_extent().height / DPI
    row = min(0.13 / inches, 0.5 / (solvers + 1.4)) if len(reached) < len(points) else 0.0
    return low / 1.3, high * 1.3, row * (solvers + 1.4), row


def on_edge(chosen: pd.Series) -> bool:
    """Whether the tuned rate of a row of the table lies on the edge of its grid: a better one may lie outside."""
    return str(chosen.get("tuning_edge", "")) in ("low", "high")
