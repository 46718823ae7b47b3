"""The functions that everybody tries first: Rosenbrock's and Beale's valleys, saddles, a plateau, a long valley."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface

# The second minimum is published up to this dimension.
SHANG_AND_QIU = 30


def _rosenbrock_minimisers(dimension: int, a: float, b: float) -> np.ndarray | None:
    """Return (a, a²) in two dimensions; in more, if a = 1, ones, and from four on the minimum near (-1, 1, .., 1)."""
    if dimension == 2:
        return np.array([[a, a * a]])
    if a != 1:
        return None  # the weights would have to satisfy (a - xᵢ) = 0 and xᵢ₊₁ = xᵢ² at once
    ones = np.ones(dimension)
    local = _second_rosenbrock_minimum(dimension, b) if 4 <= dimension <= SHANG_AND_QIU else None
    return ones[None] if local is None else np.stack([ones, local])


def _second_rosenbrock_minimum(dimension: int, b: float) -> np.ndarray | None:
    """Find the second minimum at a = 1 by Newton's method, made to descend, from (-1, 1, .., 1); None without one."""

    def value(x: np.ndarray) -> float:
        return float(np.sum((1 - x[:-1]) ** 2 + b * (x[1:] - x[:-1] ** 2) ** 2))

    x = np.append(-1.0, np.ones(dimension - 1))
    for _ in range(300):
        bend = x[1:] - x[:-1] ** 2
        gradient = np.append(-2 * (1 - x[:-1]) - 4 * b * x[:-1] * bend, 0.0) + 2 * b * np.append(0.0, bend)
        diagonal = np.append(2 + 12 * b * x[:-1] ** 2 - 4 * b * x[1:], 0.0) + 2 * b * (np.arange(dimension) > 0)
        beside = -4 * b * x[:-1]
        curvatures, axes = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        step = axes @ (axes.T @ gradient / np.abs(curvatures))
        if np.linalg.norm(step) < 1e-15 * np.linalg.norm(x):
            break
        # nearer than this the loss is too coarse to judge a step
        while np.linalg.norm(step) > 1e-7 and value(x - step) > value(x):
            step = step / 2
        x = x - step
    is_minimum = x[0] < 0 and np.linalg.norm(gradient) < 1e-12 * (1 + b) and curvatures[0] > 0
    return x if is_minimum else None


@surface(
    start=lambda n: np.resize((-1.2, 1.0), n),
    minimisers=_rosenbrock_minimisers,
    limits={"b": (0.0, float("inf"))},
    box=(lambda n: (-2.0, -1.0) if n == 2 else -2.0, lambda n: (2.0, 3.0) if n == 2 else 2.0),
    any_dimension=True,
    dimensions=range(2, sys.maxsize),
    formula="Σ (a - xᵢ)² + b (xᵢ₊₁ - xᵢ²)²,  i < n",
    source="Rosenbrock 1960, doi:10.1093/comjnl/3.3.175; its minima in more dimensions: Shang and Qiu 2006, "
    "doi:10.1162/evco.2006.14.1.119",
    note="A bent valley: easy to find, hard to follow. From four weights on, a second minimum near (-1, 1, .., 1).",
)
def rosenbrock(x: Float[Array, "n"], *, a: float = 1.0, b: float = 100.0) -> Float[Array, ""]:
    """Rosenbrock's bent valley."""
    if x.shape[0] == 2:  # plain numbers: there is no array to reduce
        return (a - x[0]) ** 2 + b * (x[1] - x[0] ** 2) ** 2
    return jnp.sum((a - x[:-1]) ** 2 + b * (x[1:] - x[:-1] ** 2) ** 2)


