"""Functions with a great many minima; the lowest is known, and most are defined in any dimension."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface

# If there are more minima than this, only the global one is listed.
LISTED = 64


def _product(coordinates: Sequence[np.ndarray]) -> np.ndarray:
    """Combine the minimisers of each weight, best first, to those of a sum over weights; only the best if too many."""
    if math.prod(len(each) for each in coordinates) > LISTED:
        coordinates = [each[:1] for each in coordinates]
    return np.array(list(itertools.product(*coordinates)))


def _at_origin(dimension: int, **_: float) -> np.ndarray:
    return np.zeros((1, dimension))


def _root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return √|x|, with the derivative 0 at 0, where the true one is infinite."""
    size = jnp.abs(x)
    return jnp.where(size > 0, jnp.sqrt(jnp.where(size > 0, size, 1)), 0)


# The distance has a kink at 0. Its gradient there is taken as 0, one of those between which it jumps, so that descent
# may end there. It has no second derivative, and automatic differentiation must not make one up: 1/0 says so.
@jax.custom_jvp
def _direction(x: Float[Array, "n"]) -> Float[Array, "n"]:
    distance = jnp.sqrt(jnp.sum(x * x))
    return x / jnp.where(distance > 0, distance, 1)


@_direction.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (turn,) = primals, tangents
    direction = _direction(x)
    return direction, (turn - direction * jnp.sum(direction * turn)) / jnp.sqrt(jnp.sum(x * x))


