"""heatmap.png: how many steps a solver needs over two swept settings, with the stability edge that theory draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Stroke

from gdbench.columns import NAMES, PARAMETER, PROBLEM
from gdbench.columns import parameters as parameters_of
from gdbench.formatting import human
from gdbench.plots.colours import FAILED, Shades, colour_bar, failure_sign
from gdbench.plots.files import file_name
from gdbench.plots.scales import Scale, borders, dress, scale_of
from gdbench.plots.style import INK, page, sheets, sign
from gdbench.results.statistics import floats
from gdbench.results.statistics.by_setting import best_of, by_setting, numbers, scheduled, schedules, swept
from gdbench.theory.closed_forms import FORMULAS, best_setting, extremes, stability_edge

# So many values make an axis.
FEWEST = 4
FILES = 12
# The axes show these by preference.
FIRST = ("learning_rate", "momentum")


@dataclass(frozen=True)
class Map:
    """The settings of one solver over two axes."""

    name: str  # The problem; the surface where a parameter of it is an axis.
    solver: str
    axes: tuple[str, str]
    settings: pd.DataFrame  # They are as `by_setting` gives them.

    @cached_property
    def points(self) -> pd.DataFrame:
        """The best of the settings at every place of the map."""
        usable = np.isfinite(floats(self.settings, self.axes[0])) & np.isfinite(floats(self.settings, self.axes[1]))
        return best_of(self.settings[usable], self.axes)

    def values(self, which: int) -> np.ndarray:
        """Return the distinct values of an axis, ascending."""
        return np.unique(floats(self.points, self.axes[which]))

    @property
    def is_grid(self) -> bool:
        """True if most combinations of the values occur; scattered ones are drawn as points."""
        return len(self.points) >= 0.5 * len(self.values(0)) * len(self.values(1))


def figures(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    contours: Mapping[str, Mapping[str, Any]],
    axes: tuple[str, str] | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Draw a map for every surface and solver that ran at four values or more of each of two settings.

    The settings are `axes`, or learning_rate, momentum and the other hyperparameters by preference; a parameter of a
    surface (`surface.NAME`) joins the surfaces that differ in it alone. Up to 12 maps have a file each, named
    `heatmap-SURFACE-SOLVER.png`; several share pages `heatmap.png`.
    """
    if not {PROBLEM, "solver"} <= {*runs.columns}:
        return
    maps = {file_name("heatmap", heat_map.name, heat_map.solver): heat_map for heat_map in maps_of(runs, axes)}
    if len(maps) > 1:
        for file, on_page, remark in sheets("heatmap", list(maps), rest="the runs have all"):
            yield file, _sheet([maps[name] for name in on_page], table, contours, remark)
    for file, heat_map in maps.items() if len(maps) <= FILES else ():
        yield file, _single(heat_map, table, contours)


def maps_of(runs: pd.DataFrame, axes: tuple[str, str] | None = None) -> list[Map]:
    """Return the maps that the runs allow, in their order; of the other hyperparameters the best setting counts."""
    parameters = [name for name in parameters_of(runs) if len(runs[name].unique()) > 1]
    usable = [name for name in (*swept(runs), *parameters) if len(numbers(runs, name)) >= FEWEST]
    usable.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    if len(usable) < 2 or (axes is not None and not {*axes} <= {*usable}):
        return []
    kinds = [name for name in schedules(runs) if name not in swept(runs)]
    settings = by_setting(runs, [*NAMES, *swept(runs), *kinds, *parameters])
    settings = settings.astype(dict.fromkeys(NAMES, str))
    maps = []
    for (problem, solver), group in settings.groupby([PROBLEM, "solver"], sort=False):
        pair = _pair(group, [name for name in usable if name not in parameters], axes)
        if pair is not None:
            maps.append(Map(str(problem), str(solver), pair, group))
    if parameters and not maps:
        for (surface, solver), group in settings.groupby(["surface", "solver"], sort=False):
            pair = _pair(group, usable, axes)
            differing = {name for name in parameters if len(group[name].unique()) > 1}
            if pair is not None and differing and differing <= {*pair}:
                maps.append(Map(str(surface), str(solver), pair, group))
    return maps


