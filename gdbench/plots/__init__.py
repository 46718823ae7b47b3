"""Pictures of a result: frames in, PNG files out. Drawing never computes a result and never imports jax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gdbench.plots import (
    batches,
    convergence,
    ecdf,
    grid,
    heatmap,
    learning,
    plane,
    profile,
    regions,
    sensitivity,
    trajectory,
    tuning,
)
from gdbench.plots.files import save
from gdbench.plots.style import look
from gdbench.results.folder import Frames


def figures(frames: Frames) -> dict[str, Figure]:
    """Draw the pictures by file name, as `draw` writes them."""
    with look(), np.errstate(all="ignore"):
        return dict(_figures(frames))


def draw(frames: Frames, folder: Path, axes: tuple[str, str] | None = None) -> list[Path]:
    """Write every picture that the frames allow into `folder` and return the files, `trajectory.png` first.

    `axes` names the two settings of the heat maps; without it they are the learning rate and the most telling other.

    `trajectory.png` and `convergence.png` always (and `trajectory-NAME.png` for each of several surfaces),
    `plane.png` (and `plane-NAME.png`) of surfaces of more than two weights,
    `learning.png` where a model predicts or examples are held out, `regions.png` where it tells classes apart by two
    inputs (and `regions-NAME.png` for each of several such surfaces),
    `batches.png` when runs on a surface of one weight differ in their batch size, `sensitivity.png` when a solver ran
    at several learning rates, `heatmap.png` and `heatmap-SURFACE-SOLVER.png` when one ran at four values or more of two
    settings, `grid.png` and `profile.png` for at least two surfaces and solvers.
    With `frames.summaries` (of `results.statistics.summaries`, and `expected_best`) also `data_profile.png`, `ecdf.png`
    and `tuning.png`, and bands.
    """
    # Diverged runs bring infinities into every difference and logarithm; they are dropped where points are drawn.
    with look(), np.errstate(all="ignore"):
        return [save(figure, Path(folder) / file) for file, figure in _figures(frames, axes)]


def draw_surface(
    name: str, formula: str, contours: Mapping[str, Any], start: np.ndarray, loss_start: float, file: Path
) -> Path:
    """Write a picture of one surface alone: its contours or curve, its start `[n]` and its minimisers."""
    with look(), np.errstate(all="ignore"):
        return save(trajectory.surface_figure(name, formula, contours, start, loss_start), Path(file))


def _figures(frames: Frames, axes: tuple[str, str] | None = None) -> Iterator[tuple[str, Figure]]:
    """Yield one figure at a time: dozens of surfaces would otherwise wait in memory together."""
    # An unfinished sweep has no paths yet: empty pictures would say that there is nothing to see.
    if len(frames.trajectory) or not frames.summaries:
        yield from trajectory.figures(frames.runs, frames.table, frames.trajectory, frames.contours)
        yield from plane.figures(frames.runs, frames.table, frames.trajectory, frames.contours)
        yield from convergence.figures(frames.runs, frames.table, frames.curves)
        yield from learning.figures(frames.runs, frames.table, frames.curves)
        yield from regions.figures(frames.runs, frames.contours)
        yield from batches.figures(frames.runs, frames.table, frames.trajectory, frames.contours)
    yield from sensitivity.figures(frames.runs, frames.table, frames.contours)
    yield from heatmap.figures(frames.runs, frames.table, frames.contours, axes)
    yield from grid.figures(frames.table)
    yield from profile.figures(frames.table, frames.summaries)
    yield from ecdf.figures(frames.table, frames.summaries)
    yield from tuning.figures(frames.summaries.get("expected_best", pd.DataFrame()))
