"""Functions of one or two weights with a handful of known minima: first the course's own two, then classic ones."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface

SURVEY = "Jamil and Yang 2013, doi:10.1504/IJMMNO.2013.055204"

TOWARDS = "Dixon and Szegö 1978, The global optimization problem: an introduction, Towards global optimisation 2"


@surface(
    start=(1.5, 0.5),
    # digits by root finding in 40-digit arithmetic; the gradient vanishes there by symmetry in z
    minimisers=[(-0.96757744645545978, 0.0), (0.90531786060084824, 0.0)],
    box=(-2.0, 2.0),
    labels=("x", "z"),
    formula="-2 exp(-((x-1)² + (1.4z)²)/0.2) - 6 exp(-((x+1)² + (1.4z)²)/0.2) + x² + (1.4z)²",
    source="the course's surface with two pits in a bowl",
    note="The pit at x = -0.97 is the deep one; a start on the right ends at x = 0.91 unless momentum carries it over.",
)
def multi_minima(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Two pits in a bowl, the left one deeper."""
    across = (1.4 * x[1]) ** 2
    shallow = 2 * jnp.exp(-((x[0] - 1) ** 2 + across) / 0.2)
    deep = 6 * jnp.exp(-((x[0] + 1) ** 2 + across) / 0.2)
    return x[0] ** 2 + across - shallow - deep


def _well_minimisers(dimension: int, tilt: float) -> np.ndarray:
    """Find the outer roots of f'(x) = 4x³ - 4x + tilt, deeper one first; one root alone once |tilt| passes 8/√27."""
    roots = np.roots([4.0, 0.0, -4.0, tilt])
    real = np.sort(roots[np.abs(roots.imag) < 1e-7].real)
    wells = real[[0, -1]] if len(real) == 3 else real[:1]
    for _ in range(3):
        wells = wells - (4 * wells**3 - 4 * wells + tilt) / (12 * wells**2 - 4)
    return wells[np.argsort(wells**4 - 2 * wells**2 + tilt * wells)][:, None]


@surface(
    start=(2.0,),
    minimisers=_well_minimisers,
    box=(-2.0, 2.0),
    formula="x⁴ - 2x² + tilt x",
    source="the tilted double well; the course's one-dimensional local minimum",
    note="From 2 a plain step stops in the nearer, shallower well at 0.96; momentum rolls on to -1.04.",
)
def double_well(x: Float[Array, "n"], *, tilt: float = 0.3) -> Float[Array, ""]:
    """A tilted double well in one dimension: the nearer minimum is not the deeper."""
    return x[0] ** 4 - 2 * x[0] ** 2 + tilt * x[0]


