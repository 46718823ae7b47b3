"""One rate per weight, from the gradients seen so far: `adagrad`, `rmsprop`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gdbench.oracle import Oracle
from gdbench.solvers.base import solver


@solver(
    init=jnp.zeros_like,
    formula="s ← s + g²;  x ← x - lr g / √(s + eps)",
    source="Duchi, Hazan and Singer 2011; Ruder 2016, arXiv:1609.04747, section 4.3",
)
def adagrad(
    oracle: Oracle, x: Array, sum_of_squares: Array, *, learning_rate: float, eps: float = 1e-8
) -> tuple[Array, Array]:
    """Adagrad: each weight's rate shrinks with the squared gradients that it has seen."""
    gradient = oracle.grad(x)
    sum_of_squares = sum_of_squares + gradient * gradient
    # eps stands inside the root, as Ruder writes it
    return x - learning_rate * gradient / jnp.sqrt(sum_of_squares + eps), sum_of_squares


@solver(
    init=jnp.zeros_like,
    formula="s ← d s + (1 - d) g²;  x ← x - lr g / √(s + eps)",
    source="Tieleman and Hinton 2012, lecture 6.5; Ruder 2016, arXiv:1609.04747, section 4.5",
)
def rmsprop(
    oracle: Oracle, x: Array, mean_square: Array, *, learning_rate: float, decay: float = 0.9, eps: float = 1e-8
) -> tuple[Array, Array]:
    """RMSprop: Adagrad that forgets, by a running mean of the squared gradients."""
    gradient = oracle.grad(x)
    mean_square = decay * mean_square + (1 - decay) * gradient * gradient
    # eps stands inside the root, as Ruder writes it
    return x - learning_rate * gradient / jnp.sqrt(mean_square + eps), mean_square
