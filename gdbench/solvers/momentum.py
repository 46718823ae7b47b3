"""Plain steps and the two that remember a velocity: `sgd`, `momentum`, `nesterov`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gdbench.oracle import Oracle
from gdbench.solvers.base import solver


@solver(formula="x ← x - lr ∇f(x)", source="Cauchy 1847; Ruder 2016, arXiv:1609.04747, section 2")
def sgd(oracle: Oracle, x: Array, *, learning_rate: float) -> Array:
    """Plain gradient descent."""
    return x - learning_rate * oracle.grad(x)


@solver(
    init=jnp.zeros_like,
    formula="v ← m v + lr ∇f(x);  x ← x - v",
    source="Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Ruder 2016, arXiv:1609.04747, section 4.1",
)
def momentum(
    oracle: Oracle, x: Array, velocity: Array, *, learning_rate: float, momentum: float = 0.9
) -> tuple[Array, Array]:
    """Heavy-ball momentum: the velocity sums past gradients, so that steps across a ravine cancel."""
    velocity = momentum * velocity + learning_rate * oracle.grad(x)
    return x - velocity, velocity


@solver(
    init=jnp.zeros_like,
    formula="v ← m v + lr ∇f(x - m v);  x ← x - v",
    source="Nesterov 1983; Sutskever et al. 2013, eq. 3-4; Ruder 2016, arXiv:1609.04747, section 4.2",
)
def nesterov(
    oracle: Oracle, x: Array, velocity: Array, *, learning_rate: float, momentum: float = 0.9
) -> tuple[Array, Array]:
    """Nesterov's momentum: the gradient is taken where the velocity alone would arrive."""
    velocity = momentum * velocity + learning_rate * oracle.grad(x - momentum * velocity)
    return x - velocity, velocity
