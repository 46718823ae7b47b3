"""plane.png: the paths on random planes through surfaces of more than two weights (see `surfaces.random_plane`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from gdbench.columns import PROBLEM
from gdbench.plots.style import in_order, names
from gdbench.plots.trajectory import pages

PREFIX = "random_"


def figures(
    runs: pd.DataFrame, table: pd.DataFrame, trajectory: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    """Draw `plane.png`, for several surfaces that have such a plane a grid, with a `plane-NAME.png` of each."""
    planes = {name: plane_of(surface) for name, surface in contours.items() if f"{PREFIX}loss" in surface}
    if planes:
        problems = [name for name in in_order(names(table, PROBLEM), names(runs, PROBLEM), planes) if name in planes]
        yield from pages(
            "plane",
            "Paths on random planes, and the share of their variance in each",
            problems,
            runs,
            table,
            trajectory,
            planes,
        )


def plane_of(surface: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contour record of the random plane that is stored in the record of a surface."""
    plane = {name.removeprefix(PREFIX): value for name, value in surface.items() if name.startswith(PREFIX)}
    return {**surface, **plane, "kind": "random"}
