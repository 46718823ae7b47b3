"""Adam and its kin: `adam`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gdbench.oracle import Oracle
from gdbench.solvers.base import solver


def _adam_state(x: Array) -> tuple[Array, Array, Array, Array]:
    one = jnp.ones((), x.dtype)
    return jnp.zeros_like(x), jnp.zeros_like(x), one, one


@solver(
    init=_adam_state,
    formula="m ← b1 m + (1 - b1) g;  v ← b2 v + (1 - b2) g²;  x ← x - lr m/(1 - b1ᵗ) / (√(v/(1 - b2ᵗ)) + eps)",
    source="Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Ruder 2016, arXiv:1609.04747, section 4.6",
)
def adam(
    oracle: Oracle,
    x: Array,
    mean: Array,
    mean_square: Array,
    b1_power: Array,
    b2_power: Array,
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, Array, Array, Array, Array]:
    """Adam: momentum on the gradient over RMSprop's rate, both corrected for their start at zero."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    # The powers are carried: one product a step is cheaper than raising b to the step's number. Below 1e-30 they no
    # longer change 1 - b; kept there, they never become subnormal, where arithmetic is many times slower.
    b1_power, b2_power = jnp.maximum(b1 * b1_power, 1e-30), jnp.maximum(b2 * b2_power, 1e-30)
    # eps stands outside the root, as Kingma and Ba write it
    root = jnp.sqrt(mean_square / (1 - b2_power)) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, mean_square, b1_power, b2_power
