"""theory.png: the rate that theory predicts over a solver's settings, and on top what runs showed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Stroke

from gdbench.formatting import human
from gdbench.plots.colours import FAILURE_COLOURS, Shades, colour_bar, failure_sign
from gdbench.plots.scales import Scale, borders, dress, scale_of
from gdbench.plots.style import GRID, INK, MUTED, look, page, set_ticks, sign, style_of
from gdbench.results.statistics import floats
from gdbench.theory.closed_forms import FORMULAS, complex_between, stability_edge, steps_per_decade

# Steps of up to so many times the fewest are shown as different.
SLOWEST = 1000.0
DASHED: Any = (0, (4, 2))
DOTTED: Any = (0, (1, 1.3))


@dataclass(frozen=True)
class Picture:
    """All that a picture needs besides the grid.

    axes : one setting or two; best : the settings of the smallest predicted `rate`; extremes : mu and L; momentum : of
    all runs where it is no axis; is_closed : whether closed forms hold for the solver.
    """

    surface: str
    solver: str
    axes: tuple[str, ...]
    best: Mapping[str, float]
    rate: float
    extremes: tuple[float, float]
    momentum: float = 0.0
    is_closed: bool = False
    is_quadratic: bool = True

    @property
    def title(self) -> str:
        """The title of the picture."""
        return f"{self.solver} on {self.surface}: rate in theory and in practice"

    @property
    def setting(self) -> str:
        """The best settings in words."""
        return ", ".join(f"{_label(name)} {human(value)}" for name, value in self.best.items())


def figure(grid: pd.DataFrame, picture: Picture) -> Figure:
    """Draw a curve over one setting, or a map over two.

    `grid` has a row per point: a column per axis, rate_predicted, and at the points that were run status, steps,
    rate_observed.
    """
    with look(), np.errstate(all="ignore"):
        return _map(grid, picture) if len(picture.axes) == 2 else _curve(grid, picture)


def _label(name: str) -> str:
    return name.replace("_", " ")


def _holds(picture: Picture) -> str:
    """Say for which runs the theory speaks."""
    return "exact: the loss is quadratic" if picture.is_quadratic else "theory holds close to the minimum"


def _plus() -> Line2D:
    marker = sign("P", INK, "white", 9)
    marker.set_markeredgewidth(1.3)
    return marker


def _seen(colour: str = "white") -> Line2D:
    marker = sign("o", INK, colour, 7)
    marker.set_markeredgewidth(1.1)
    return marker


def _line(dashes: Any, colour: str = INK, width: float = 1.6) -> Line2D:
    return Line2D([], [], color=colour, linestyle=dashes, linewidth=width)


def _split(grid: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the runs with an observed rate, those that diverged, and the others."""
    runs = grid[grid["status"].notna()]
    diverged = (runs["status"] == "diverged").to_numpy()
    seen = np.isfinite(floats(runs, "rate_observed")) & ~diverged
    return runs[seen], runs[diverged], runs[~seen & ~diverged]


def _map(grid: pd.DataFrame, picture: Picture) -> Figure:
    seen, diverged, other = _split(grid)
    steps = steps_per_decade(floats(grid, "rate_predicted"))
    finite = steps[np.isfinite(steps)]
    low = max(float(finite.min(initial=np.inf)), 0.2) if len(finite) else 1.0
    shades = Shades(low, float(np.clip(finite.max(initial=low), 4 * low, SLOWEST * low)))
    entries = [(_seen(FAILURE_COLOURS["budget"]), "a run, in the colour of\nthe rate that it showed")]
    if len(diverged):
        entries.append((sign("X", INK, size=6.5), "a run that diverged"))
    if len(other):
        entries.append((_seen(), "a run too short, too wild or\nelsewhere: no rate to show"))
    entries.append(
        (_plus(), f"best in theory: rate {human(picture.rate)}\n{picture.setting.replace(', ', ',' + chr(10))}")
    )
    if (floats(grid, "rate_predicted") >= 1).any():
        entries.append((failure_sign("diverged"), "diverges in theory"))
    if picture.is_closed:
        entries.append((_line(DASHED), f"edge {FORMULAS[picture.solver]}"))
        entries.append((_line("-", "white", 0), "modes swing (complex roots):"))
        entries.append((_line(DOTTED), "from here the fastest mode"))
        entries.append((_line("-"), "within here all modes"))
    subtitle = f"brighter is faster; {_holds(picture)}"
    figure, (axes,) = page(1, (5.2, 4.4), entries, picture.title, subtitle, below=2.1)
    values = [np.unique(floats(grid, name)) for name in picture.axes]
    scales = scale_of(values[0]), scale_of(values[1])
    sides = [borders(scale.place(v)) for scale, v in zip(scales, values, strict=True)]
    for axis, scale, side in zip((axes.xaxis, axes.yaxis), scales, sides, strict=True):
        dress(axis, scale, side[0], side[-1])
    axes.set(xlabel=_label(picture.axes[0]), ylabel=_label(picture.axes[1]))
    kinds = np.where(np.isnan(steps), "error", "diverged")
    cells = np.zeros((len(values[1]), len(values[0]), 4), dtype=np.uint8)
    at = [np.searchsorted(v, floats(grid, name)) for v, name in zip(values, picture.axes, strict=True)]
    cells[at[1], at[0]] = shades.colours(steps, kinds)
    axes.pcolorfast(sides[0], sides[1], cells)
    if picture.is_closed:
        _borders(axes, picture, scales, values[1])
    for runs, marker, faces in (
        (other, "o", "white"),
        (
            seen,
            "o",
            shades.colours(steps_per_decade(floats(seen, "rate_observed")), np.full(len(seen), "budget")) / 255,
        ),
        (diverged, "X", INK),
    ):
        x, y = (scale.place(floats(runs, name)) for scale, name in zip(scales, picture.axes, strict=True))
        rim = "white" if marker == "X" else INK
        axes.scatter(x, y, s=34, marker=marker, c=faces, edgecolors=rim, linewidths=0.9, zorder=5)
    best = _plus()
    best.set_data(*([float(s.place(picture.best[name]))] for s, name in zip(scales, picture.axes, strict=True)))
    best.set(zorder=6, path_effects=[Stroke(linewidth=3.2, foreground="white"), Stroke()])
    axes.add_line(best)
    bar = colour_bar(figure, shades, "rate: factor of the distance per step")
    _name_rates(bar, shades, more=bool(finite.max(initial=0.0) > shades.high))
    return figure


