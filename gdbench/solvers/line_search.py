"""Gradient descent that searches for its rate in every step: `backtracking`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle

# The search must end whatever `shrink` is; with 0.5 the last rate is 1e-30 of the first.
MOST_TRIALS = 100


@solver(
    formula="x ← x - r g,  r the first of initial_step, shrink · initial_step, ..  with f(x - r g) ≤ f(x) - c1 r g'g",
    source="Armijo 1966, doi:10.2140/pjm.1966.16.1; Nocedal and Wright 2006, algorithm 3.1",
)
def backtracking(
    oracle: Oracle, x: Float[Array, "n"], *, initial_step: float = 1.0, shrink: float = 0.5, c1: float = 1e-4
) -> Float[Array, "n"]:
    """Gradient descent whose rate is shortened until the loss falls by enough; it has no learning rate to tune.

    A step costs one gradient, the value at x and one value for each rate that is tried. Where no rate will do, x stays.
    """
    value, gradient = oracle.value_and_grad(x)
    steepness = gradient @ gradient

    def shorter(
        carry: tuple[Float[Array, ""], Float[Array, ""], Int[Array, ""]],
    ) -> tuple[Float[Array, ""], Float[Array, ""], Int[Array, ""]]:
        rate, _, trials = carry
        rate = shrink * rate
        return rate, oracle.value(x - rate * gradient), trials + 1

    def falls(rate: Float[Array, ""], trial: Float[Array, ""]) -> Bool[Array, ""]:
        return trial <= value - c1 * rate * steepness  # false where the trial is not a number

    rate = jnp.ones_like(value) * initial_step
    first = (rate, oracle.value(x - rate * gradient), jnp.int32(1))
    rate, trial, _ = oracle.while_loop(lambda c: ~falls(c[0], c[1]) & (c[2] < MOST_TRIALS), shorter, first)
    return jnp.where(falls(rate, trial), x - rate * gradient, x)
