"""Adam with another second moment under the root: `amsgrad`, `adabelief`, `yogi`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.solvers.adam import debiased_state, next_power
from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


def _amsgrad_state(x: Float[Array, "n"]) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    return jnp.zeros_like(x), jnp.zeros_like(x), jnp.zeros_like(x)


@solver(
    init=_amsgrad_state,
    formula="m, v as in adam;  u ← max(u, v);  x ← x - lr m / √u",
    source="Reddi, Kale and Kumar 2018, arXiv:1904.09237, algorithm 2",
)
def amsgrad(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    largest: Float[Array, "n"],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """AMSGrad: Adam over the largest mean square so far, so that no rate ever grows; nothing is debiased."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    largest = jnp.maximum(largest, mean_square)
    # without eps: a weight that has had no gradient yet stays where it is
    root = jnp.where(largest > 0, jnp.sqrt(largest), jnp.inf)
    return x - learning_rate * mean / root, mean, mean_square, largest


def _debiased_amsgrad_state(
    x: Float[Array, "n"],
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    return *_amsgrad_state(x), *debiased_state(x)[2:]


@amsgrad.convention(
    "torch",
    init=_debiased_amsgrad_state,
    formula="m, v as in adam;  u ← max(u, v);  x ← x - lr m/(1 - b1ᵗ) / (√(u/(1 - b2ᵗ)) + eps)",
    note="m is debiased, and so is u after the maximum, which can then shrink; eps stands outside the root",
)
def _amsgrad_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    largest: Float[Array, "n"],
    b1_power: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[
    Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]
]:
    """AMSGrad as torch.optim.Adam(amsgrad=True) has it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    largest = jnp.maximum(largest, mean_square)
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    root = jnp.sqrt(largest / (1 - b2_power)) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, mean_square, largest, b1_power, b2_power


@amsgrad.convention(
    "optax",
    init=_debiased_amsgrad_state,
    formula="m, v as in adam;  u ← max(u, v/(1 - b2ᵗ));  x ← x - lr m/(1 - b1ᵗ) / (√u + eps)",
    note="m is debiased, and so is v before the maximum is taken; eps stands outside the root",
)
def _amsgrad_optax(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    largest: Float[Array, "n"],
    b1_power: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[
    Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]
]:
    """AMSGrad as optax.amsgrad has it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    largest = jnp.maximum(largest, mean_square / (1 - b2_power))
    root = jnp.sqrt(largest) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, mean_square, largest, b1_power, b2_power


@solver(
    init=debiased_state,
    formula="m as in adam;  s ← b2 s + (1 - b2)(g - m)² + eps;  x ← x - lr m/(1 - b1ᵗ) / (√(s/(1 - b2ᵗ)) + eps)",
    source="Zhuang et al. 2020, arXiv:2010.07468, algorithm 2",
)
def adabelief(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    variance: Float[Array, "n"],
    b1_power: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """AdaBelief: Adam over the spread of the gradient around its mean, so that what came as expected goes far."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    variance = b2 * variance + (1 - b2) * (gradient - mean) ** 2 + eps
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    # eps stands outside the root as well
    root = jnp.sqrt(variance / (1 - b2_power)) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, variance, b1_power, b2_power


@adabelief.convention(
    "optax",
    init=debiased_state,
    formula="m as in adam;  s ← b2 s + (1 - b2)(g - m)² + eps_root;  x ← x - lr m/(1 - b1ᵗ) / (√(s/(1 - b2ᵗ)) + eps)",
    note="what is added to s has a name of its own, eps_root, and both are 1e-16",
)
def _adabelief_optax(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    variance: Float[Array, "n"],
    b1_power: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-16,
    eps_root: float = 1e-16,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """AdaBelief as optax.adabelief has it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    variance = b2 * variance + (1 - b2) * (gradient - mean) ** 2 + eps_root
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    root = jnp.sqrt(variance / (1 - b2_power)) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, variance, b1_power, b2_power


@solver(
    init=lambda x: (jnp.zeros_like(x), jnp.zeros_like(x)),
    formula="m as in adam;  v ← v - (1 - b2) sign(v - g²) g²;  x ← x - lr m / (√v + eps)",
    source="Zaheer et al. 2018, papers.nips.cc/paper/8186, algorithm 2",
)
def yogi(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-3,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """Yogi: Adam whose second moment moves by the gradient's square alone, so that it forgets no faster than it learns.

    Nothing is debiased.
    """
    gradient = oracle.grad(x)
    square = gradient * gradient
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = mean_square - (1 - b2) * jnp.sign(mean_square - square) * square
    # eps stands outside the root
    return x - learning_rate * mean / (jnp.sqrt(mean_square) + eps), mean, mean_square


def _yogi_state(
    x: Float[Array, "n"],
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    one = jnp.ones((), x.dtype)
    return jnp.full_like(x, 1e-6), jnp.full_like(x, 1e-6), one, one


@yogi.convention(
    "optax",
    init=_yogi_state,
    formula="m as in adam;  v ← v - (1 - b2) sign(v - g²) g²;  x ← x - lr m/(1 - b1ᵗ) / (√(v/(1 - b2ᵗ)) + eps)",
    note="m and v both start at 1e-6 and both are debiased",
)
def _yogi_optax(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    b1_power: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-3,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """Yogi as optax.yogi has it."""
    gradient = oracle.grad(x)
    square = gradient * gradient
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = mean_square - (1 - b2) * jnp.sign(mean_square - square) * square
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    root = jnp.sqrt(mean_square / (1 - b2_power)) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, mean_square, b1_power, b2_power
