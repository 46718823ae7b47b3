"""The drawn runs as points in the frame of their panel: read, cut to the frame, their markers spaced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import PROBLEM
from gdbench.plots.contours import Ground, ground_of
from gdbench.plots.style import only
from gdbench.results.selection import chosen_runs
from gdbench.results.statistics import floats

CALMEST = 0.3
# A path has at most so many markers.
MARKS = 12
# This many half widths out, pulling a point in no longer bends the line that leaves the frame.
FAR = 1e4
# A path that would fill its panel is drawn for so many steps.
ENDLESS = 100
# More paths than about this hide each other in one panel.
PATHS = 18
# Up to so many solvers have marks at round distances of their own; more have them all at the same few steps.
CROWD = 12


@dataclass(frozen=True)
class Track:
    """One drawn run: its row of the frame `runs`, its points in the frame of the panel `[k, 2]`, their steps `[k]`."""

    solver: str
    run: pd.Series
    points: np.ndarray
    steps: np.ndarray
    stride: int  # Steps between markers, the same for all starts of a solver; 0: at 1, 10, 100, .. steps.

    @property
    def status(self) -> str:
        """The run's status, empty where none is known."""
        return str(self.run.get("status", ""))

    def number(self, column: str) -> float:
        """Return a cell of the run's row; NaN where it is empty or absent."""
        return float(pd.to_numeric(pd.Series([self.run.get(column)]), errors="coerce").astype(float).iloc[0])

    @property
    def marked(self) -> np.ndarray:
        """The rows that carry a marker: every `stride` steps, or the next one kept of a long path that was thinned."""
        last = self.steps[-1]
        steps = np.arange(0, last + 1, self.stride) if self.stride else 10.0 ** np.arange(np.log10(max(last, 1)) + 1e-9)
        return np.unique(np.searchsorted(self.steps, steps[steps <= last]))


def scenes_of(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    trajectory: pd.DataFrame,
    contours: Mapping[str, Mapping[str, Any]],
    problems: Sequence[str],
) -> dict[str, tuple[Ground, list[Track], pd.DataFrame]]:
    """Return by problem its frame, the drawn runs in it, and the rows of all runs that the table speaks of.

    Those are at the chosen settings, from the starts that are reported.
    """
    if all({PROBLEM, "solver"} <= {*frame.columns} for frame in (runs, table)):
        runs = chosen_runs(runs, table)
    by_run = dict(iter(trajectory.groupby("run", sort=False))) if "run" in trajectory.columns else {}
    parts = {name: only(runs, PROBLEM, name) for name in problems}
    return {name: (*scene_of(contours.get(name, {}), rows, by_run), rows) for name, rows in parts.items()}


