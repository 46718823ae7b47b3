"""comparison.png: how many times the steps the second result takes, a row per surface and solver."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.columns import PROBLEM
from gdbench.formatting import human
from gdbench.plots.style import GRID, INK, MUTED, log_ticks, look, names, only, page, set_ticks, sign, style_of
from gdbench.results.verdicts import APART, BETTER, SAME, VERDICTS, WORSE

# The height of a row, the width of the plot and that of the words, in inches.
ROW, PLOT, WORDS = 0.21, 4.3, 2.3
# Beyond so many rows, those without a difference are left to comparison.csv.
MOST = 120
VERDICT_COLOURS = {WORSE: "#b33c00", BETTER: "#00704f"}


def figure(frame: pd.DataFrame, a_name: str, b_name: str) -> Figure:
    """Draw a forest plot of the ratio of steps, b over a, on a log axis, with its interval, grouped by surface.

    `frame` as `compare_results` gives it. A filled marker is a difference, an open one none that could be shown; a
    ratio of 0 or infinity, where one side fails, stands at the edge as an arrow.
    """
    counts = frame["verdict"].value_counts()
    verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if name in counts)
    rows = _most_telling(frame)
    problems = names(rows, PROBLEM)
    lines = len(rows) + len(problems)
    subtitle = "median ratio of the steps of two runs from the same start; a failed run counts as infinite"
    if len(rows) < len(frame):
        subtitle += f"; {len(rows)} of {len(frame)} rows, differences before others"
    left = 0.75 + 0.062 * max(len(name) for name in names(rows, "solver"))
    with look(), np.errstate(all="ignore"):
        drawn, (axes,) = page(
            1,
            (PLOT + WORDS, ROW * lines + 0.15),
            _legend(rows, a_name, b_name),
            f"{b_name} against {a_name}: {verdicts}",
            subtitle,
            left=left,
            above=0.45 if lines > 25 else 0.2,
        )
        box = axes.get_position()
        inch = box.width / (PLOT + WORDS)
        axes.set_position((box.x0, box.y0, PLOT * inch, box.height))
        _scale(axes, rows, lines)
        _directions(axes, lines)
        axes.set_xlabel(f"steps in {b_name} / steps in {a_name}")
        line = 0
        for problem in problems:
            start = -(left - 0.25) / PLOT
            patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            axes.text(
                start,
                line,
                problem,
                transform=axes.get_yaxis_transform(),
                va="center",
                fontweight="bold",
                color=INK,
                bbox=patch,
            )
            for row in only(rows, PROBLEM, problem).to_dict("records"):
                line += 1
                _draw_row(axes, line, row)
            line += 1
    return drawn


def _most_telling(frame: pd.DataFrame) -> pd.DataFrame:
    """Return all rows, or of many at most `MOST`: differences before others, identical and one-sided ones never."""
    if len(frame) <= MOST:
        return frame
    rank = frame["verdict"].map({WORSE: 0, BETTER: 0, SAME: 2, APART: 3}).fillna(1)
    rank = rank[rank < 2] if (rank < 2).any() else rank
    return frame.loc[rank.sort_values(kind="stable").index[:MOST].sort_values()]


def _scale(axes: Axes, frame: pd.DataFrame, lines: int) -> None:
    """Draw a log axis with room for every finite ratio and interval, and for an arrow at either edge."""
    values = frame[["ratio", "ratio_low", "ratio_high"]].to_numpy(dtype=float).ravel()
    values = np.append(values[np.isfinite(values) & (values > 0)], [0.5, 2.0])
    low, high = values.min(), values.max()
    room = (high / low) ** 0.08
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    axes.set_ylim(lines - 0.4, -0.6)
    set_ticks(axes.xaxis, log_ticks(low, high))
    set_ticks(axes.yaxis, [])
    axes.grid(axis="x", **GRID)
    axes.axvline(1.0, color=INK, linewidth=0.9, zorder=1.5)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _directions(axes: Axes, lines: int) -> None:
    """Say which side of 1 is which, above the rows; where they are many, the ticks there too."""
    many = lines > 25
    if many:
        axes.tick_params(axis="x", top=True, labeltop=True)
    for text, side, shift in (("← faster", "right", -5), ("slower →", "left", 5)):
        axes.annotate(
            text,
            (1.0, 1.0),
            (shift, 17 if many else 2),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color=MUTED,
            fontsize=8.5,
        )


def _draw_row(axes: Axes, line: int, row: Mapping[Any, Any]) -> None:
    colour = style_of(str(row["solver"])).colour
    differs = row["verdict"] in VERDICT_COLOURS
    limits = axes.get_xlim()
    places = axes.get_yaxis_transform()
    axes.text(-0.025, line, str(row["solver"]), transform=places, ha="right", va="center", color=INK, fontsize=8.5)
    ratio, *ends = (float(row[name]) for name in ("ratio", "ratio_low", "ratio_high"))
    if not math.isnan(ends[0]):
        axes.plot(np.clip(ends, *limits), [line, line], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
    for value, size in ((ends[0], 4.5), (ends[1], 4.5), (ratio, 8.5)):
        if value in (0.0, math.inf):
            arrow = sign(">" if value else "<", colour, colour if differs else "white", size)
            arrow.set(transform=places, markeredgewidth=1.3, zorder=3)
            arrow.set_data([0.985 if value else 0.015], [line])
            axes.add_line(arrow)
    if 0 < ratio < math.inf:
        marker = sign("o", colour, colour if differs else "white")
        marker.set(markeredgewidth=1.3, zorder=3)
        marker.set_data([ratio], [line])
        axes.add_line(marker)
    ink, weight = VERDICT_COLOURS.get(row["verdict"], MUTED), "bold" if differs else "normal"
    axes.text(1.03, line, _words(row), transform=places, va="center", color=ink, fontsize=8.5, fontweight=weight)


def _words(row: Mapping[Any, Any]) -> str:
    """Write the verdict, and the figures that it rests on."""
    verdict, ratio = str(row["verdict"]), float(row["ratio"])
    if verdict == APART:
        return str(row["reason"])
    if verdict == SAME:
        return f"{verdict}: neither reaches the target" if math.isnan(ratio) else verdict
    if math.isnan(ratio):
        return f"{verdict}: gap {human(row['gap_b'], 2)}, was {human(row['gap_a'], 2)}"
    if row["decided_by"] == "success" or ratio in (0.0, math.inf):
        lost = row["lost"] > row["won"]
        return f"{verdict}: target {'lost' if lost else 'won'} in {row['lost' if lost else 'won']} of {row['pairs']}"
    return f"{verdict}: {human(ratio)} × the steps"


def _legend(frame: pd.DataFrame, a_name: str, b_name: str) -> list[tuple[Line2D, str]]:
    """Explain the signs, as far as they occur."""
    differs = frame["verdict"].isin([*VERDICT_COLOURS])
    entries = []
    if differs.any():
        entries.append((sign("o"), "better or worse:\np < 0.05, corrected\nfor all tests"))
    if (~differs & frame["ratio"].notna()).any():
        entries.append((sign("o", INK, "white"), "no difference shown,\nor no test"))
    if frame["ratio_low"].notna().any():
        entries.append((Line2D([], [], color=INK, linewidth=1.6), "95 % bootstrap interval"))
    edges = frame[["ratio", "ratio_low", "ratio_high"]].to_numpy(dtype=float)
    if np.isinf(edges).any():
        entries.append((sign(">", size=9), f"infinite: {b_name} fails\nwhere {a_name} arrives"))
    if (edges == 0).any():
        entries.append((sign("<", size=9), f"zero: {a_name} fails\nwhere {b_name} arrives"))
    return entries
