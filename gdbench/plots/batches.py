"""batches.png: the one weight of a surface after each step, a line per size of mini-batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.columns import BATCH, PROBLEM
from gdbench.formatting import count, human
from gdbench.plots.style import COLOURS, GRID, INK, MUTED, names, note, page, scale_steps, set_ticks, sheets
from gdbench.results.labels import problem_labels
from gdbench.results.selection import chosen_runs
from gdbench.results.statistics import floats

# More lines hide each other. If there are more sizes, so many are drawn, from the smallest to the largest.
LINES = 6
# The smallest batch is black and the largest vermilion: these can be told apart where the lines cross.
ORDER = tuple(COLOURS[i] for i in (0, 1, 2, 5, 6, 3))


@dataclass(frozen=True)
class Line:
    """The weights `[k]` of one run at some steps `[k]`."""

    batch: float
    rate: float
    status: str
    steps: np.ndarray
    weights: np.ndarray

    @property
    def ending(self) -> str:
        """The run's end in words, or the width of the weight's swings in the last third of its steps."""
        if self.status == "reached":
            return f"arrives after {count(self.steps[-1])}"
        last = self.weights[2 * len(self.weights) // 3 :]
        if not np.isfinite(last).all():
            return "diverges"
        width = float(np.ptp(last))
        return f"swings {human(width)} wide" if width > 1e-3 * float(np.ptp(self.weights)) else "ends at rest"


def figures(
    runs: pd.DataFrame, table: pd.DataFrame, trajectory: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    """Draw `batches.png` if runs on a surface of one weight differ in their batch size; a panel for each solver."""
    if BATCH not in runs.columns or "run" not in trajectory.columns:
        return
    single = [name for name in names(runs, PROBLEM) if contours.get(name, {}).get("dimension") == 1]
    drawn = runs[runs["run"].isin(trajectory["run"]) & runs[PROBLEM].isin(single) & runs[BATCH].notna()]
    if {PROBLEM, "solver"} <= {*table.columns}:
        drawn = chosen_runs(drawn, table)
    alike = runs[runs["surface"].isin(drawn["surface"])]
    # Runs that differ only in their batch size share a panel.
    names_of = problem_labels(alike, without=[BATCH])
    by_run = dict(iter(trajectory.groupby("run", sort=False)))
    panels: dict[str, tuple[str, list[Line]]] = {}
    for (problem, solver), group in drawn.groupby([PROBLEM, "solver"], sort=False, observed=True):
        first = group.iloc[0]
        path = by_run[first["run"]]
        name = f"{names_of[group.index[0]]}, {solver}"
        rate = float(first.get("learning_rate", np.nan))
        line = Line(float(first[BATCH]), rate, str(first.get("status")), floats(path, "step"), floats(path, "x0"))
        panels.setdefault(name, (str(problem), []))[1].append(line)
    drawable = {
        name: (problem, sorted(lines, key=lambda line: line.batch)) for name, (problem, lines) in panels.items()
    }
    drawable = {name: item for name, item in drawable.items() if len({line.batch for line in item[1]}) > 1}
    for file, several, remark in sheets("batches", list(drawable)) if drawable else ():
        yield file, _sheet({name: drawable[name] for name in several}, contours, remark)


def _sheet(
    panels: Mapping[str, tuple[str, list[Line]]], contours: Mapping[str, Mapping[str, Any]], remark: str
) -> Figure:
    every = [line for _, lines in panels.values() for line in lines]
    sizes = np.unique([line.batch for line in every])
    sizes = sizes[np.unique(np.linspace(0, len(sizes) - 1, LINES).round().astype(int))]
    spread = np.linspace(0, LINES - 1, len(sizes)).round().astype(int)
    colours = {size: ORDER[place] for size, place in zip(sizes.tolist(), spread, strict=True)}
    single, rates = len(panels) == 1, {line.rate for line in every}
    entries = []
    for size, colour in colours.items():
        of_size = [line for line in every if line.batch == size]
        label = f"{human(size)} example{'' if size == 1 else 's'} a step"
        if single:
            label += f" · lr {human(of_size[0].rate)}" if len(rates) > 1 else ""
            label += f"\n{of_size[0].ending}"
        entries.append((Line2D([], [], linewidth=1.8, color=colour), label))
    if any(len(contours.get(problem, {}).get("minimisers", [])) for problem, _ in panels.values()):
        entries.append((Line2D([], [], color=MUTED, linewidth=1.0, linestyle=":"), "minimum"))
    title = "Online, mini-batch, batch" + (f": {next(iter(panels))}" if single else remark)
    if len(rates) == 1 and np.isfinite([*rates]).all():
        title += f" at lr {human(min(rates))}"
    subtitle = "the weight after each step: the fewer examples a step sees, the farther it is thrown about"
    figure, axes = page(len(panels), (6.4, 3.9) if single else (2.9, 2.4), entries, title, subtitle)
    for panel, (name, (problem, lines)) in zip(axes, panels.items(), strict=True):
        _panel(panel, contours.get(problem, {}), [line for line in lines if line.batch in colours], colours, single)
        if not single:
            panel.set_title(name)
    return figure


def _panel(
    axes: Axes, surface: Mapping[str, Any], lines: Sequence[Line], colours: Mapping[float, str], single: bool
) -> None:
    """Draw the lines of one surface and solver, and its minimisers."""
    axes.set(xlabel="step (updates)", ylabel=f"weight {next(iter(surface.get('labels', [])), '')}")
    axes.grid(**GRID)
    minimisers = np.asarray(surface.get("minimisers", []), dtype=float).ravel()
    heights = np.concatenate([*(line.weights for line in lines), minimisers])
    # A run that diverges leaves the frame rather than setting it.
    u = np.asarray(surface.get("u", heights), dtype=float)
    visible = heights[np.isfinite(heights) & (heights >= u.min()) & (heights <= u.max())]
    if not len(visible):
        note(axes, "no finite weight to draw")
        return
    pad = 0.06 * float(np.ptp(visible)) or 1.0
    low, high = float(visible.min()) - pad, float(visible.max()) + pad
    axes.set_ylim(low, high)
    scale_steps(axes.xaxis, [max(float(line.steps[-1]) for line in lines)])
    set_ticks(axes.yaxis)
    for minimiser in minimisers:
        axes.axhline(minimiser, color=MUTED, linewidth=1.0, linestyle=":", zorder=3)
    for line in lines:
        # A diverged weight of 1e300 would overflow in the renderer.
        weights = np.clip(line.weights, low - 100 * (high - low), high + 100 * (high - low))
        axes.plot(line.steps, weights, color=colours[line.batch], linewidth=1.7 if single else 1.2, zorder=2)
    axes.plot(lines[0].steps[0], lines[0].weights[0], "o", markersize=7, color=INK, markerfacecolor="white", zorder=4)
