"""Sample the part of a surface that a picture shows: a frame around the paths, and the loss on a grid in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import CHUNK, Facts, values

GRID = 128
LINE = 1024
# A grid takes at most PRODUCTS products of an example with a weight, which take seconds: with many it is coarser.
COARSEST, PRODUCTS = 32, 4e9
# The points that are laid out at once have at most this many weights in all.
NUMBERS = 2**22
MARGIN = 0.08
# A frame goes beyond a minimiser by this share of the distance from which paths come, so that contours close.
BEYOND = 0.4
# An iterate this many times higher above the minimum than the start does not set the frame.
WILD = 4.0

Landscape = dict[str, Any]


def landscape_of(
    surface: Surface, facts: Facts, paths: Sequence[tuple[np.ndarray, np.ndarray]], loss_start: float
) -> Landscape:
    """Compute what a picture of `surface` needs: axes, loss on a grid, minimisers, eigenvalues at the first one.

    `paths` are iterates `[steps + 1, n]` with their losses `[steps + 1]`. One weight makes a "line", two a "plane".
    More make "pca": the plane through the best minimiser along the two largest principal components of all iterates,
    each path weighing the same, with the share of variance that each component holds. If the surface has bounds,
    which no iterate passes, the frame ends there; on a plane through more weights the loss is NaN beyond them.
    """
    n = surface.dimension
    low, high = surface.box_bounds(n)
    common: Landscape = {
        "dimension": n,
        "minimisers": facts.minimisers,
        "minimum_loss": facts.minimum_losses,
        "f_star": facts.f_star,
        "eigenvalues": _eigenvalues(facts),
        "loss_start": float(loss_start),
        "labels": surface.axis_labels(n),
    }
    inside = [calm_iterates(surface, facts, x, loss, loss_start) for x, loss in paths]
    # without a minimum the box is shown; with many weights its corners are far away
    corners = [np.stack([low, high])] if n <= 2 or not inside else []
    points = np.concatenate([*inside, *([facts.minimisers] if len(facts.minimisers) else corners)])
    if len(facts.minimisers):
        best = facts.minimisers[0]
        points = np.concatenate([points, best - BEYOND * (points - best)])
    if n == 1:
        u = np.linspace(*_within(surface, 0, extent(np.concatenate([points[:, 0], low, high]))), LINE)
        return {**common, "kind": "line", "u": u, "v": np.zeros(0), "loss": values(surface, u[:, None])}
    if n == 2:
        ends = (extent(points[:, i], high[i] - low[i]) for i in range(2))
        u, v = (np.linspace(*_within(surface, i, end), GRID) for i, end in enumerate(ends))
        grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        return {**common, "kind": "plane", "u": u, "v": v, "loss": values(surface, grid).reshape(GRID, GRID)}
    axes, share = _principal_axes(inside or [np.stack([low, high, surface.start_point(n)])])
    origin = facts.minimisers[0] if len(facts.minimisers) else points.mean(axis=0)
    flat = (points - origin) @ axes.T
    u, v, loss = on_plane(surface, origin, axes, [extent(flat[:, i]) for i in range(2)])
    return {**common, "kind": "pca", "u": u, "v": v, "loss": loss, "origin": origin, "axes": axes, "share": share}


def on_plane(
    surface: Surface,
    origin: Float[np.ndarray, "n"],
    axes: Float[np.ndarray, "2 n"],
    ends: Sequence[tuple[float, float]],
) -> tuple[Float[np.ndarray, "u"], Float[np.ndarray, "v"], Float[np.ndarray, "v u"]]:
    """Return coordinates `u` and `v` between their `ends`, and the loss at origin + u axes[0] + v axes[1].

    The loss is NaN beyond the surface's bounds.
    """
    examples = len(surface.data[0]) if surface.data and surface.data[0].ndim else 1
    side = int(np.clip(np.sqrt(PRODUCTS / (examples * len(origin))), COARSEST, GRID))
    u, v = (np.linspace(low, high, side) for low, high in ends)
    along, up = (grid.reshape(-1, 1) for grid in np.meshgrid(u, v))
    # all the points of a large network at once would not fit in memory
    part = max(CHUNK, NUMBERS // len(origin) // CHUNK * CHUNK)
    spans = [slice(first, first + part) for first in range(0, side * side, part)]
    losses, bounds = [], surface.bounds_of(len(origin))
    for span in spans:
        points = origin + along[span] * axes[0] + up[span] * axes[1]
        loss = values(surface, points)
        if bounds is not None:
            loss = np.where(np.all((points >= bounds[0]) & (points <= bounds[1]), axis=1), loss, np.nan)
        losses.append(loss)
    return u, v, np.concatenate(losses).reshape(side, side)


def _within(surface: Surface, weight: int, ends: tuple[float, float]) -> tuple[float, float]:
    """Cut the interval `ends` of a weight to its bounds."""
    bounds = surface.bounds_of(surface.dimension)
    if bounds is None:
        return ends
    low, high = max(ends[0], bounds[0][weight]), min(ends[1], bounds[1][weight])
    # bounds that hold a weight at one number leave no interval
    return (low, high) if low < high else ends


def _eigenvalues(facts: Facts) -> Float[np.ndarray, "n"]:
    """Return those of the Hessian at the first minimiser, ascending; none if it is unknown or not finite."""
    if not len(facts.hessians) or not np.isfinite(facts.hessians[0]).all():
        return np.empty(0)
    return np.linalg.eigvalsh(facts.hessians[0])


def calm_iterates(
    surface: Surface,
    facts: Facts,
    path: Float[np.ndarray, "steps n"],
    loss: Float[np.ndarray, "steps"],
    loss_start: float,
) -> Float[np.ndarray, "kept n"]:
    """Return the iterates that set the frame: not wildly high, and not more than a box's width outside the box.

    With more than two weights some always leave their box, so that the height alone decides.
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


def extent(numbers: Float[np.ndarray, "k"], least: float = 0.0) -> tuple[float, float]:
    """Return an interval around `numbers` with a margin, at least a fifth of `least` wide, so that ravines fit in."""
    low, high = float(numbers.min()), float(numbers.max())
    width = max(high - low, 0.2 * least, 1e-9 * (1 + abs(low)))
    middle = (low + high) / 2
    half = width * (0.5 + MARGIN)
    return middle - half, middle + half


def _principal_axes(
    paths: Sequence[Float[np.ndarray, "steps n"]],
) -> tuple[Float[np.ndarray, "2 n"], Float[np.ndarray, "2"]]:
    """Return two orthonormal directions, and the share of variance that the iterates have along each."""
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
