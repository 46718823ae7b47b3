"""ecdf.png: the share of all targets, from easy to hard, that a solver has met after so many steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.figure import Figure

from gdbench.columns import PROBLEM
from gdbench.formatting import human
from gdbench.plots.share_curves import noun, share_figure
from gdbench.plots.style import names


def figures(table: pd.DataFrame, summaries: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """Draw `ecdf.png`, if there is a summary's frame `ecdf` (see `gdbench.results.statistics.summaries`)."""
    ecdf = summaries.get("ecdf", pd.DataFrame())
    if ecdf.empty:
        return
    problems, name = names(table, PROBLEM), noun(table)
    # The steps are log-spaced, so that the mean is the area on the axis that is drawn.
    areas = ecdf.groupby("solver", sort=False)["share"].mean()
    ranked = [str(solver) for solver in areas.sort_values(ascending=False, kind="stable").index]
    single = len(problems) == 1
    yield (
        "ecdf.png",
        share_figure(
            ecdf,
            "steps",
            ranked,
            lambda _, curve: f"meets {human(round(100 * curve['share'].iloc[-1], 1))} % in the end",
            f"Targets met on {problems[0]}" if single else f"Targets met over {len(problems)} {name}",
            "share of the targets, from easy to hard, that the runs have met so far; higher is better"
            + ("" if single else f"; {name} weigh the same"),
            ("steps (updates)", "share of targets met, over all runs"),
        ),
    )