@jax.custom_jvp
def _distance(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Return |x|; its gradient at 0 is 0, its Hessian there is not a number."""
    return jnp.sqrt(jnp.sum(x * x))


@_distance.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (turn,) = primals, tangents
    return _distance(x), jnp.sum(_direction(x) * turn)


@surface(
    start=lambda n: np.resize((2.6, 1.7), n),
    minimisers=_at_origin,
    limits={"a": (0.0, float("inf")), "b": (0.0, float("inf"))},
    box=(-32.768, 32.768),
    any_dimension=True,
    formula="a (1 - exp(-b √(Σ xᵢ²/n))) + e - exp(Σ cos(c xᵢ)/n)",
    source="Ackley 1987, doi:10.1007/978-1-4613-1997-9; in any dimension Bäck and Schwefel 1993, "
    "doi:10.1162/evco.1993.1.1.1",
    note="A funnel with ripples in a far plain. At the minimum it has a kink: with a fixed rate no run comes to rest.",
)
def ackley(x: Float[Array, "n"], *, a: float = 20.0, b: float = 0.2, c: float = 2 * math.pi) -> Float[Array, ""]:
    """Ackley's function: a rippled funnel in a plain."""
    n = x.shape[0]
    # expm1, and 1 - cos cx = 2 sin²(cx/2), let nothing cancel near the minimum
    funnel = -a * jnp.expm1(-b * _distance(x) / math.sqrt(n))
    return funnel - math.e * jnp.expm1(-2 * jnp.sum(jnp.sin(0.5 * c * x) ** 2) / n)


@surface(
    start=lambda n: np.resize((2.3, 1.4), n),
    minimisers=_at_origin,
    limits={"A": (0.0, float("inf"))},
    box=(-5.12, 5.12),
    any_dimension=True,
    formula="A n + Σ (xᵢ² - A cos 2πxᵢ)",
    source="Rastrigin 1974, Systems of extremal control; in any dimension Mühlenbein, Schomisch and Born 1991, "
    "doi:10.1016/S0167-8191(05)80052-3",
    note="A minimum near every point of whole numbers: plain descent ends in the nearest one.",
)
def rastrigin(x: Float[Array, "n"], *, A: float = 10.0) -> Float[Array, ""]:
    """Rastrigin's function: a bowl with a regular egg box on it."""
    # A - A cos 2πx = 2A sin² πx, in which nothing cancels
    return jnp.sum(x * x + 2 * A * jnp.sin(np.pi * x) ** 2)


@surface(
    start=lambda n: np.resize((7.0, 3.0), n),
    minimisers=_at_origin,
    box=(-600.0, 600.0),
    any_dimension=True,
    formula="1 + Σ xᵢ²/4000 - Π cos(xᵢ/√i),  i from 1",
    source="Griewank 1981, doi:10.1007/BF00933356",
    note="From afar a smooth bowl, from near thousands of minima; the bowl's slope is too slight to lead out of any.",
)
def griewank(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Griewank's function: a very wide bowl with waves on it."""
    roots = jnp.sqrt(jnp.arange(1, x.shape[0] + 1, dtype=x.dtype))
    return 1 + jnp.sum(x * x) / 4000 - jnp.prod(jnp.cos(x / roots))


@surface(
    start=lambda n: np.resize((-3.0, 4.0), n),
    minimisers=lambda dimension: np.ones((1, dimension)),
    box=(-10.0, 10.0),
    any_dimension=True,
    formula="sin² πw₁ + Σ (wᵢ - 1)² (1 + 10 sin²(πwᵢ + 1)) + (wₙ - 1)² (1 + sin² 2πwₙ),  w = 1 + (x - 1)/4, i < n",
    source="Levy and Montalvo 1985, doi:10.1137/0906002, in the form of Laguna and Martí 2005, "
    "doi:10.1007/s10898-004-1936-z",
    note="Waves that grow with the distance from the minimum: the last of them is the widest.",
)
def levy(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Levy's function: a bowl with waves that die out towards the minimum."""
    u = (x - 1) / 4  # w - 1; a whole turn more or less changes no squared sine
    inner, last = u[:-1], u[-1]
    waves = jnp.sum(inner**2 * (1 + 10 * jnp.sin(np.pi * inner + 1) ** 2))
    return jnp.sin(np.pi * u[0]) ** 2 + waves + last**2 * (1 + jnp.sin(2 * np.pi * last) ** 2)


@surface(
    start=lambda n: np.resize((330.0, 350.0), n),
    # t = √x is the largest root below √500 of tan t = -t/2; in 50-digit arithmetic
    minimisers=lambda dimension: np.full((1, dimension), 420.96874635998202731),
    box=(-500.0, 500.0),
    bounds=(-500.0, 500.0),
    any_dimension=True,
    formula="-Σ xᵢ sin √|xᵢ|",
    source="Schwefel 1981, Numerical optimization of computer models, problem 2.26; others add 418.9829 n",
    note="The deepest minimum lies near a corner of the box, far from the next best; without bounds there is none.",
)
def schwefel(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Schwefel's function 2.26: the further out, the higher the waves."""
    return -jnp.sum(x * jnp.sin(_root(x)))


def _michalewicz_minima(i: int, m: int) -> np.ndarray:
    """Find the minimisers of -sin x sin^(2m)(i x²/π) in (0, π), best first, one between two zeros of the second sine.

    There the derivative of the logarithm, cot x + 4 m i x/π cot(i x²/π), falls from +∞ to -∞: bisection finds its root.
    """
    low, high = (np.pi * np.sqrt((np.arange(i) + end) / i) for end in (0, 1))
    for _ in range(60):
        x = (low + high) / 2
        with np.errstate(divide="ignore"):
            rises = 1 / np.tan(x) + 4 * m * i * x / np.pi / np.tan(i * x * x / np.pi) > 0
        low, high = np.where(rises, x, low), np.where(rises, high, x)
    return x[np.argsort(-np.sin(x) * np.sin(i * x * x / np.pi) ** (2 * m))]


@surface(
    start=lambda n: np.resize((1.9, 1.2), n),
    minimisers=lambda dimension, m: _product([_michalewicz_minima(i, m) for i in range(1, dimension + 1)]),
    box=(0.0, np.pi),
    bounds=(0.0, np.pi),
    any_dimension=True,
    formula="-Σ sin xᵢ sin^(2m)(i xᵢ²/π),  i from 1",
    source="Michalewicz 1992, Genetic algorithms + data structures = evolution programs, doi:10.1007/978-3-662-03315-9",
    note="n! minima in narrow gorges, the narrower the larger m; between them it is level, and the slope says nothing.",
)
def michalewicz(x: Float[Array, "n"], *, m: int = 10) -> Float[Array, ""]:
    """Michalewicz's function: gorges in a plain."""
    i = jnp.arange(1, x.shape[0] + 1, dtype=x.dtype)
    return -jnp.sum(jnp.sin(x) * jnp.sin(i * x * x / np.pi) ** (2 * m))


def _styblinski_tang_minima() -> np.ndarray:
    """Find the outer roots of 4x³ - 32x + 5, the deeper one first."""
    roots = np.sort(np.roots([4.0, 0.0, -32.0, 5.0]).real)[[0, 2]]
    for _ in range(3):
        roots = roots - (4 * roots**3 - 32 * roots + 5) / (12 * roots**2 - 32)
    return roots


@surface(
    start=lambda n: np.resize((0.5, -0.5), n),
    minimisers=lambda dimension: _product([_styblinski_tang_minima()] * dimension),
    box=(-5.0, 5.0),
    any_dimension=True,
    formula="½ Σ (xᵢ⁴ - 16 xᵢ² + 5 xᵢ)",
    source="Styblinski and Tang 1990, doi:10.1016/0893-6080(90)90029-K",
    note="Every weight chooses one of two pits, which makes 2ⁿ minima; what starts left of 0.157 falls into the deep "
    "one.",
)
def styblinski_tang(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Styblinski and Tang's function: a double well along every weight."""
    square = x * x
    return 0.5 * jnp.sum(square * square - 16 * square + 5 * x)


@surface(
    start=(2.0, 4.2),
    minimisers=[(np.pi, np.pi)],
    box=(-10.0, 10.0),
    formula="-cos x0 cos x1 exp(-(x0 - π)² - (x1 - π)²)",
    source="Easom 1990, A survey of global optimization techniques, thesis, University of Louisville",
    note="A pit in a plain that is level to the last digit: further away no slope leads there. The usual box is ±100.",
)
def easom(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Easom's function: one narrow pit in a level plain."""
    return -jnp.cos(x[0]) * jnp.cos(x[1]) * jnp.exp(-((x[0] - np.pi) ** 2) - (x[1] - np.pi) ** 2)


@surface(
    start=(450.0, 350.0),
    # The minimum is on the border x0 = 512; x1 by Newton's method on the slope along it in 50-digit arithmetic
    minimisers=[(512.0, 404.23180511375781093)],
    box=(-512.0, 512.0),
    bounds=(-512.0, 512.0),
    formula="-(x1 + 47) sin √|x1 + x0/2 + 47| - x0 sin √|x0 - x1 - 47|",
    source="Whitley, Rana, Dzubera and Mathias 1996, doi:10.1016/0004-3702(95)00124-7",
    note="Hills and pits of every size, the deepest on the border of the box; beyond it there are deeper ones.",
)
def eggholder(x: Float[Array, "n"]) -> Float[Array, ""]:
    """The egg holder: a rough landscape whose lowest point lies on its border."""
    y = x[1] + 47
    # where a root's argument is 0 the slope is infinite, and taken as 0
    return -y * jnp.sin(_root(y + 0.5 * x[0])) - x[0] * jnp.sin(_root(x[0] - y))