def scene_of(
    surface: Mapping[str, Any], rows: pd.DataFrame, by_run: Mapping[Any, pd.DataFrame]
) -> tuple[Ground, list[Track]]:
    """Return the frame of a surface and the drawn runs in it, longest first so that short paths stay on top."""
    raw = []
    dimension = int(surface.get("dimension", 0))
    drawn = rows[rows["run"].isin(list(by_run))] if "run" in rows.columns else rows.iloc[:0]
    if len(drawn):
        drawn = drawn.groupby("solver", sort=False).head(max(3, PATHS // drawn["solver"].nunique()))
    for _, run in drawn.iterrows():
        path = by_run[run["run"]]
        columns = sorted((name for name in path.columns if re.fullmatch(r"x\d+", name)), key=lambda name: int(name[1:]))
        x = np.column_stack([floats(path, name) for name in columns]) if columns else np.empty((len(path), 0))
        used = dimension or int(np.isfinite(x).any(axis=0).sum())
        if used and x.shape[1] >= used:
            raw.append((run, x[:, :used], floats(path, "loss"), floats(path, "step")))
    # Without contours, runs of one surface may still differ in width when the first ones diverged at once.
    raw = [item for item in raw if item[1].shape[1] == raw[0][1].shape[1]]
    points = np.concatenate([item[1] for item in raw]) if raw else np.empty((0, dimension or 2))
    ground = ground_of(surface, points, np.concatenate([np.empty(0), *(loss for _, _, loss, _ in raw)]))
    longest: dict[str, float] = {}
    for run, _, _, steps in raw:
        longest[str(run.get("solver"))] = max(longest.get(str(run.get("solver")), 1.0), float(np.nanmax(steps)))
    strides = {solver: 0 if len(longest) > CROWD else stride_of(steps) for solver, steps in longest.items()}
    tracks = [
        Track(solver := str(run.get("solver")), run, ground.place(x, loss), steps, strides[solver])
        for run, x, loss, steps in raw
    ]
    return ground, sorted(tracks, key=lambda track: -len(track.steps))


def stride_of(steps: float) -> int:
    """Return steps between two markers: 1, 2 or 5 times a power of ten, with at most MARKS markers on the path."""
    stride = 1
    while steps / stride > MARKS:
        stride = stride * 5 // 2 if str(stride)[0] == "2" else stride * 2
    return stride


def inside(points: np.ndarray, ground: Ground) -> np.ndarray:
    """Find which points `[k, 2]` lie in the frame; one that is not finite does not."""
    return np.all((points >= ground.low) & (points <= ground.high), axis=-1)


def within_reach(points: np.ndarray, ground: Ground) -> np.ndarray:
    """Return the path with far points pulled near the frame and cut where both ends are far outside.

    A diverged path reaches 1e300, which overflows in the renderer; and its swings would hatch the whole panel.
    """
    reach = _reach(points, ground)
    cut = np.flatnonzero((reach[:-1] > 2) & (reach[1:] > 2)) + 1
    return np.insert(pulled_in(points, ground), cut, np.nan, axis=0)


def pulled_in(points: np.ndarray, ground: Ground) -> np.ndarray:
    """Pull far points of `[k, 2]` in towards the middle of the frame, to FAR half widths; NaN stays."""
    centre = (ground.low + ground.high) / 2
    shrunk = FAR / np.maximum(_reach(points, ground), FAR)
    return centre + (np.where(np.isfinite(points), points, np.nan) - centre) * shrunk[:, None]


def _reach(points: np.ndarray, ground: Ground) -> np.ndarray:
    """Measure how far points `[k, 2]` are from the frame's middle, in half widths; NaN for one that is not finite."""
    centre, half = (ground.low + ground.high) / 2, (ground.high - ground.low) / 2
    offset = (np.where(np.isfinite(points), points, np.nan) - centre) / half
    return np.abs(offset).max(axis=1)


def calmness(points: np.ndarray, ground: Ground) -> float:
    """Decide how boldly to draw a path: 1 for up to ten widths of the frame, down to 0.3 for one that fills it."""
    moves = np.diff(np.clip(points, ground.low, ground.high), axis=0) / (ground.high - ground.low)
    length = float(np.nansum(np.hypot(*moves.T)))
    return float(np.clip(np.sqrt(10 / max(length, 1e-9)), CALMEST, 1.0))


def exit_of(points: np.ndarray, ground: Ground) -> np.ndarray | None:
    """Find where a path crosses the edge for the last time, or its last inner point when no finite one follows."""
    held = np.flatnonzero(inside(points, ground))
    if not len(held):
        return None
    here, there = points[held[-1]], points[held[-1] + 1]
    if not np.isfinite(there).all():
        return here
    move = there - here
    room = np.where(move > 0, ground.high - here, ground.low - here)
    share = np.divide(room, move, out=np.ones(2), where=move != 0).min()
    return here + move * min(float(share), 1.0)


def leaves(track: Track, ground: Ground) -> bool:
    """Decide whether the path ends outside the frame."""
    return not bool(inside(track.points[-1], ground))


def solvers_of(tracks: Sequence[Track]) -> set[str]:
    """Return the solvers that have a path."""
    return {track.solver for track in tracks}