def _borders(axes: Axes, picture: Picture, scales: tuple[Scale, Scale], momenta: np.ndarray) -> None:
    """Draw the edge of stability, and where the roots of the slowest and the fastest mode become complex."""
    low, high = picture.extremes
    places = scales[1].place(momenta)
    m = scales[1].value(np.linspace(places[0], places[-1], 600))
    slowest, fastest = complex_between(picture.solver, low, m), complex_between(picture.solver, high, m)
    within = slowest[0] <= fastest[1]
    # The region of all modes is closed at its tip, which no sample hits.
    both = np.concatenate([slowest[0][within][::-1], fastest[1][within]])
    lines = [
        (stability_edge(picture.solver, high, m), m, DASHED),
        (fastest[0], m, DOTTED),
        (both, np.concatenate([m[within][::-1], m[within]]), "-"),
    ]
    for x, y, dashes in lines:
        for colour, width, pattern in (("white", 3.2, "-"), (INK, 1.6, dashes)):
            axes.plot(
                scales[0].place(x), scales[1].place(y), color=colour, linewidth=width, linestyle=pattern, zorder=4
            )


def _name_rates(bar: Axes, shades: Shades, more: bool) -> None:
    """Label a bar of steps with the rates that take them; `more` marks its end as "this or more"."""
    rates = np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999])
    rates = np.append(rates, 1 - 10.0 ** -np.arange(5.0, 12.0))
    places = np.log10(steps_per_decade(rates))
    low, high = np.log10(shades.low), np.log10(shades.high)
    room = 0.09 * (high - low)
    kept: list[int] = []
    for i in np.flatnonzero((places >= low) & (places <= high)):
        if not kept or places[i] - places[kept[-1]] >= room:
            kept.append(int(i))
    texts = [human(rate, 12) for rate in rates[kept]]
    bar.set_yticks(places[kept], [*texts[:-1], *(f"≥ {text}" if more else text for text in texts[-1:])])


def _curve(grid: pd.DataFrame, picture: Picture) -> Figure:
    seen, diverged, other = _split(grid)
    name, style = picture.axes[0], style_of(picture.solver)
    x, rate = floats(grid, name), floats(grid, "rate_predicted")
    scale = scale_of(x)
    depth = 1 - picture.rate
    observed = floats(seen, "rate_observed")
    # An observed rate below the best one is shown where it is, unless it is out of all proportion.
    lowest = np.clip(observed.min(initial=picture.rate), picture.rate - depth, picture.rate)
    low, high = lowest - 0.1 * depth, 1 + 0.2 * depth
    edge = float(stability_edge(picture.solver, picture.extremes[1], picture.momentum)) if picture.is_closed else np.nan
    entries = [(_line("-", style.colour, 2.0), "predicted"), (_seen(style.colour), "observed, one run each")]
    if len(diverged):
        entries.append((sign("X", INK, size=6.5), "a run that diverged"))
    if len(other):
        entries.append((_seen(), "too short, too wild or\nelsewhere: no rate"))
    entries.append((_plus(), f"best in theory: rate {human(picture.rate, 4)},\n{picture.setting}"))
    if np.isfinite(edge):
        entries.append((_line(DASHED), f"edge {FORMULAS[picture.solver]} = {human(edge)}"))
    subtitle = f"lower is faster; {_holds(picture)}"
    figure, (axes,) = page(1, (5.4, 3.9), entries, picture.title, subtitle)
    side = scale.place(x)
    dress(axes.xaxis, scale, side[0], side[-1])
    axes.set(xlabel=_label(name), ylabel="rate: factor of the distance per step", ylim=(low, high))
    set_ticks(axes.yaxis)
    axes.grid(**GRID)
    axes.add_patch(Rectangle((side[0], 1), side[-1] - side[0], high - 1, color=FAILURE_COLOURS["budget"], zorder=0.5))
    axes.annotate("diverges", (side[0], 1), (4, 3), textcoords="offset points", color=MUTED, fontsize=8)
    axes.plot(side, rate, color=style.colour, linewidth=2.0, zorder=3)
    if np.isfinite(edge):
        axes.axvline(float(scale.place(edge)), color=INK, linewidth=1.4, linestyle=DASHED, zorder=2)
    top = np.full(len(diverged), high)
    for runs, heights, marker, colour in (
        (seen, np.clip(observed, low, high), "o", style.colour),
        (other, np.full(len(other), low), "o", "white"),
        (diverged, top, "X", INK),
    ):
        places = scale.place(floats(runs, name))
        rim: dict[str, Any] = {"edgecolors": "white" if marker == "X" else INK, "linewidths": 1.0, "zorder": 5}
        axes.scatter(places, heights, s=36, marker=marker, c=colour, clip_on=False, **rim)
    best = _plus()
    best.set_data([float(scale.place(picture.best[name]))], [picture.rate])
    best.set(zorder=6, path_effects=[Stroke(linewidth=3.2, foreground="white"), Stroke()])
    axes.add_line(best)
    return figure
