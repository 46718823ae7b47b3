"""Sums of squares of a few nonlinear residuals: problems of Moré, Garbow and Hillstrom 1981 with their own starts."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface

MGH = "of Moré, Garbow and Hillstrom 1981, doi:10.1145/355934.355936"


@surface(
    start=(0.5, -2.0),
    # At the local minimum the two residuals are 1 : -1 and their slopes in x1 equal, which is 3x1² - 4x1 - 6 = 0
    minimisers=[(5.0, 4.0), ((53 - 4 * np.sqrt(22)) / 3, (2 - np.sqrt(22)) / 3)],
    box=((-5.0, -3.0), (15.0, 6.0)),
    formula="(-13 + x0 + ((5 - x1) x1 - 2) x1)² + (-29 + x0 + ((x1 + 1) x1 - 14) x1)²",
    source=f"Freudenstein and Roth 1963, doi:10.1145/321186.321200; problem 2 {MGH}",
    note="From the usual start descent ends in the local minimum, 48.98, at x1 = (2 - √22)/3; the global one is 0.",
)
def freudenstein_roth(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Freudenstein and Roth's two cubics: a root, and a local minimum on the way to it."""
    return (-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]) ** 2 + (-29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]) ** 2


@surface(
    start=(1.0, 1.0),
    minimisers=[(1e6, 2e-6)],
    box=((0.0, -1.0), (2e6, 2.0)),
    formula="(x0 - 10⁶)² + (x1 - 2·10⁻⁶)² + (x0 x1 - 2)²",
    source=f"Brown, unpublished; problem 4 {MGH}",
    note="The weights differ by a factor of 5·10¹¹ and the curvatures at the minimum by 10¹²: one rate for both is "
    "hopeless.",
)
def brown_badly_scaled(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Brown's badly scaled function: weights of a million and of two millionths."""
    return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2


@surface(
    start=(-1.0, 0.0, 0.0),
    minimisers=[(1.0, 0.0, 0.0)],
    box=(-2.0, 2.0),
    formula="100 (x2 - 10 θ)² + 100 (√(x0² + x1²) - 1)² + x2²,  θ = the angle of (x0, x1) in turns, from -¼ to ¾",
    source=f"Fletcher and Powell 1963, doi:10.1093/comjnl/6.2.163; problem 7 {MGH}",
    note="A valley that winds once about the axis and comes down from height 5: a step along the slope leaves it at "
    "every turn. θ jumps where x0 = 0 and x1 < 0.",
)
def helical_valley(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Fletcher and Powell's helical valley."""
    # arctan2 with its arguments exchanged counts the angle from the x1 axis, so that the jump is at its negative half
    turns = 0.25 - jnp.arctan2(x[0], x[1]) / (2 * np.pi)
    return 100 * ((x[2] - 10 * turns) ** 2 + (jnp.sqrt(x[0] ** 2 + x[1] ** 2) - 1) ** 2) + x[2] ** 2


@surface(
    start=lambda n: np.resize((3.0, -1.0, 0.0, 1.0), n),
    dimension=4,
    any_dimension=True,
    dimensions=range(4, sys.maxsize, 4),
    minimisers=lambda dimension: np.zeros((1, dimension)),
    box=(-4.0, 5.0),
    formula="Σ (a + 10 b)² + 5 (c - d)² + (b - 2c)⁴ + 10 (a - d)⁴ over fours a, b, c, d of the weights",
    source=f"Powell 1962, doi:10.1093/comjnl/5.2.147; problems 13 and 22 {MGH}",
    note="The Hessian at the minimum has rank 2 of 4: the loss falls at once, the weights follow like 1/√k, and "
    "Newton's method converges only linearly.",
)
def powell_singular(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Powell's singular function: quadratic along two directions, quartic along the other two."""
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    return jnp.sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4)


@surface(
    start=(-3.0, -1.0, -3.0, -1.0),
    minimisers=[(1.0, 1.0, 1.0, 1.0)],
    box=(-4.0, 4.0),
    formula="100 (x1 - x0²)² + (1 - x0)² + 90 (x3 - x2²)² + (1 - x2)² + 10 (x1 + x3 - 2)² + 0.1 (x1 - x3)²",
    source=f"Colville 1968, IBM New York Scientific Center report 320-2949; problem 14 {MGH}",
    note="Two bent valleys, coupled. Near (-1, 1, -1, 1) lies a saddle, 7.9 high, where descent rests a long time.",
)
def wood(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Wood's function, also called Colville's: two Rosenbrock valleys that are coupled."""
    first = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    second = 90 * (x[3] - x[2] ** 2) ** 2 + (1 - x[2]) ** 2
    return first + second + 10 * (x[1] + x[3] - 2) ** 2 + 0.1 * (x[1] - x[3]) ** 2


# Newton's method on both residuals, which vanish there, gives 40 digits.
_SECOND_ZERO = (0.2430642022015621601, 0.6126761171373341820)


@surface(
    start=lambda n: np.full(n, 1 / n),
    any_dimension=True,
    minimisers=lambda dimension: np.array([[0.0, 0.0], _SECOND_ZERO] if dimension == 2 else np.zeros((1, dimension))),
    box=(-1.0, 1.0),
    formula="Σ (n - Σ cos xⱼ + i (1 - cos xᵢ) - sin xᵢ)²,  i from 1",
    source=f"Spedicato 1975, CISE report 175; problem 26 {MGH}",
    note="(0, .., 0) is not the only zero: of two weights the usual start leads to (0.2431, 0.6127), and of more there "
    "are also minima just above 0, such as 2.8e-5 for ten.",
)
def trigonometric(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Spedicato's trigonometric function: equal pits and shallow ones side by side."""
    n = x.shape[0]
    # 1 - cos x without cancellation
    below = 2 * jnp.sin(0.5 * x) ** 2
    return jnp.sum((jnp.sum(below) + jnp.arange(1, n + 1, dtype=x.dtype) * below - jnp.sin(x)) ** 2)
