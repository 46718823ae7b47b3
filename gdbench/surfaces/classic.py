"""Classic test functions."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench.surfaces.base import surface


@surface(
    start=(-1.2, 1.0),
    minimisers=lambda dimension, a, b: np.array([[a, a * a]]),
    limits={"b": (0.0, float("inf"))},
    box=((-2.0, -1.0), (2.0, 3.0)),
    formula="(a - x0)² + b (x1 - x0²)²",
    source="Rosenbrock 1960, doi:10.1093/comjnl/3.3.175",
    note="A bent valley: easy to find, hard to follow.",
)
def rosenbrock(x: Array, *, a: float = 1.0, b: float = 100.0) -> Array:
    """Rosenbrock's bent valley."""
    return (a - x[0]) ** 2 + b * (x[1] - x[0] ** 2) ** 2


@surface(
    # on the wall above the bend, from where momentum overshoots and rates per weight head for the minimum
    start=(1.0, 1.5),
    minimisers=[(3.0, 0.5)],
    box=(-4.5, 4.5),
    formula="(1.5 - x0 + x0 x1)² + (2.25 - x0 + x0 x1²)² + (2.625 - x0 + x0 x1³)²",
    source="Beale 1958, Princeton University, Statistical Techniques Research Group, technical report 25; problem 5 "
    "of Moré, Garbow and Hillstrom 1981, doi:10.1145/355934.355936",
    note="A second valley runs to x0 = -∞ along x1 = 1, down to 0.452 = 14.203 - 13.875²/14 and no minimum: who "
    "overshoots x0 = 0 ends there, as small rates per weight do from (3, 4).",
)
def beale(x: Array) -> Array:
    """Beale's function: a bent valley below steep walls, and a second one without an end."""
    return (
        (1.5 - x[0] + x[0] * x[1]) ** 2 + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2 + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
    )


@surface(
    start=(1.0, 0.001),
    goal=lambda x: jnp.abs(x[1]) > 1.0,  # the saddle is left behind
    box=(-1.5, 1.5),
    formula="x0² - x1²",
    source="the simplest strict saddle; Dauphin et al. 2014, arXiv:1406.2572, on why they slow descent down",
    note="Unbounded below: no minimum; a run has reached its goal once |x1| > 1. At (0, 0) the gradient vanishes: from "
    "near the ridge x1 = 0 a step that goes by the slope's size leaves slowly, x1 growing by the factor "
    "1 + 2 learning_rate, and one that goes by its sign at once.",
)
def saddle(x: Array) -> Array:
    """A saddle: down along one weight, up along the other."""
    return x[0] ** 2 - x[1] ** 2


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
def long_valley(x: Array, *, slope: float = 0.2, width: float = 0.5, steep: float = 20.0) -> Array:
    """A long valley: steep across, and along it a gentle constant slope that ends in a round minimum."""
    # √(x² + w²) - w, without the cancellation that would leave no digits near the minimum
    along = x[0] ** 2 / (jnp.sqrt(x[0] ** 2 + width**2) + width)
    return slope * along + 0.5 * steep * x[1] ** 2
