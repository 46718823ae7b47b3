"""Classic test functions."""

from __future__ import annotations

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