@surface(
    # The start is on the wall above the bend, from where momentum overshoots and rates per weight head for the minimum
    start=(1.0, 1.5),
    minimisers=[(3.0, 0.5)],
    box=(-4.5, 4.5),
    formula="(1.5 - x0 + x0 x1)² + (2.25 - x0 + x0 x1²)² + (2.625 - x0 + x0 x1³)²",
    source="Beale 1958, Princeton University, Statistical Techniques Research Group, technical report 25; problem 5 "
    "of Moré, Garbow and Hillstrom 1981, doi:10.1145/355934.355936",
    note="A second valley runs to x0 = -∞ along x1 = 1, down to 0.452 = 14.203 - 13.875²/14 and no minimum: who "
    "overshoots x0 = 0 ends there, as small rates per weight do from (3, 4).",
)
def beale(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Beale's function: a bent valley below steep walls, and a second one without an end."""
    return (
        (1.5 - x[0] + x[0] * x[1]) ** 2 + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2 + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
    )


@surface(
    start=(1.0, 0.001),
    goal=lambda x: jnp.abs(x[1]) > 1.0,  # the run has left the saddle
    goal_text="|x1| > 1",
    box=(-1.5, 1.5),
    formula="x0² - x1²",
    source="the simplest strict saddle; Dauphin et al. 2014, arXiv:1406.2572, on why they slow descent down",
    note="Unbounded below: no minimum; a run has reached its goal once |x1| > 1. At (0, 0) the gradient vanishes: from "
    "near the ridge x1 = 0 a step that goes by the slope's size leaves slowly, x1 growing by the factor "
    "1 + 2 learning_rate, and one that goes by its sign at once.",
)
def saddle(x: Float[Array, "n"]) -> Float[Array, ""]:
    """A saddle: down along one weight, up along the other."""
    return x[0] ** 2 - x[1] ** 2


@surface(
    start=(1.0, 0.001),
    # The run has reached one of the three valleys, at the angles 60, 180 and 300 degrees.
    goal=lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2 < -1.0,
    goal_text="the loss is below -1",
    box=(-1.5, 1.5),
    formula="x0³ - 3 x0 x1²",
    source="Hilbert and Cohn-Vossen 1932, Anschauliche Geometrie, on the monkey saddle",
    note="Unbounded below; a run has reached its goal once the loss is below -1. At (0, 0) the gradient vanishes and "
    "the curvature with it: nearby the slope is 3 (x0² + x1²), and a step that goes by its size waits long.",
)
def monkey_saddle(x: Float[Array, "n"]) -> Float[Array, ""]:
    """The monkey saddle: down for two legs and a tail, without any curvature in its middle."""
    return x[0] * (x[0] ** 2 - 3 * x[1] ** 2)


@surface(
    start=lambda n: np.resize((3.0, 2.0), n),
    minimisers=lambda dimension, **_: np.zeros((1, dimension)),
    limits={"width": (0.0, float("inf"))},
    box=(-6.0, 6.0),
    any_dimension=True,
    formula="Σ tanh²(xᵢ/width)",
    source="ours: the squared error of saturated tanh units",
    note="Out on the plateau the slope falls by the factor e² for every width further: steps by the slope's size "
    "hardly move, and the rate that moves them is too large in the hollow, where the curvature is 2/width².",
)
def plateau(x: Float[Array, "n"], *, width: float = 1.0) -> Float[Array, ""]:
    """A plateau about a hollow: where the units are saturated there is almost no slope."""
    return jnp.sum(jnp.tanh(x / width) ** 2)


@surface(
    start=(-8.0, 1.0),
    minimisers=lambda dimension, **_: np.zeros((1, dimension)),
    limits={"slope": (0.0, float("inf")), "width": (0.0, float("inf")), "steep": (0.0, float("inf"))},
    box=((-10.0, -1.5), (5.0, 1.5)),
    formula="slope (√(x0² + width²) - width) + ½ steep x1²",
    source="ours, after the long valley of Radford's animations; along it the loss of Charbonnier et al. 1994, "
    "doi:10.1109/ICIP.1994.413553",
    note="Along x0 the gradient is nearly `slope`, however far the minimum, where the curvatures are slope/width and "
    "steep: the walls bound a common rate by 2/steep, and the floor needs |x0|/(rate slope) such steps.",
)
def long_valley(
    x: Float[Array, "n"], *, slope: float = 0.2, width: float = 0.5, steep: float = 20.0
) -> Float[Array, ""]:
    """A long valley: steep across, and along it a gentle constant slope that ends in a round minimum."""
    # √(x² + w²) - w, without the cancellation that would leave no digits near the minimum
    along = x[0] ** 2 / (jnp.sqrt(x[0] ** 2 + width**2) + width)
    return slope * along + 0.5 * steep * x[1] ** 2