@surface(
    start=(0.0, 0.0),
    # (3, 2) exactly; the others are the further roots of x⁴ - 22x² + x + 114 = 0, to 40 digits, with y = 11 - x²
    minimisers=[
        (3.0, 2.0),
        (-2.8051180869527448531, 3.1313125182505729658),
        (-3.7793102533777468919, -3.2831859912861694123),
        (3.5844283403304917449, -1.8481265269644035535),
    ],
    box=(-5.0, 5.0),
    formula="(x0² + x1 - 11)² + (x0 + x1² - 7)²",
    source="Himmelblau 1972, Applied nonlinear programming",
    note="Four minima of the same depth: which one a run finds depends on its start and on its steps.",
)
def himmelblau(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Himmelblau's function: four equal pits."""
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


@surface(
    start=(2.5, 12.0),
    # cos x0 = -1 and the square 0: the least that either term can be
    minimisers=[(-np.pi, 12.275), (np.pi, 2.275), (3 * np.pi, 2.475)],
    box=((-5.0, 0.0), (10.0, 15.0)),
    formula="(x1 - 5.1 x0²/(4π²) + 5 x0/π - 6)² + 10 (1 - 1/(8π)) cos x0 + 10",
    source="Branin 1972, doi:10.1147/rd.165.0504, as in " + TOWARDS,
    note="Three equal minima along a bent valley, 5/(4π) deep; outside the box there are more, one every 2π.",
)
def branin(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Branin's function: three equal minima in a bent valley."""
    bend = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return bend**2 + 10 * (1 - 1 / (8 * np.pi)) * jnp.cos(x[0]) + 10


@surface(
    start=(3.5, -1.0),
    # the sum and the difference of the two equations: x0 - x1 = 1 and cos(x0 + x1) = -½
    minimisers=[(0.5 - np.pi / 3, -0.5 - np.pi / 3), (0.5 + 2 * np.pi / 3, -0.5 + 2 * np.pi / 3)],
    box=((-1.5, -3.0), (4.0, 4.0)),
    bounds=((-1.5, -3.0), (4.0, 4.0)),
    formula="sin(x0 + x1) + (x0 - x1)² - 1.5 x0 + 2.5 x1 + 1",
    source=SURVEY + ", which gives the minimum as -1.9133: it is -√3/2 - π/3 = -1.91322",
    note="A slanted washboard: without its bounds every (π, π) further down lies a minimum deeper by π.",
)
def mccormick(x: Float[Array, "n"]) -> Float[Array, ""]:
    """McCormick's function: a slanted valley with a wave in it."""
    return jnp.sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1


# x1 = -x0/2 leaves 3.5 - 4.2 x0² + x0⁴ = 0, whose larger root is the minimum
_OUTER_HUMP = float(np.sqrt(2.1 + np.sqrt(0.91)))


@surface(
    start=(2.3, 1.5),
    minimisers=[(0.0, 0.0), (_OUTER_HUMP, -_OUTER_HUMP / 2), (-_OUTER_HUMP, _OUTER_HUMP / 2)],
    box=(-5.0, 5.0),
    formula="2 x0² - 1.05 x0⁴ + x0⁶/6 + x0 x1 + x1²",
    source=TOWARDS,
    note="Of three minima the middle one is the deepest: momentum may carry a run in and out of it.",
)
def three_hump_camel(x: Float[Array, "n"]) -> Float[Array, ""]:
    """The three-hump camel: a minimum between two shallower ones."""
    square = x[0] ** 2
    return square * (2 - 1.05 * square + square * square / 6) + x[0] * x[1] + x[1] ** 2


# one of each pair ±x; Newton's method on the gradient in 50-digit arithmetic
_CAMEL = np.array(
    [
        (0.089842013100318062, -0.71265640302073964),
        (1.7036067149699808488, -0.79608356867262512),
        (1.6071047529201972298, 0.56865145488413137),
    ]
)


@surface(
    start=(-1.0, 1.2),
    minimisers=np.stack([_CAMEL, -_CAMEL], axis=1).reshape(6, 2),
    box=((-3.0, -2.0), (3.0, 2.0)),
    formula="(4 - 2.1 x0² + x0⁴/3) x0² + x0 x1 + (4 x1² - 4) x1²",
    source=TOWARDS,
    note="Six minima in three pairs of equal depth, -1.0316, -0.2155 and 2.1043: the same from both sides.",
)
def six_hump_camel(x: Float[Array, "n"]) -> Float[Array, ""]:
    """The six-hump camel: six minima, two of them global."""
    first, second = x[0] ** 2, x[1] ** 2
    return first * (4 - 2.1 * first + first * first / 3) + x[0] * x[1] + 4 * second * (second - 1)


@surface(
    start=(1.5, -1.5),
    # the first factor is least at s = -1 and s = 2, the second at t = 3 and t = 0
    minimisers=[(0.0, -1.0), (-0.6, -0.4), (1.8, 0.2), (1.2, 0.8)],
    box=(-2.0, 2.0),
    formula="(1 + (s + 1)² (19 - 14 s + 3 s²)) (30 + t² (18 - 16 t + 3 t²)),  s = x0 + x1, t = 2 x0 - 3 x1",
    source="Goldstein and Price 1971, doi:10.1090/S0025-5718-1971-0312365-X",
    note="Four minima, 3, 30, 84 and 840 deep, in a box whose rim reaches a million: no one rate fits both.",
)
def goldstein_price(x: Float[Array, "n"]) -> Float[Array, ""]:
    """Goldstein and Price's function: four minima of very different depth below enormous walls."""
    s, t = x[0] + x[1], 2 * x[0] - 3 * x[1]
    return (1 + (s + 1) ** 2 * (19 - 14 * s + 3 * s * s)) * (30 + t * t * (18 - 16 * t + 3 * t * t))