def _pair(group: pd.DataFrame, usable: Sequence[str], axes: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the two axes of a map, horizontal first; None where a solver ran at too few values."""
    able = [name for name in (axes or usable) if name in usable and len(numbers(group, name)) >= FEWEST]
    return (able[0], able[1]) if len(able) >= 2 else None


def _single(heat_map: Map, table: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw a map on a page of its own."""
    shades = Shades.of(heat_map.points["median"])
    starts = int(heat_map.points["starts"].max())
    subtitle = "brighter is faster" + (f"; median over {starts} starts" if starts > 1 else "")
    entries = _entries([heat_map], table, contours)
    title = f"{heat_map.solver} on {heat_map.name}: steps to the target"
    figure, (axes,) = page(1, (4.9, 4.3), entries, title, subtitle, below=2.1)
    _panel(axes, heat_map, shades, table, contours)
    colour_bar(figure, shades, "steps to the target (median)")
    return figure


def _sheet(maps: Sequence[Map], table: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]], remark: str) -> Figure:
    """Draw maps side by side, in the same colours."""
    shades = Shades.of(pd.concat([heat_map.points["median"] for heat_map in maps]))
    subtitle = "a panel per surface and solver; brighter is faster, the same colours throughout"
    entries = _entries(maps, table, contours)
    figure, panels = page(len(maps), (2.9, 2.5), entries, f"Steps to the target{remark}", subtitle, below=2.1)
    for axes, heat_map in zip(panels, maps, strict=True):
        _panel(axes, heat_map, shades, table, contours)
        axes.set_title(f"{heat_map.solver} on {heat_map.name}", fontsize=9)
    colour_bar(figure, shades, "steps to the target (median)")
    return figure


def _entries(
    maps: Sequence[Map], table: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]
) -> list[tuple[Line2D, str]]:
    """Return the legend: the failures and the marks that occur."""
    kinds = {
        kind for heat_map in maps for kind in heat_map.points["failure"][np.isinf(heat_map.points["median"])].unique()
    }
    entries = [(failure_sign(kind), FAILED[kind]) for kind in FAILED if kind in kinds]
    alone = maps[0] if len(maps) == 1 else None
    if any(len(_chosen(heat_map, table)) for heat_map in maps):
        text = _names(alone.axes, _chosen(alone, table)) if alone else ""
        entries.append((_ring(), "chosen setting" + text))
    edged = [heat_map for heat_map in maps if len(_edge(heat_map, contours)[0])]
    if edged:
        line = Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=1.6)
        formulas = ",\n".join(f"{solver} {FORMULAS[solver]}" for solver in FORMULAS if _any(edged, solver))
        entries.append((line, f"theory: stable up to here,\n{formulas}\nat the minimum"))
    if any(np.isfinite(_best(heat_map, contours)).all() for heat_map in maps):
        text = _names(alone.axes, np.array([_best(alone, contours)])) if alone else ""
        entries.append((_plus(), "theory: fastest on a quadratic, in the long run" + text))
    return entries


def _any(maps: Sequence[Map], solver: str) -> bool:
    return any(heat_map.solver == solver for heat_map in maps)


def _names(axes: tuple[str, str], places: np.ndarray) -> str:
    """Say where a lone mark stands, in words on a line of its own."""
    if len(places) != 1:
        return ""
    return "\n" + ", ".join(f"{_label(name)} {human(v)}" for name, v in zip(axes, places[0], strict=True))


def _label(name: str) -> str:
    return name.removeprefix(PARAMETER).replace("_", " ").replace(".", ", ")


def _ring() -> Line2D:
    ring = sign("o", INK, "none", 9)
    ring.set(markeredgewidth=1.6)
    return ring


def _plus() -> Line2D:
    plus = sign("P", INK, "white", 8)
    plus.set(markeredgewidth=1.2)
    return plus


def _chosen(heat_map: Map, table: pd.DataFrame) -> np.ndarray:
    """Return the chosen settings `[k, 2]`: one, or one for each value of a surface's parameter."""
    places = heat_map.points[
        [PROBLEM, *(name for name in heat_map.axes if name.startswith(PARAMETER))]
    ].drop_duplicates()
    if not {PROBLEM, "solver"} <= {*table.columns}:
        return np.empty((0, 2))
    rows = table[table["solver"].astype(str) == heat_map.solver].astype({PROBLEM: str})
    rows = rows[[name for name in rows.columns if not name.startswith(PARAMETER)]].merge(places, on=PROBLEM)
    pairs = np.column_stack([floats(rows, name) for name in heat_map.axes])
    low, high = np.array([[heat_map.values(i)[end] for i in (0, 1)] for end in (0, -1)])
    return pairs[((pairs >= low) & (pairs <= high)).all(axis=1)]


