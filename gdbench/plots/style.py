"""One look for every picture: fixed solver styles, number formats, page layout in inches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gdbench.formatting import human

DPI = 120

INK, MUTED = "#1a1a1a", "#5f6770"

GRID: dict[str, Any] = {"color": "#e6e9ec", "linewidth": 0.6}

# Past this ratio of the longest to the shortest run the short ones would be a vertical line on a linear axis.
LINEAR = 15.0

# So many small panels can be told apart on a page; so many pages will be looked at.
PANELS, PAGES = 20, 3

# Okabe and Ito's colours for all kinds of colour vision, without their yellow: too pale for a line on white.
COLOURS = ("#000000", "#0072b2", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#e69f00")

# No plain dots: those are the predicted rates.
DASHES: tuple[Any, ...] = ("-", (0, (7, 2)), (0, (7, 1.5, 1.5, 1.5)), (0, (3.5, 1.5)), (0, (12, 2.5)))
DASHES += ((0, (5, 1.2, 1.2, 1.2, 1.2, 1.2)),)

# No star, cross or x: those are minimisers and diverged runs.
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "p", "<", "h", "d")

PLUGIN_MARKERS = (">", "8", "H")

AREAS = {"s": 0.9, "D": 0.95, "^": 1.15, "v": 1.15, "<": 1.15, ">": 1.15, "P": 1.3, "p": 1.15, "h": 1.1, "d": 1.15}

# The place in this list is the style: append, never reorder.
SOLVERS: tuple[str, ...] = (
    "sgd",
    "momentum",
    "nesterov",
    "rmsprop",
    "adagrad",
    "adam",
    "gains",
    "rprop",
    "newton",
    "adagrad-full",
)
SOLVERS += ("adadelta", "adamax", "nadam", "amsgrad", "adamw", "qhadam", "aggmo", "adabelief", "lion", "radam")
SOLVERS += ("yogi", "nadamw", "lbfgs", "backtracking")

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": "#8a9199",
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 3.4,
    "legend.labelspacing": 0.7,
    "legend.borderpad": 0.0,
    "legend.title_fontsize": 8.5,
    "lines.dash_capstyle": "butt",
}


@dataclass(frozen=True)
class Style:
    """The look of a solver in every picture."""

    colour: str
    dashes: Any
    marker: str

    def size(self, points: float) -> float:
        """Return the marker size at which this marker looks as large as a circle of `points`."""
        return points * AREAS.get(self.marker, 1.0)


def style_of(solver: str) -> Style:
    """Return the fixed style of a solver; a plug-in's follows from its name alone and never equals a built-in one."""
    if solver in SOLVERS:
        i = SOLVERS.index(solver)
        # With a shift of 4, no pair of colour and dashes repeats before the 42nd solver.
        dashes = DASHES[(i + 4 * (i // len(COLOURS))) % len(DASHES)]
        return Style(COLOURS[i % len(COLOURS)], dashes, MARKERS[i % len(MARKERS)])
    digest = hashlib.sha256(solver.encode()).digest()  # The built-in hash() changes from process to process.
    return Style(
        COLOURS[digest[0] % len(COLOURS)],
        DASHES[digest[1] % len(DASHES)],
        PLUGIN_MARKERS[digest[2] % len(PLUGIN_MARKERS)],
    )


def handle(solver: str, width: float = 1.8) -> Line2D:
    """Return the legend entry of a solver."""
    style = style_of(solver)
    line = Line2D([], [], color=style.colour, linestyle=style.dashes, linewidth=width)
    line.set(marker=style.marker, markersize=style.size(5.5), markeredgecolor="white", markeredgewidth=0.5)
    return line


def sign(marker: str, colour: str = INK, face: str | None = None, size: float = 6.5) -> Line2D:
    """Return a legend entry for a lone marker."""
    line = Line2D([], [], color=colour, linestyle="none", marker=marker, markersize=size)
    line.set_markerfacecolor(colour if face is None else face)
    return line


def in_order(*columns: Iterable[Any]) -> list[str]:
    """Return the distinct names in the order in which they first appear."""
    return list(dict.fromkeys(str(name) for column in columns for name in column))


def names(frame: pd.DataFrame, column: str) -> list[str]:
    """Return the distinct names of a column; none when it is absent."""
    return in_order(frame[column].dropna().unique()) if column in frame.columns else []


def only(frame: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """Return the rows in which a column holds a name; none when the column is absent."""
    if column not in frame.columns:
        return frame.iloc[:0]
    # A name may be a number. Only the distinct ones of a million rows are turned into words.
    meant = [value for value in frame[column].unique() if str(value) == name]
    return frame[frame[column].isin(meant)]


def sheets(
    kind: str, panels: Sequence[str], most: int = PANELS, rest: str = "table.csv has all"
) -> list[tuple[str, list[str], str]]:
    """Return what is drawn on which page of a picture: its file, its panels, and a remark for its title.

    Up to `most` panels share `KIND.png`; more go on evenly filled pages `KIND-page2.png` and so on, at most `PAGES`.
    """
    drawn = list(panels[: most * PAGES])
    count = max(math.ceil(len(drawn) / most), 1)
    left = "" if len(drawn) == len(panels) else f", the first {len(drawn)} of {len(panels)}; {rest}"
    each = math.ceil(len(drawn) / count)
    pages = []
    for i in range(count):
        file = f"{kind}.png" if i == 0 else f"{kind}-page{i + 1}.png"
        remark = f" (page {i + 1} of {count}{left})" if count > 1 else ""
        pages.append((file, drawn[i * each : (i + 1) * each], remark))
    return pages


def log_ticks(low: float, high: float, most: int = 7) -> np.ndarray:
    """Return round ticks within `low..high` of a log axis: whole decades, or 1-2-5 within less than two of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high) - math.log10(low)
    stride = max(1, math.ceil(decades / most)) if decades >= 2 else 1
    first = math.ceil(first / stride) * stride
    # Finer ticks serve where the axis is so short that the coarser ones miss it.
    for mantissas in ((1,),) if decades >= 2 else ((1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8)):
        ticks = np.array([float(f"{m}e{e}") for e in range(first, last + 1, stride) for m in mantissas])
        inside = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if len(inside) > 1:
            return inside
    return np.unique([float(f"{low:.2g}"), float(f"{high:.2g}")])


def set_ticks(axis: Axis, ticks: Sequence[float] | np.ndarray | None = None, whole: bool = False) -> None:
    """Set ticks at the given places, else a few round ones, written for people and without mathtext, which is slow."""
    few = MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole)
    axis.set_major_locator(few if ticks is None else FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: human(value, 6)))


def scale_steps(axis: Axis, lengths: Sequence[float]) -> float:
    """Scale an axis of steps for runs of these lengths and return the longest.

    Linear, where a constant rate is a straight line, unless the lengths differ too much for that.
    """
    counted = [length for length in lengths if length > 0] or [1.0]
    last = float(max(counted))
    name = axis.axis_name  # type: ignore[attr-defined]
    if last <= LINEAR * min(counted):
        axis.axes.set(**{f"{name}lim": (-0.02 * last, 1.03 * last)})
        set_ticks(axis, whole=True)
        return last
    # Logarithmic from 1 on; step 0, which has no logarithm, stands one short linear unit before it.
    getattr(axis.axes, f"set_{name}scale")("symlog", linthresh=1.0, linscale=0.35)
    axis.axes.set(**{f"{name}lim": (-0.1, last * 1.25)})
    set_ticks(axis, [0.0, *log_ticks(1.0, max(last, 2.0), 5)])
    return last


def note(axes: Axes, text: str, height: float = 0.5) -> None:
    """Draw a remark in a panel that lacks something: in its middle, or at a height where it hides nothing."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2.0}
    axes.text(0.5, height, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, bbox=box, zorder=7)


def look() -> AbstractContextManager[None]:
    """Return the settings all pictures are drawn under: matplotlib's defaults and ours, nothing of the user's."""
    # The backend stays: choosing one would load it.
    skip: set[str] = {"backend", "backend_fallback", "interactive", "toolbar", "timezone", "date.epoch", "webagg.port"}
    settings: dict[Any, Any] = {key: value for key, value in matplotlib.rcParamsDefault.items() if key not in skip}
    return matplotlib.rc_context(settings | RC)


def page(
    panels: int,
    size: tuple[float, float],
    entries: Sequence[tuple[Line2D, str]],
    title: str,
    subtitle: str,
    grows: bool = False,
    below: float = 0.0,
    left: float = 0.8,
    above: float = 0.0,
    tiled: bool = False,
    columns: int = 0,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `panels` axes of `size` inches in a grid, title above, legend in a column at the right.

    `grows` lets a lone panel become as high as a long legend; `below`, `left` and `above` keep so many inches free
    under the legend, beside the panels and over them. `tiled` puts the legend, in two columns, in the last cell of the
    grid instead. Without `columns` their number follows from that of the panels. All places are computed in inches,
    because matplotlib's layout engines draw the figure several times.
    """
    cells = panels + tiled
    columns = columns or (cells if cells <= 3 else 2 if cells == 4 else 3 if cells <= 9 else 4)
    rows = math.ceil(cells / columns)
    gap_x, gap_y, bottom, top = 0.85, 0.85, 0.6, 0.75 + above
    if panels > 1:
        top += 0.3
    figure = Figure(dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    legend = figure.legend(
        [entry[0] for entry in entries],
        [entry[1] for entry in entries],
        loc="upper left",
        borderaxespad=0.0,
        ncols=2 if tiled else 1,
    )
    box = legend.get_window_extent(canvas.get_renderer())
    if grows and panels == 1:
        size = (size[0], max(size[1], min(box.height / DPI, 6.0)))
    grid_w = columns * size[0] + (columns - 1) * gap_x
    # The legend has so many inches to its left, and over it.
    before = (columns - 1) * (size[0] + gap_x) if tiled else grid_w + 0.3
    over_it = (rows - 1) * (size[1] + gap_y) if tiled else 0.0
    grid_h = max(rows * size[1] + (rows - 1) * gap_y, over_it + box.height / DPI + below)
    over = figure.text(0, 0, title, fontsize=12, fontweight="bold", color=INK)
    under = figure.text(0, 0, subtitle, fontsize=8.5, color=MUTED)
    words = max(text.get_window_extent(canvas.get_renderer()).width / DPI for text in (over, under))
    side = max(box.width / DPI, 1.0 if below else 0.0)  # A colour bar is as wide.
    width = max(left + max(before + side, grid_w) + 0.2, left + words + 0.2, 7.2)
    height = top + grid_h + bottom
    figure.set_size_inches(width, height)
    legend.set_bbox_to_anchor(((left + before) / width, 1 - (top + over_it) / height))
    over.set_position((left / width, 1 - 0.3 / height))
    under.set_position((left / width, 1 - 0.55 / height))
    axes = []
    for i in range(panels):
        x = left + (i % columns) * (size[0] + gap_x)
        y = height - top - size[1] - (i // columns) * (size[1] + gap_y)
        axes.append(figure.add_axes((x / width, y / height, size[0] / width, size[1] / height)))
    return figure, axes
