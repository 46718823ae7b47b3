"""learning.png: what a model learns, step by step: the loss and the metric on training and on held-out examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.columns import HELD_OUT, PROBLEM
from gdbench.plots.style import (
    GRID,
    MUTED,
    PANELS,
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

LOSS, STEP = HELD_OUT
METRICS = {"accuracy": "accuracy (share of examples)", "r2": "R²"}
# An R² below this leaves the panel, unless a run ends with it: in the first steps it may be anything.
LOWEST = -0.5
# The line of random steps is the median of so many neighbouring points.
NEIGHBOURS = 5
SOLID, DASHED = "-", (0, (4, 2))


def figures(runs: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw `learning.png` where examples are held out or a model predicts: loss and metric side by side.

    Without held-out examples the loss is left to `convergence.png`. Of more than 30 surfaces the first 30 are drawn,
    on pages of at most 10.
    """
    problems = in_order(names(table, PROBLEM), names(curves, PROBLEM))
    seen = {name: _first_runs(only(curves, PROBLEM, name)) for name in problems}
    kinds = {name: _kinds(lines) for name, lines in seen.items()}
    told = [name for name in problems if kinds[name]]
    for file, on_page, remark in sheets("learning", told, PANELS // 2) if told else ():
        yield (
            file,
            _sheet(runs, {name: seen[name] for name in on_page}, {name: kinds[name] for name in on_page}, remark),
        )


def _first_runs(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the curves of the first drawn run of every solver: two lines of each are as many as can be followed."""
    if not {"run", "solver"} <= {*curves.columns}:
        return curves.iloc[:0]
    return curves[curves["run"].isin(curves.drop_duplicates("solver")["run"])]


def _kinds(curves: pd.DataFrame) -> list[str]:
    """Say what is drawn of a surface: the loss where there is a held-out one, and the metric that it has."""
    loss = ["loss"] if np.isfinite(floats(curves, LOSS)).any() else []
    return loss + [name for name in METRICS if not np.isnan(floats(curves, f"train_{name}")).all()]


def _sheet(runs: pd.DataFrame, curves: dict[str, pd.DataFrame], kinds: dict[str, list[str]], remark: str) -> Figure:
    """Draw a page with two panels per surface, or one where there is nothing for the other."""
    single = len(curves) == 1
    every = pd.concat(list(curves.values()))
    solvers = names(every, "solver")
    entries = [(_handle(solver), solver) for solver in solvers]
    held_out = any("loss" in panel_kinds for panel_kinds in kinds.values())
    if held_out:
        entries.append((Line2D([], [], color=MUTED, linewidth=1.8), "solid: training examples"))
        entries.append((Line2D([], [], color=MUTED, linewidth=1.8, linestyle=DASHED), "dashed: held out"))
    lowest = runs.iloc[:0]
    if {"run", "solver", STEP, LOSS} <= {*runs.columns}:
        lowest = runs[runs["run"].isin(every["run"]) & runs[LOSS].notna()]
    if len(lowest):
        entries.append((sign("o", MUTED, "white", 7), "lowest held-out loss"))
    panels = [(name, kind) for name, panel_kinds in kinds.items() for kind in panel_kinds]
    title = f"Learning on {next(iter(curves))}" if single else f"Learning on every surface{remark}"
    subtitle = "how well the model predicts after each step"
    more = "; a dashed loss that rises while the solid one falls is overfitting"
    subtitle += more if held_out else " the examples that it is trained on"
    if np.isfinite(floats(every, "loss_low")).any():
        subtitle += f"; of random steps the median of {NEIGHBOURS} neighbouring points"
    size = (4.2, 3.7) if single else (2.9, 2.4)
    wide = 2 if len(curves) <= 2 else 4
    figure, axes = page(
        len(panels),
        size,
        entries,
        title,
        subtitle,
        columns=wide if len(panels) == 2 * len(curves) else 0,
        above=-0.3 if single and len(panels) > 1 else 0.0,
    )
    for panel, (name, kind) in zip(axes, panels, strict=True):
        _panel(panel, curves[name], lowest, kind, 1.7 if single else 1.3)
        # A name of many settings reaches over both panels of its surface.
        if not single and kind == kinds[name][0]:
            panel.set_title(name)
    return figure


def _handle(solver: str) -> Line2D:
    """Show a solver's colour and marker alone: its dashes would be taken for the examples that are meant."""
    style = style_of(solver)
    line = Line2D([], [], color=style.colour, linewidth=1.8, marker=style.marker, markersize=style.size(5.5))
    line.set(markeredgecolor="white", markeredgewidth=0.5)
    return line


def _panel(axes: Axes, curves: pd.DataFrame, lowest: pd.DataFrame, kind: str, width: float) -> None:
    """Draw the loss, or the metric, of one surface's drawn runs."""
    columns = ("loss", LOSS) if kind == "loss" else (f"train_{kind}", f"test_{kind}")
    axes.set(xlabel="step (updates)", ylabel="loss (mean over the examples)" if kind == "loss" else METRICS[kind])
    lowest = lowest[lowest["run"].isin(curves["run"])] if kind == "loss" else lowest.iloc[:0]
    heights = np.concatenate([*(floats(curves, column) for column in columns), floats(lowest, LOSS)])
    finite = heights[np.isfinite(heights)]
    if not len(finite):
        axes.set(xticks=[], yticks=[])
        note(axes, "nothing finite to draw")
        return
    low, high, logarithmic = _frame(curves, columns, finite, kind)
    scale_steps(axes.xaxis, [1.0, float(floats(curves, "step").max())])
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylim(low, high)
    set_ticks(axes.yaxis, log_ticks(low, high, 6) if logarithmic else None)
    axes.grid(**GRID)
    far = low / 1e3 if logarithmic else low - 10 * (high - low), 1e3 * high if logarithmic else high + 10 * (high - low)
    for i, (_, run_curve) in enumerate(curves.groupby("run", sort=False)):
        style = style_of(str(run_curve["solver"].iloc[0]))
        every = max(len(run_curve) // 5, 1)
        look: dict[str, Any] = {"color": style.colour, "linewidth": width, "marker": style.marker}
        look |= {"markersize": style.size(2.8 + width), "markeredgecolor": "white", "markeredgewidth": 0.5}
        for column, dashes, order in zip(columns, (SOLID, DASHED), (3, 3.5), strict=True):
            # A diverged loss of 1e300 would overflow in the renderer.
            line = np.clip(floats(run_curve, column), *far)
            if np.isfinite(floats(run_curve, "loss_low")).any():
                line = smoothed(line)
            axes.plot(run_curve["step"], line, linestyle=dashes, markevery=(2 * i % every, every), zorder=order, **look)
    for _, run in lowest.iterrows():
        if low <= run[LOSS] <= high:
            edge = style_of(str(run["solver"])).colour
            look = {"markeredgecolor": edge, "markerfacecolor": "white", "markeredgewidth": 1.4, "zorder": 5}
            axes.plot(run[STEP], run[LOSS], "o", markersize=7, clip_on=False, **look)


def smoothed(heights: np.ndarray) -> np.ndarray:
    """Return the median of each of `heights` `[k]` and its neighbours, at the ends of fewer, as many on both sides."""
    half = NEIGHBOURS // 2
    reach = [min(half, i, len(heights) - 1 - i) for i in range(len(heights))]
    return np.array([np.median(heights[i - near : i + near + 1]) for i, near in enumerate(reach)])


def _frame(curves: pd.DataFrame, columns: Sequence[str], finite: np.ndarray, kind: str) -> tuple[float, float, bool]:
    """Return the lowest and highest visible height and whether the axis is logarithmic.

    A run that diverges leaves the frame rather than setting it, at ten times the losses at the start.
    """
    if kind != "loss":
        last = curves.groupby("run", sort=False).tail(1)
        ends = np.concatenate([floats(last, column) for column in columns])
        floor = max(float(np.min(ends[np.isfinite(ends)], initial=LOWEST)) - 0.1, 10 * LOWEST)
        low, high = max(float(finite.min()), floor), float(finite.max())
        pad = 0.06 * (high - low) if high > low else 0.05
        return low - pad, high + pad, False
    start = floats(curves[curves["step"] == 0], columns[0])
    top = 10 * float(np.max(start[np.isfinite(start)], initial=float(finite.min())))
    visible = finite[finite <= top] if top > 0 else finite
    low, high = float(visible.min()), float(visible.max())
    logarithmic = low > 0 and high > 10 * low
    if logarithmic:
        pad = (high / low) ** 0.05
        return low / pad, high * pad, True
    pad = 0.06 * (high - low) or 0.06 * abs(high) + 1e-3
    return low - pad, high + pad, False