def _edge(heat_map: Map, contours: Mapping[str, Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest stable learning rate along the other axis; empty without theory or an axis of the rate."""
    nothing = np.empty(0), np.empty(0)
    if heat_map.solver not in FORMULAS or heat_map.axes[0] != "learning_rate" or scheduled(heat_map.settings).any():
        return nothing
    along = heat_map.values(1)
    momenta = np.unique(floats(heat_map.settings, "momentum")) if heat_map.solver != "sgd" else np.zeros(1)
    if heat_map.axes[1] == "momentum":
        scale = scale_of(along)
        along = scale.value(np.linspace(scale.place(along[0]), scale.place(along[-1]), 200))
        edges = stability_edge(heat_map.solver, extremes(contours, heat_map.points[PROBLEM].iloc[0])[1], along)
    else:
        problems = heat_map.points.drop_duplicates(heat_map.axes[1]).set_index(heat_map.axes[1])[PROBLEM]
        largest = np.array([extremes(contours, problems[value])[1] for value in along])
        # The best of several values of momentum counts at every point, so the one that bears most is the edge.
        edges = np.max(np.nan_to_num(stability_edge(heat_map.solver, largest[:, None], momenta)), axis=1)
    visible = (edges >= heat_map.values(0)[0]) & (edges <= heat_map.values(0)[-1])
    return (edges[visible], along[visible]) if visible.any() else nothing


def _best(heat_map: Map, contours: Mapping[str, Mapping[str, Any]]) -> tuple[float, float]:
    """Return rate and momentum of theory's fastest convergence, if those are the axes and it lies within them."""
    if heat_map.axes != FIRST or scheduled(heat_map.settings).any():
        return np.nan, np.nan
    best = best_setting(heat_map.solver, *extremes(contours, heat_map.points[PROBLEM].iloc[0]))
    held = [heat_map.values(i)[0] <= best[i] <= heat_map.values(i)[-1] for i in (0, 1)]
    return best if all(held) else (np.nan, np.nan)


def _panel(
    axes: Axes, heat_map: Map, shades: Shades, table: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]
) -> None:
    """Draw the cells or points of a map, and over them what was chosen and what theory says."""
    values = heat_map.values(0), heat_map.values(1)
    scales = scale_of(values[0]), scale_of(values[1])
    sides = [
        borders(scale.place(v)) if heat_map.is_grid else _around(scale.place(v))
        for scale, v in zip(scales, values, strict=True)
    ]
    for axis, scale, side in zip((axes.xaxis, axes.yaxis), scales, sides, strict=True):
        dress(axis, scale, side[0], side[-1])
    axes.set(xlabel=_label(heat_map.axes[0]), ylabel=_label(heat_map.axes[1]))
    at = [floats(heat_map.points, name) for name in heat_map.axes]
    colours = shades.colours(heat_map.points["median"].to_numpy(), heat_map.points["failure"].to_numpy())
    if heat_map.is_grid:
        cells = np.zeros((len(values[1]), len(values[0]), 4), dtype=np.uint8)
        cells[np.searchsorted(values[1], at[1]), np.searchsorted(values[0], at[0])] = colours
        axes.pcolorfast(sides[0], sides[1], cells)
    else:
        # Fast ones are drawn last, so that they lie on top.
        order = np.argsort(-heat_map.points["median"].to_numpy(), kind="stable")
        inches = float(np.prod(axes.get_window_extent().size)) / axes.figure.dpi**2
        size = float(np.clip(600 * inches / len(order), 4, 60))
        rims = np.where(np.isfinite(heat_map.points["median"].to_numpy()[order]), "white", "#9aa3ab").tolist()
        x, y = (scale.place(v)[order] for scale, v in zip(scales, at, strict=True))
        axes.scatter(x, y, s=size, c=colours[order] / 255, edgecolors=rims, linewidths=min(0.4, size / 40))
    edge = _edge(heat_map, contours)
    if len(edge[0]):
        line = [scale.place(v) for scale, v in zip(scales, edge, strict=True)]
        axes.plot(*line, color="white", linewidth=3.2, zorder=4)
        axes.plot(*line, color=INK, linewidth=1.6, linestyle=(0, (4, 2)), zorder=4)
    best = _best(heat_map, contours)
    if np.isfinite(best).all():
        _mark(axes, _plus(), scales, np.array([best]))
    chosen = _chosen(heat_map, table)
    if len(chosen):
        _mark(axes, _ring(), scales, chosen)


def _around(places: np.ndarray) -> np.ndarray:
    """Return limits that cut no point at the rim."""
    margin = 0.03 * (places[-1] - places[0])
    return np.array([places[0] - margin, places[-1] + margin])


def _mark(axes: Axes, look: Line2D, scales: tuple[Scale, Scale], places: np.ndarray) -> None:
    """Draw markers that stand out from every colour."""
    look.set_data(scales[0].place(places[:, 0]), scales[1].place(places[:, 1]))
    look.set(zorder=6, clip_on=False, path_effects=[Stroke(linewidth=3.2, foreground="white"), Stroke()])
    axes.add_line(look)
