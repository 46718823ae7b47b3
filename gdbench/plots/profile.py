"""profile.png and data_profile.png: the share of problems that a solver solves, by Dolan and More, More and Wild."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.figure import Figure

from gdbench.columns import PROBLEM
from gdbench.plots.share_curves import noun, share_figure
from gdbench.plots.style import names, only
from gdbench.results.statistics import performance_profile, steps_of


def figures(table: pd.DataFrame, summaries: Mapping[str, pd.DataFrame] | None = None) -> Iterator[tuple[str, Figure]]:
    """Draw `profile.png`, and with a summary `data_profile.png`, if there are at least two problems and two solvers.

    Without the summary's frame `profile` (see `results.statistics.summaries`) the profile is that of the table's
    medians, and has no bands.
    """
    problems, name = len(names(table, PROBLEM)), noun(table)
    if problems < 2 or len(names(table, "solver")) < 2 or "steps_to_target" not in table.columns:
        return
    frames = summaries or {}
    profile = frames["profile"] if "profile" in frames else _of_table(table)
    solvers = names(profile, "solver")
    counts = {solver: _ends(profile, solver, problems) for solver in solvers}
    # The best at once comes first; then who solves most in the end.
    ranked = sorted(solvers, key=lambda solver: (-counts[solver][0], -counts[solver][1]))
    yield (
        "profile.png",
        share_figure(
            profile,
            "ratio",
            ranked,
            lambda solver, _: f"fastest on {counts[solver][0]}, solves {counts[solver][1]} of {problems}",
            f"Performance profile over {problems} {name}",
            f"share of {name} that a solver solves within so many times the steps of the fastest; higher is better",
            ("ratio to the fastest solver's steps", f"share of {name} solved"),
        ),
    )
    data = frames.get("data_profile", pd.DataFrame())
    if data.empty:
        return
    areas = data.groupby("solver")["share"].mean()
    ranked = sorted(solvers, key=lambda solver: -areas[solver])
    yield (
        "data_profile.png",
        share_figure(
            data,
            "budget",
            ranked,
            lambda solver, _: f"solves {_ends(data, solver, problems)[1]} of {problems}",
            f"Data profile over {problems} {name}",
            f"share of {name} that a solver solves within a budget, whatever the others need; higher is better",
            ("evaluations of loss and gradient / (dimension + 1)", f"share of {name} solved"),
        ),
    )


def _of_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the profile of a table's medians: solver, ratio, share."""
    frame = table[[PROBLEM, "solver"]].astype(str).assign(steps=steps_of(table, "steps_to_target"))
    times = frame.pivot_table(index=PROBLEM, columns="solver", values="steps", aggfunc="min")
    times = times.reindex(index=names(table, PROBLEM), columns=names(table, "solver"))
    return performance_profile(times).reset_index().melt(id_vars="ratio", var_name="solver", value_name="share")


def _ends(profile: pd.DataFrame, solver: str, problems: int) -> tuple[int, int]:
    """Count how many problems a solver has solved where its curve begins and where it ends."""
    shares = only(profile, "solver", solver)["share"].to_numpy()
    return round(shares[0] * problems), round(shares[-1] * problems)
