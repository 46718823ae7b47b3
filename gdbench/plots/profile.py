"""profile.png: Dolan and More's performance profile over all surfaces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from gdbench.plots.style import GRID, handle, human, log_ticks, names, page, set_ticks, style_of
from gdbench.statistics import performance_profile


def figures(table: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """`profile.png`, if there are at least two surfaces and two solvers."""
    surfaces, solvers = names(table, "surface"), names(table, "solver")
    if len(surfaces) < 2 or len(solvers) < 2 or "steps_to_target" not in table.columns:
        return
    steps = pd.to_numeric(table["steps_to_target"], errors="coerce").astype(float).fillna(np.inf)
    frame = table[["surface", "solver"]].astype(str).assign(steps=steps)
    times = frame.pivot_table(index="surface", columns="solver", values="steps", aggfunc="min")
    profile = performance_profile(times.reindex(index=surfaces, columns=solvers))
    # The best at once comes first; then who solves most in the end.
    ranked = sorted(solvers, key=lambda solver: (-profile[solver].iloc[0], -profile[solver].iloc[-1]))
    entries = []
    for solver in ranked:
        fastest, solved = (round(profile[solver].iloc[i] * len(surfaces)) for i in (0, -1))
        entries.append((handle(solver), f"{solver}\nfastest on {fastest}, solves {solved} of {len(surfaces)}"))
    figure, (axes,) = page(
        1,
        (5.4, 4.0),
        entries,
        f"Performance profile over {len(surfaces)} surfaces",
        "share of surfaces that a solver solves within so many times the steps of the fastest; higher is better",
        grows=True,
    )
    last = max(float(profile.index[-1]), 1.6) * 1.25
    for rank, solver in enumerate(ranked):
        style = style_of(solver)
        x = np.append(profile.index.to_numpy(), last)
        y = np.append(profile[solver].to_numpy(), profile[solver].iloc[-1])
        jumps = np.flatnonzero(np.diff(y, prepend=0.0) > 0)
        # The later a line the thinner it is, so that curves that coincide all show.
        axes.plot(
            x,
            y,
            drawstyle="steps-post",
            color=style.colour,
            linestyle=style.dashes,
            clip_on=False,
            zorder=3,
            linewidth=1.2 + 2.0 * (1 - rank / max(len(ranked) - 1, 1)),
            marker=style.marker,
            markersize=style.size(6),
            markeredgecolor="white",
            markeredgewidth=0.6,
            markevery=list(jumps),
        )
    axes.set_xscale("log")
    axes.set_xlim(1.0, last)
    powers = 2.0 ** np.arange(0, np.log2(last) + 1e-9)
    set_ticks(axes.xaxis, powers if len(powers) <= 8 else log_ticks(1.0, last))
    axes.set_ylim(0, 1.0)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{human(100 * share)} %"))
    axes.grid(**GRID)
    axes.set_xlabel("ratio to the fastest solver's steps")
    axes.set_ylabel("share of surfaces solved")
    yield "profile.png", figure
