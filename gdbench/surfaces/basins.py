"""Bowls, plates and valleys with one basin, each slow for another reason; `dixon-price` has two mirrored basins."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface

SURVEY = "Jamil and Yang 2013, doi:10.1504/IJMMNO.2013.055204"


def _indices(x: Float[Array, "n"]) -> Float[Array, "n"]:
    """Return 1, 2, .., n in the type of `x`."""
    return jnp.arange(1, x.shape[0] + 1, dtype=x.dtype)


def _at_origin(dimension: int, **_: float) -> np.ndarray:
    return np.zeros((1, dimension))


@surface(
    start=lambda n: np.resize((4.0, 2.0), n),
    minimisers=_at_origin,
    box=(-5.12, 5.12),
    any_dimension=True,
    formula="Σ xᵢ²",
    source="De Jong 1975, An analysis of the behavior of a class of genetic adaptive systems, function F1",
    note="Condition number 1: plain descent with learning_rate 0.5 is there in one step, and what is slow here is slow "
    "everywhere.",
)
def sphere(x: Float[Array, "n"]) -> Float[Array, ""]:
    """The sphere: the same curvature in every direction."""
    return jnp.sum(x * x)


@surface(
    start=lambda n: np.resize((0.8, 0.9), n),
    minimisers=_at_origin,
    box=(-1.0, 1.0),
    any_dimension=True,
    formula="Σ |xᵢ|^(i+1),  i from 1",
    source="Molga and Smutnicki 2005, Test functions for optimization needs, section 2.8",
    note="Only the first weight has a curvature at the minimum: descent along weight i slows down as it arrives, to "
    "|xᵢ| ~ k^(-1/(i-1)) after k steps.",
)
def sum_of_powers(x: Float[Array, "n"]) -> Float[Array, ""]:
    """The sum of different powers: flatter along every further weight."""
    # x² |x|^k, because the second derivative of |x|² through |x| would be 0 at 0; k < 2 is treated apart, because
    # automatic differentiation multiplies 0 by an infinite |x|^(k-2) there
    k, size = _indices(x) - 1, jnp.abs(x)
    power = jnp.where(k < 2, jnp.where(k < 1, 1, size), jnp.where(k < 2, 1, size) ** k)
    return jnp.sum(x * x * power)


@surface(
    start=lambda n: np.resize((-3.0, 4.0), n),
    minimisers=_at_origin,
    box=(-5.0, 10.0),
    any_dimension=True,
    formula="Σ xᵢ² + s² + s⁴,  s = ½ Σ i xᵢ",
    source=SURVEY,
    note="A quartic wall along one direction above a round bowl: the rate that is stable far out is far too small near "
    "the minimum, where the condition number is 1 + ¼ Σ i².",
)
def zakharov(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Zakharov's plate: a bowl with a quartic wall along the direction (1, 2, .., n)."""
    along = jnp.sum(0.5 * _indices(x) * x) ** 2
    return jnp.sum(x * x) + along + along * along


def _dixon_price_minimisers(dimension: int) -> np.ndarray:
    """Solve x₁ = 1 and 2 xᵢ² = xᵢ₋₁ with positive roots; the last weight may have either sign."""
    # the exponent is 2/2^i - 1: exact in floating point, as the usual (2^i - 2)/2^i is not beyond i = 1023
    point = 2.0 ** (2.0 ** -np.arange(dimension) - 1)
    return point[None] if dimension == 1 else np.stack([point, np.append(point[:-1], -point[-1])])


@surface(
    start=lambda n: np.resize((5.0, 3.0), n),
    minimisers=_dixon_price_minimisers,
    box=(-10.0, 10.0),
    any_dimension=True,
    formula="(x₁ - 1)² + Σ i (2 xᵢ² - xᵢ₋₁)²,  i from 2",
    source="Dixon and Price 1989, doi:10.1007/BF00940007",
    note="A bent valley that forks: the last weight may have either sign. From three weights on descent may creep "
    "towards (1/3, 0, .., 0), where the gradient vanishes at 2/3.",
)
def dixon_price(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Dixon and Price's bent valley, which ends in two minima."""
    return (x[0] - 1) ** 2 + jnp.sum(_indices(x)[1:] * (2 * x[1:] ** 2 - x[:-1]) ** 2)


@surface(
    start=(-5.0, 5.0),
    minimisers=[(1.0, 3.0)],
    box=(-10.0, 10.0),
    formula="(x0 + 2 x1 - 7)² + (2 x0 + x1 - 5)²",
    source=SURVEY,
    note="A quadratic of condition number 9, turned by 45 degrees: a rate per weight gains nothing.",
)
def booth(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Booth's function: two linear equations in two unknowns, as a sum of squares."""
    return (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2


@surface(
    start=(8.0, 2.0),
    minimisers=[(0.0, 0.0)],
    box=(-10.0, 10.0),
    formula="0.26 (x0² + x1²) - 0.48 x0 x1",
    source="Matyas 1965, Random optimization, Automation and remote control 26; " + SURVEY,
    note="A quadratic of eigenvalues 0.04 and 1 along the diagonals: the plate is so flat along x0 = x1 that the loss "
    "falls long before the weights arrive.",
)
def matyas(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Matyas's plate: nearly flat along the diagonal."""
    return 0.26 * (x[0] ** 2 + x[1] ** 2) - 0.48 * x[0] * x[1]
