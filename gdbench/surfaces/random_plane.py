"""Sample the loss on a plane of two random directions, scaled filter by filter to the weights in the middle.

Li, Xu, Taylor, Studer and Goldstein 2018, Visualizing the Loss Landscape of Neural Nets, arXiv:1712.09913, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import Facts
from gdbench.surfaces.landscape import Landscape, calm_iterates, extent, on_plane

# This keeps the directions apart from other draws with the same seed.
STREAM = 0xD12
# Weights shorter than this share of the way to them set no scale: a minimiser at 0 only means where the origin is.
NEAR_ZERO = 1e-2
FILTERS = "norm of each filter"


def random_directions(
    centre: Float[np.ndarray, "n"], filters: Int[np.ndarray, "n"], seed: int
) -> Float[np.ndarray, "2 n"]:
    """Draw two Gaussian directions and rescale every filter: d ← d |θ| / |d|, θ the same filter of `centre`.

    filters : the number of every weight's filter; at -1, for biases, the direction is 0, as in the authors' code. With
    biases in a filter, a network with rescaled layers that computes the same would get another picture. As there, the
    directions are not made orthogonal; along a filter of one weight both are ± that weight.
    """
    directions = np.random.default_rng([seed, STREAM]).standard_normal((2, len(centre)))
    moved = filters >= 0
    numbers = np.unique(filters[moved], return_inverse=True)[1]  # the filters without gaps
    directions[:, ~moved] = 0.0
    length = np.sqrt(np.bincount(numbers, centre[moved] ** 2))
    for direction in directions:
        drawn = np.sqrt(np.bincount(numbers, direction[moved] ** 2))
        direction[moved] *= (length / np.where(drawn > 0, drawn, 1.0))[numbers]
    return directions


def dual_of(axes: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, "2 n"]:
    """Return the basis that gives coordinates by least squares, (x - origin) @ dual.T, for any two `axes`."""
    return np.linalg.solve(axes @ axes.T, axes)


# A run that falls without end may be so far away that its distance overflows: then there is no plane.
@np.errstate(over="ignore", invalid="ignore")
def random_plane_of(
    surface: Surface, facts: Facts, paths: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, loss_start: float
) -> Landscape:
    """Compute what the picture of a random plane needs, by `random_NAME`; nothing if there is no such plane.

    The plane lies around `origin`, the end of the path that ends lowest (the first of equals). If every path ends
    higher than it starts, there is no such plane.
    `u`, `v`, `loss`, `axes` as in `landscape_of`; the frame is -1 to 1, as in the paper, or more where a path needs it.
    `share` : the share of the variance of all iterates about the origin that lies in the plane, each path weighing the
    same. `unit` : the length that a coordinate of 1 stands for.
    """
    arrived = [bool(np.isfinite([*x[-1], loss[-1]]).all() and loss[-1] <= loss[0]) for x, loss in paths]
    if surface.dimension <= 2 or not any(arrived):
        return {}
    ends = np.where(arrived, [loss[-1] for _, loss in paths], np.inf)
    origin = np.asarray(paths[int(ends.argmin())][0][-1], dtype=np.float64)
    moves = [calm_iterates(surface, facts, x, loss, loss_start) - origin for x, loss in paths]
    reach = max(float(np.linalg.norm(move, axis=1).max()) for move in moves)
    filters, unit = surface.filter_numbers(), FILTERS if surface.filters is not None else "norm of the weights"
    axes = random_directions(origin, filters, seed)
    length = np.linalg.norm(origin[filters >= 0])
    if length <= NEAR_ZERO * reach:
        spread = np.where(filters >= 0, reach / np.sqrt(max((filters >= 0).sum(), 1)), 0.0)
        axes, unit = random_directions(spread, np.minimum(filters, 0), seed), "distance to the farthest iterate"
    gram = axes @ axes.T
    # a single filter of one weight has no second direction
    if not np.linalg.det(gram) > 1e-6 * gram[0, 0] * gram[1, 1]:
        return {}
    flat = [move @ dual_of(axes).T for move in moves]
    held = sum(np.einsum("ki,ij,kj->", part, gram, part) / len(part) for part in flat)
    total = sum(np.einsum("ki,ki->", move, move) / len(move) for move in moves)
    u, v, loss = on_plane(surface, origin, axes, [_frame(np.concatenate([p[:, i] for p in flat])) for i in range(2)])
    share = float(held / total) if total > 0 else 1.0
    picture = {"u": u, "v": v, "loss": loss, "origin": origin, "axes": axes, "share": share, "unit": unit}
    return {f"random_{name}": value for name, value in picture.items()}


def _frame(coordinates: np.ndarray) -> tuple[float, float]:
    """Return -1 to 1, and more where `coordinates` leave it."""
    low, high = extent(np.append(coordinates, [-1.0, 1.0]))
    return (low if coordinates.min() < -1 else -1.0), (high if coordinates.max() > 1 else 1.0)
