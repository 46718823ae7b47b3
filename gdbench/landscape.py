"""The part of a surface that a picture shows: a frame around the paths, and the loss on a grid in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gdbench.facts import Facts, values
from gdbench.surfaces.base import Surface

GRID = 128
LINE = 1024
MARGIN = 0.08
# how far beyond a minimiser a frame goes, relative to the distance from which the paths come: closes the contours
BEYOND = 0.4
# an iterate this many times higher above the minimum than the start does not set the frame
WILD = 4.0

Landscape = dict[str, Any]


def landscape_of(
    surface: Surface, facts: Facts, paths: Sequence[tuple[np.ndarray, np.ndarray]], loss_start: float
) -> Landscape:
    """What a picture of `surface` needs: axes, loss on a grid, minimisers, eigenvalues of the Hessian at the first one.

    `paths` are iterates `[steps + 1, n]` with their losses `[steps + 1]`. One weight gives a "line", two a "plane".
    More give "pca": the plane through the best minimiser along the two largest principal components of all iterates,
    each path weighing the same, with the share of variance that each component holds.
    """
    n = surface.dimension
    low, high = surface.box_bounds(n)
    made: Landscape = {
        "dimension": n,
        "minimisers": facts.minimisers,
        "minimum_loss": facts.minimum_losses,
        "f_star": facts.f_star,
        "eigenvalues": _eigenvalues(facts),
        "loss_start": float(loss_start),
        "labels": surface.axis_labels(n),
    }
    inside = [_inside(x, loss, low, high, facts.f_star, loss_start) for x, loss in paths]
    # without a minimum to look at, the box is what there is to see
    points = np.concatenate([*inside, facts.minimisers if len(facts.minimisers) else np.stack([low, high])])
    if len(facts.minimisers):
        best = facts.minimisers[0]
        points = np.concatenate([points, best - BEYOND * (points - best)])
    if n == 1:
        u = np.linspace(*_extent(np.concatenate([points[:, 0], low, high])), LINE)
        return {**made, "kind": "line", "u": u, "v": np.zeros(0), "loss": values(surface, u[:, None])}
    if n == 2:
        u, v = (np.linspace(*_extent(points[:, i], high[i] - low[i]), GRID) for i in range(2))
        grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        return {**made, "kind": "plane", "u": u, "v": v, "loss": values(surface, grid).reshape(GRID, GRID)}
    axes, share = _principal_axes(inside or [np.stack([low, high, surface.start_point(n)])])
    origin = facts.minimisers[0] if len(facts.minimisers) else points.mean(axis=0)
    flat = (points - origin) @ axes.T
    u, v = (np.linspace(*_extent(flat[:, i]), GRID) for i in range(2))
    first, second = np.meshgrid(u, v)
    grid = origin + first.reshape(-1, 1) * axes[0] + second.reshape(-1, 1) * axes[1]
    loss = values(surface, grid).reshape(GRID, GRID)
    return {**made, "kind": "pca", "u": u, "v": v, "loss": loss, "origin": origin, "axes": axes, "share": share}


def _eigenvalues(facts: Facts) -> np.ndarray:
    """Those of the Hessian at the first minimiser, ascending `[n]`; empty where it is unknown or not finite."""
    if not len(facts.hessians) or not np.isfinite(facts.hessians[0]).all():
        return np.empty(0)
    return np.linalg.eigvalsh(facts.hessians[0])


def _inside(
    path: np.ndarray, loss: np.ndarray, low: np.ndarray, high: np.ndarray, f_star: float, loss_start: float
) -> np.ndarray:
    """The iterates that set the frame: not wildly high, and not more than a box's width outside the box.

    Of many weights some always leave their box: there the height alone decides.
    """
    width = high - low if path.shape[1] <= 2 else np.inf
    floor = f_star if np.isfinite(f_star) else float(np.min(loss, where=np.isfinite(loss), initial=loss_start))
    with np.errstate(invalid="ignore"):
        kept = np.all(np.isfinite(path) & (path >= low - width) & (path <= high + width), axis=1)
        kept &= loss - floor <= WILD * max(loss_start - floor, 0)
    kept[0] = True
    return path[kept]


def _extent(numbers: np.ndarray, least: float = 0.0) -> tuple[float, float]:
    """An interval around `numbers`, with a margin; of at least a fifth of `least`, so that no ravine fills it."""
    low, high = float(numbers.min()), float(numbers.max())
    width = max(high - low, 0.2 * least, 1e-9 * (1 + abs(low)))
    middle = (low + high) / 2
    half = width * (0.5 + MARGIN)
    return middle - half, middle + half


def _principal_axes(paths: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two orthonormal directions `[2, n]` and the share of variance `[2]` that the iterates have along them."""
    weighted = np.concatenate([(path - path.mean(axis=0)) / np.sqrt(len(path)) for path in paths])
    spread = np.concatenate([[path.mean(axis=0) for path in paths]])
    weighted = np.concatenate([weighted, spread - spread.mean(axis=0)])
    _, singular, rows = np.linalg.svd(weighted, full_matrices=False)
    variance = singular**2
    axes = rows[:2]
    # an arbitrary sign would flip the picture from one machine to the next
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])
    total = variance.sum()
    return axes * signs[:, None], variance[:2] / total if total > 0 else np.zeros(2)
