"""A panel of rising shares, a step curve per solver with its band: profiles and ECDFs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from gdbench.columns import PROBLEM
from gdbench.formatting import human
from gdbench.plots.style import GRID, MUTED, handle, log_ticks, only, page, set_ticks, style_of
from gdbench.results.statistics import floats

# So many solvers have a band each; of more, the best few do.
BANDS, FEW = 6, 3
# Those beyond the best are drawn so opaque.
FADED = 0.6
# More markers on a line would hide it.
MARKERS = 8


def share_figure(
    frame: pd.DataFrame,
    axis: str,
    ranked: Sequence[str],
    remark: Callable[[str, pd.DataFrame], str],
    title: str,
    subtitle: str,
    labels: tuple[str, str],
) -> Figure:
    """Draw the curves of a frame with the columns solver, `axis`, share and, where they are known, low and high.

    `ranked` are the solvers, best first; `remark` gives the second line of a legend entry; `labels` are those of the
    axes.
    """
    curves = {solver: only(frame, "solver", solver) for solver in ranked}
    entries = [(handle(solver), f"{solver}\n{remark(solver, curves[solver])}") for solver in ranked]
    for line, _ in entries[BANDS:]:
        line.set_alpha(FADED)
    banded = ranked if len(ranked) <= BANDS else ranked[:FEW]
    if np.isfinite(floats(frame, "low")).any():
        level = frame.attrs.get("confidence")
        text = "band: where the curve lies\n" + (f"in {human(100 * level)} % of" if level else "in most")
        text += " resamples of the runs"
        text += "" if len(banded) == len(ranked) else f",\nfor the best {FEW} only"
        entries.append((Line2D([], [], color=MUTED, alpha=0.3, linewidth=8), text))
    figure, (axes,) = page(1, (5.4, 4.0), entries, title, subtitle, grows=True)
    x = floats(frame, axis)
    first = float(x.min())
    last = 1.1 * max(float(x.max()), 1.6 * first)
    for rank, solver in enumerate(ranked):
        # The later a line the thinner it is, so that curves that coincide all show.
        width = 1.2 + 2.0 * (1 - rank / max(len(ranked) - 1, 1))
        _curve(axes, curves[solver], axis, last, width, 1.0 if rank < BANDS else FADED, solver in banded)
    axes.set_xscale("log")
    axes.set_xlim(first, last)
    powers = first * 2.0 ** np.arange(0, np.log2(last / first) + 1e-9)
    set_ticks(axes.xaxis, powers if len(powers) <= 8 and first == 1 else log_ticks(first, last))
    axes.set_ylim(0, 1.0)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{human(100 * share)} %"))
    axes.grid(**GRID)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    return figure


def _curve(axes: Axes, curve: pd.DataFrame, axis: str, last: float, width: float, alpha: float, banded: bool) -> None:
    """Draw one solver's curve, to the right edge of the panel."""
    style = style_of(str(curve["solver"].iloc[0]))
    x = np.append(floats(curve, axis), last)
    share, low, high = (
        np.append(values, values[-1:]) for values in (floats(curve, name) for name in ("share", "low", "high"))
    )
    if banded and np.isfinite(low).any():
        axes.fill_between(x, low, high, step="post", color=style.colour, alpha=0.12, linewidth=0, zorder=2)
    jumps = np.flatnonzero(np.diff(share, prepend=0.0) > 0)
    marked = jumps[np.linspace(0, len(jumps) - 1, min(len(jumps), MARKERS)).astype(int)]
    axes.plot(
        x,
        share,
        drawstyle="steps-post",
        color=style.colour,
        linestyle=style.dashes,
        clip_on=False,
        zorder=3,
        linewidth=width,
        alpha=alpha,
        marker=style.marker,
        markersize=style.size(6),
        markeredgecolor="white",
        markeredgewidth=0.6,
        markevery=list(marked),
    )


def noun(table: pd.DataFrame) -> str:
    """Return what to call a table's rows: surfaces, or problems where one surface occurs with several parameters."""
    differ = {PROBLEM, "surface"} <= {*table.columns} and (table[PROBLEM] != table["surface"]).any()
    return "problems" if differ else "surfaces"
