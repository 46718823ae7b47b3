"""Small surfaces on which well-known methods fail as theory says, and an ellipse that is turned about its start."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface


@surface(
    start=(3.3,),
    minimisers=[(0.0,)],
    box=(-4.0, 4.0),
    formula="12.5 x² for x < 1;  ½ x² + 24 x - 12 for 1 ≤ x < 2;  12.5 x² - 24 x + 36 for x ≥ 2",
    source="Lessard, Recht and Packard 2016, section 4.6, doi:10.1137/15M1009597",
    note="Convex, curvature 1 to 25. Heavy ball at the settings that are best on a quadratic (lr 1/9, m 4/9) ends in a "
    "cycle of three points: 792/1225, -2208/1225, 2592/1225.",
)
def three_cycle(x: Float[Array, "n"]) -> Float[Array, ""]:
    """A convex function of piecewise constant curvature on which heavy ball never arrives."""
    outer = jnp.where(x[0] < 1, 12.5 * x[0] ** 2, 12.5 * x[0] ** 2 - 24 * x[0] + 36)
    return jnp.where((x[0] >= 1) & (x[0] < 2), 0.5 * x[0] ** 2 + 24 * x[0] - 12, outer)


@surface(
    start=(0.0,),
    minimisers=[(-1.0,)],
    bounds=(-1.0, 1.0),
    box=(-1.0, 1.0),
    data=([3.0, -1.0, -1.0],),
    formula="mean over slopes 3, -1, -1 of slope · x, for x in [-1, 1]",
    source="Reddi, Kale and Kumar 2018, On the convergence of Adam and beyond, theorem 1 with C = 3",
    note="Visited in turn (batch_size 1, shuffle false) with b1 = 0, b2 = 0.1 and lr 0.5/√t, Adam ends near +1, the "
    "worst point, because it forgets the rare large gradient; AMSGrad ends at the optimum -1.",
)
def reddi(x: Float[Array, "n"], slopes: Float[Array, "examples"]) -> Float[Array, ""]:
    """A straight line whose rare steep example points down and whose frequent flat ones point up."""
    return jnp.mean(slopes) * x[0]


@surface(
    start=(0.0,),
    box=(-1.0, 1.0),
    # whole numbers, so that their mean is 0 and not a rounding error
    data=([1.0] * 9 + [-9.0],),
    formula="0.1 · mean over nine slopes 1 and one -9 of slope · x",
    source="Hinton, Srivastava and Swersky 2012, Neural networks for machine learning, lecture 6.5",
    note="The mean slope is 0. One example at a time (batch_size 1, shuffle false, gtol 0) sgd ends each round where "
    "it began, while Rprop, which sees the signs alone, runs away.",
)
def nine_to_one(x: Float[Array, "n"], slopes: Float[Array, "examples"]) -> Float[Array, ""]:
    """A level line of ten examples, nine of which slope gently up and one steeply down."""
    return 0.1 * jnp.mean(slopes) * x[0]


def _turned_minimiser(dimension: int, condition: float, angle: float) -> np.ndarray:
    turn = np.deg2rad(angle)
    return np.array([[np.cos(turn) - np.sin(turn), np.sin(turn) + np.cos(turn)]])


@surface(
    start=(0.0, 0.0),
    minimisers=_turned_minimiser,
    limits={"condition": (0.0, float("inf"))},
    formula="½ (y0 - 1)² + ½ condition (y1 - 1)²,  y = x turned back by angle degrees",
    source="the quadratic model of every smooth minimum, seen from another direction",
    note="Turned about its start: what a method does here depends on the angle only if it depends on the axes, as "
    "diagonal Adagrad does and full-matrix Adagrad does not.",
)
def turned_ellipse(x: Float[Array, "n"], *, condition: float = 100.0, angle: float = 0.0) -> Float[Array, ""]:
    """An elongated ellipse turned about the start of the run."""
    turn = jnp.deg2rad(angle)
    cosine, sine = jnp.cos(turn), jnp.sin(turn)
    along, across = cosine * x[0] + sine * x[1] - 1, cosine * x[1] - sine * x[0] - 1
    return 0.5 * along**2 + 0.5 * condition * across**2
