"""Rates from the gradients seen so far: `adagrad`, `adagrad-full`, `rmsprop`, `adadelta`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


@solver(
    init=jnp.zeros_like,
    formula="s ← s + g²;  x ← x - lr g / √(s + eps)",
    source="Duchi, Hazan and Singer 2011; Ruder 2016, arXiv:1609.04747, section 4.3",
)
def adagrad(
    oracle: Oracle, x: Float[Array, "n"], sum_of_squares: Float[Array, "n"], *, learning_rate: float, eps: float = 1e-8
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Adagrad: each weight's rate shrinks with the squared gradients that it has seen."""
    gradient = oracle.grad(x)
    sum_of_squares = sum_of_squares + gradient * gradient
    # eps stands inside the root, as Ruder writes it
    return x - learning_rate * gradient / jnp.sqrt(sum_of_squares + eps), sum_of_squares


@adagrad.convention(
    "torch",
    init=lambda x, initial_accumulator_value: (jnp.ones_like(x) * initial_accumulator_value, jnp.zeros((), x.dtype)),
    formula="s ← s + g²;  x ← x - lr/(1 + lr_decay (t - 1)) g / (√s + eps);  s starts at initial_accumulator_value",
    note="eps stands outside the root and is smaller; the sum may start above zero and the rate decay",
)
def _adagrad_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    sum_of_squares: Float[Array, "n"],
    count: Float[Array, ""],
    *,
    learning_rate: float,
    lr_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    """Adagrad as torch.optim.Adagrad has it."""
    gradient = oracle.grad(x)
    sum_of_squares = sum_of_squares + gradient * gradient
    rate = learning_rate / (1 + count * lr_decay)
    return x - rate * gradient / (jnp.sqrt(sum_of_squares) + eps), sum_of_squares, count + 1


@adagrad.convention(
    "optax",
    init=lambda x, initial_accumulator_value: jnp.ones_like(x) * initial_accumulator_value,
    formula="s ← s + g²;  x ← x - lr g / √(s + eps);  s starts at initial_accumulator_value",
    note="the paper's update, but the sum starts at 0.1, so that the first steps are shorter; eps is larger",
)
def _adagrad_optax(
    oracle: Oracle,
    x: Float[Array, "n"],
    sum_of_squares: Float[Array, "n"],
    *,
    learning_rate: float,
    initial_accumulator_value: float = 0.1,
    eps: float = 1e-7,
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Adagrad as optax.adagrad has it."""
    gradient = oracle.grad(x)
    sum_of_squares = sum_of_squares + gradient * gradient
    root = jnp.where(
        sum_of_squares > 0, jnp.sqrt(sum_of_squares + eps), jnp.inf
    )  # without a gradient so far there is no step
    return x - learning_rate * gradient / root, sum_of_squares


@solver(
    init=lambda x: jnp.zeros((x.size, x.size), x.dtype),
    formula="V ← V + g gᵀ;  x ← x - lr (eps I + √V)⁻¹ g",
    source="Duchi, Hazan and Singer 2011, jmlr.org/papers/v12/duchi11a.html, figure 1 with full matrices",
)
def adagrad_full(
    oracle: Oracle,
    x: Float[Array, "n"],
    sum_of_products: Float[Array, "n n"],
    *,
    learning_rate: float,
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n n"]]:
    """Adagrad with the whole matrix of products of gradients, `[n, n]`: the same in every rotation of the weights."""
    gradient = oracle.grad(x)
    sum_of_products = sum_of_products + jnp.outer(gradient, gradient)
    squares, axes = jnp.linalg.eigh(sum_of_products)
    # g has no part where V has none. What rounding leaves there, divided by little more than eps, could be any size.
    seen = squares > x.size * float(jnp.finfo(x.dtype).eps) * squares[-1]
    scaled = jnp.where(seen, axes.T @ gradient / (eps + jnp.sqrt(jnp.where(seen, squares, 1.0))), 0.0)
    return x - learning_rate * (axes @ scaled), sum_of_products


@solver(
    init=jnp.zeros_like,
    formula="s ← d s + (1 - d) g²;  x ← x - lr g / √(s + eps)",
    source="Tieleman and Hinton 2012, lecture 6.5; Ruder 2016, arXiv:1609.04747, section 4.5",
)
def rmsprop(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    *,
    learning_rate: float,
    decay: float = 0.9,
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """RMSprop: Adagrad that forgets, by a running mean of the squared gradients."""
    gradient = oracle.grad(x)
    mean_square = decay * mean_square + (1 - decay) * gradient * gradient
    # eps stands inside the root, as Ruder writes it
    return x - learning_rate * gradient / jnp.sqrt(mean_square + eps), mean_square


def _rmsprop_torch_state(x: Float[Array, "n"], centered: bool) -> tuple[Float[Array, "n"], Any, Float[Array, "n"]]:
    return jnp.zeros_like(x), jnp.zeros_like(x) if centered else (), jnp.zeros_like(x)


@rmsprop.convention(
    "torch",
    init=_rmsprop_torch_state,
    formula="s ← d s + (1 - d) g²;  v ← momentum v + g / (√s + eps);  x ← x - lr v;  "
    "centered: s less the squared running mean of g",
    note="eps stands outside the root, the decay is 0.99, and momentum and centring can be had",
)
def _rmsprop_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    mean: Any,
    velocity: Float[Array, "n"],
    *,
    learning_rate: float,
    decay: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Any, Float[Array, "n"]]:
    """RMSprop as torch.optim.RMSprop has it (its alpha is `decay`); with momentum, Graves 2013, arXiv:1308.0850."""
    gradient = oracle.grad(x)
    mean_square = decay * mean_square + (1 - decay) * gradient * gradient
    variance = mean_square
    if centered:
        mean = decay * mean + (1 - decay) * gradient
        variance = mean_square - mean * mean
    velocity = momentum * velocity + gradient / (jnp.sqrt(variance) + eps)
    return x - learning_rate * velocity, mean_square, mean, velocity


rmsprop.alike("optax", note="the paper's update and defaults; optax's eps_in_sqrt is on")


@solver(
    init=lambda x: (jnp.zeros_like(x), jnp.zeros_like(x)),
    formula="s ← rho s + (1 - rho) g²;  d = √(u + eps) / √(s + eps) g;  u ← rho u + (1 - rho) d²;  x ← x - lr d",
    source="Zeiler 2012, arXiv:1212.5701, algorithm 1",
)
def adadelta(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    mean_square_step: Float[Array, "n"],
    *,
    learning_rate: float,
    rho: float = 0.95,
    eps: float = 1e-6,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """Adadelta: RMSprop whose rate is the root mean square of its own past steps, which begins at the root of eps.

    The paper has no learning rate; here it is a factor, and 1 is the paper's method.
    """
    gradient = oracle.grad(x)
    mean_square = rho * mean_square + (1 - rho) * gradient * gradient
    # eps stands inside both roots
    step = jnp.sqrt(mean_square_step + eps) / jnp.sqrt(mean_square + eps) * gradient
    # the step before the learning rate is remembered, as torch and optax have it; at the paper's 1 it is the same
    mean_square_step = rho * mean_square_step + (1 - rho) * step * step
    return x - learning_rate * step, mean_square, mean_square_step


adadelta.alike("torch", note="the paper's update; rho is 0.9", rho=0.9)
adadelta.alike(
    "optax",
    note="the paper's update; rho is 0.9. Beware: optax.adadelta() without a learning rate climbs, "
    "since only a rate turns the sign of its steps",
    rho=0.9,
)
