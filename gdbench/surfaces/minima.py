"""Surfaces with several minima, where the start decides."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench.surfaces.base import surface


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
def multi_minima(x: Array) -> Array:
    """Two pits in a bowl, the left one deeper."""
    across = (1.4 * x[1]) ** 2
    shallow = 2 * jnp.exp(-((x[0] - 1) ** 2 + across) / 0.2)
    deep = 6 * jnp.exp(-((x[0] + 1) ** 2 + across) / 0.2)
    return x[0] ** 2 + across - shallow - deep


def _well_minimisers(dimension: int, tilt: float) -> np.ndarray:
    """The outer roots of f'(x) = 4x³ - 4x + tilt, deeper one first; one root alone once |tilt| passes 8/√27."""
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
def double_well(x: Array, *, tilt: float = 0.3) -> Array:
    """A tilted double well in one dimension: the nearer minimum is not the deeper."""
    return x[0] ** 4 - 2 * x[0] ** 2 + tilt * x[0]
