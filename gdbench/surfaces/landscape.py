"""The part of a surface that a picture shows: a frame around the paths, and the loss on a grid in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import CHUNK, Facts, values

GRID = 128
LINE = 1024
# of many weights and examples a coarser grid will do: so many products of an example with a weight take seconds
COARSEST, PRODUCTS = 32, 4e9
# weights of the points of a plane that are laid out at once
NUMBERS = 2**22
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
    each path weighing the same, with the share of variance that each component holds. Where a surface has bounds,
    beyond which no iterate comes, the frame ends there; on a plane through more weights the loss is NaN there.
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
    inside = [calm_iterates(surface, facts, x, loss, loss_start) for x, loss in paths]
    # without a minimum to look at, the box is what there is to see; of many weights its corners are far off
    seen = [np.stack([low, high])] if n <= 2 or not inside else []
    points = np.concatenate([*inside, *([facts.minimisers] if len(facts.minimisers) else seen)])
    if len(facts.minimisers):
        best = facts.minimisers[0]
        points = np.concatenate([points, best - BEYOND * (points - best)])
    if n == 1:
        u = np.linspace(*_within(surface, 0, extent(np.concatenate([points[:, 0], low, high]))), LINE)
        return {**made, "kind": "line", "u": u, "v": np.zeros(0), "loss": values(surface, u[:, None])}
    if n == 2:
        ends = (extent(points[:, i], high[i] - low[i]) for i in range(2))
        u, v = (np.linspace(*_within(surface, i, end), GRID) for i, end in enumerate(ends))
        grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        return {**made, "kind": "plane", "u": u, "v": v, "loss": values(surface, grid).reshape(GRID, GRID)}
    axes, share = _principal_axes(inside or [np.stack([low, high, surface.start_point(n)])])
    origin = facts.minimisers[0] if len(facts.minimisers) else points.mean(axis=0)
    flat = (points - origin) @ axes.T
    u, v, loss = on_plane(surface, origin, axes, [extent(flat[:, i]) for i in range(2)])
    return {**made, "kind": "pca", "u": u, "v": v, "loss": loss, "origin": origin, "axes": axes, "share": share}


def on_plane(
    surface: Surface, origin: np.ndarray, axes: np.ndarray, ends: Sequence[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates `u` and `v` between their `ends`, and the loss `[v, u]` at origin + u axes[0] + v axes[1].

    It is NaN beyond the surface's bounds.
    """
    examples = len(surface.data[0]) if surface.data and surface.data[0].ndim else 1
    side = int(np.clip(np.sqrt(PRODUCTS / (examples * len(origin))), COARSEST, GRID))
    u, v = (np.linspace(low, high, side) for low, high in ends)
    along, up = (grid.reshape(-1, 1) for grid in np.meshgrid(u, v))
    # in parts, for all the points of a large network would not fit in memory
    part = max(CHUNK, NUMBERS // len(origin) // CHUNK * CHUNK)
    spans = [slice(first, first + part) for first in range(0, side * side, part)]
    found, bounds = [], surface.bounds_of(len(origin))
    for span in spans:
        points = origin + along[span] * axes[0] + up[span] * axes[1]
        loss = values(surface, points)
        if bounds is not None:
            loss = np.where(np.all((points >= bounds[0]) & (points <= bounds[1]), axis=1), loss, np.nan)
        found.append(loss)
    return u, v, np.concatenate(found).reshape(side, side)


def _within(surface: Surface, weight: int, ends: tuple[float, float]) -> tuple[float, float]:
    """The interval `ends` of a weight, cut to its bounds."""
    bounds = surface.bounds_of(surface.dimension)
    if bounds is None:
        return ends
    low, high = max(ends[0], bounds[0][weight]), min(ends[1], bounds[1][weight])
    # bounds that hold a weight at one number leave no interval
    return (low, high) if low < high else ends


def _eigenvalues(facts: Facts) -> np.ndarray:
    """Those of the Hessian at the first minimiser, ascending `[n]`; empty where it is unknown or not finite."""
    if not len(facts.hessians) or not np.isfinite(facts.hessians[0]).all():
        return np.empty(0)
    return np.linalg.eigvalsh(facts.hessians[0])


def calm_iterates(surface: Surface, facts: Facts, path: np.ndarray, loss: np.ndarray, loss_start: float) -> np.ndarray:
    """The iterates that set the frame: not wildly high, and not more than a box's width outside the box.

    Of many weights some always leave their box: there the height alone decides.
    """
    low, high = surface.box_bounds(surface.dimension)
    width = high - low if path.shape[1] <= 2 else np.inf
    f_star = facts.f_star
    floor = f_star if np.isfinite(f_star) else float(np.min(loss, where=np.isfinite(loss), initial=loss_start))
    with np.errstate(invalid="ignore"):
        kept = np.all(np.isfinite(path) & (path >= low - width) & (path <= high + width), axis=1)
        kept &= loss - floor <= WILD * max(loss_start - floor, 0)
    kept[0] = True
    return path[kept]


def extent(numbers: np.ndarray, least: float = 0.0) -> tuple[float, float]:
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
