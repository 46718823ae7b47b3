"""Adam that waits until its second moment can be trusted: `radam`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


def _radam_state(x: Float[Array, "n"]) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    return jnp.zeros_like(x), jnp.zeros_like(x), jnp.zeros((), x.dtype)


def _weight(b: float, count: Float[Array, ""]) -> Float[Array, ""]:
    """Return 1 - bᵗ to the last digit: rho is a small difference of numbers near 2 / (1 - b), else noise in float32."""
    return -jnp.expm1(count * jnp.log1p(b - 1))


def _rectification(b2: float, count: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the length rho(t) of the mean of squares, and the factor of the step (undefined unless rho > 4).

    With R = 2/(1 - b2) - 1: rho = R - 2 t b2ᵗ/(1 - b2ᵗ), and √((rho - 4)(rho - 2) R / ((R - 4)(R - 2) rho)).
    """
    weight = _weight(b2, count)
    longest = 2 / (1 - b2) - 1
    rho = longest - 2 * count * (1 - weight) / weight
    return rho, jnp.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))


@solver(
    init=_radam_state,
    formula="m, v as in adam;  rho = R - 2 t b2ᵗ/(1 - b2ᵗ), R = 2/(1 - b2) - 1;  "
    "r = √((rho - 4)(rho - 2) R / ((R - 4)(R - 2) rho));  "
    "x ← x - lr m/(1 - b1ᵗ) · (r √(1 - b2ᵗ) / √v  if rho > 4;  else 1)",
    source="Liu et al. 2020, arXiv:1908.03265, algorithm 2",
)
def radam(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    count: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    """Rectified Adam: plain momentum in the first steps, then Adam, held back while few gradients have been seen."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    count = count + 1
    rho, factor = _rectification(b2, count)
    # without eps: a weight that has had no gradient yet stays where it is
    root = jnp.where(mean_square > 0, jnp.sqrt(mean_square), jnp.inf)
    rate = jnp.where(rho > 4, factor * jnp.sqrt(_weight(b2, count)) / root, 1.0)
    return x - learning_rate * (mean / _weight(b1, count)) * rate, mean, mean_square, count


@radam.convention(
    "torch",
    init=_radam_state,
    formula="m, v, rho, r as in the paper;  x ← x - lr m/(1 - b1ᵗ) · (r √(1 - b2ᵗ) / (√v + eps)  if rho > 5;  else 1)",
    note="rectifies where rho is above 5, not 4, and adds eps to the root before it is debiased",
)
def _radam_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    count: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    """RAdam as torch.optim.RAdam has it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    count = count + 1
    rho, factor = _rectification(b2, count)
    rate = jnp.where(rho > 5, factor * jnp.sqrt(_weight(b2, count)) / (jnp.sqrt(mean_square) + eps), 1.0)
    return x - learning_rate * (mean / _weight(b1, count)) * rate, mean, mean_square, count


@radam.convention(
    "optax",
    init=_radam_state,
    formula="m, v, rho, r as in the paper;  "
    "x ← x - lr m/(1 - b1ᵗ) · (r / (√(v/(1 - b2ᵗ)) + eps)  if rho ≥ threshold;  else 1)",
    note="rectifies where rho is at least `threshold`, 5 and not 4, and adds eps to the debiased root",
)
def _radam_optax(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    count: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    threshold: float = 5.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    """RAdam as optax.radam has it; below a threshold of 4 there is no factor, and the step is not a number."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    count = count + 1
    rho, factor = _rectification(b2, count)
    rate = jnp.where(rho >= threshold, factor / (jnp.sqrt(mean_square / _weight(b2, count)) + eps), 1.0)
    return x - learning_rate * (mean / _weight(b1, count)) * rate, mean, mean_square, count
