"""Adam with Nesterov's momentum, without and with weight decay: `nadam`, `nadamw`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.solvers.adam import debiased_state, next_power
from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


@solver(
    init=debiased_state,
    formula="m, v as in adam;  x ← x - lr (b1 m + (1 - b1) g)/(1 - b1ᵗ) / (√(v/(1 - b2ᵗ)) + eps)",
    source="Dozat 2016, openreview OM0jvwB8jIp57ZJjtNEZ, simplified as in Ruder 2016, arXiv:1609.04747, section 4.8, "
    "and Choi et al. 2019, arXiv:1910.05446, table 1",
)
def nadam(
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
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """Nadam: Adam that looks ahead, by weighing the newest gradient as the next step's mean will.

    The momentum is constant and 1 - b1ᵗ debiases all of it. Dozat's own algorithm 2 debiases the mean for the next
    step, as torch and optax do, and multiplies v by b2 once more, as neither does.
    """
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    ahead = (b1 * mean + (1 - b1) * gradient) / (1 - b1_power)
    root = jnp.sqrt(mean_square / (1 - b2_power)) + eps
    return x - learning_rate * ahead / root, mean, mean_square, b1_power, b2_power


def _scheduled_state(
    x: Float[Array, "n"],
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    one = jnp.ones((), x.dtype)
    return jnp.zeros_like(x), jnp.zeros_like(x), one, one, one


@nadam.convention(
    "torch",
    init=_scheduled_state,
    formula="m, v as in adam;  c(t) = b1 (1 - 0.96^(momentum_decay t) / 2);  C(t) = c(1) ... c(t);  "
    "x ← x - lr (c(t+1) m/(1 - C(t+1)) + (1 - c(t)) g/(1 - C(t))) / (√(v/(1 - b2ᵗ)) + eps)",
    note="Dozat's schedule: the momentum rises from b1/2 to b1, and m is debiased by its product up to the next step",
)
def _nadam_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    schedule: Float[Array, ""],
    product: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    momentum_decay: float = 4e-3,
) -> tuple[
    Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""], Float[Array, ""]
]:
    """Nadam as torch.optim.NAdam has it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    fading = 0.96**momentum_decay
    schedule, b2_power = next_power(fading, schedule), next_power(b2, b2_power)
    momentum, next_momentum = b1 * (1 - 0.5 * schedule), b1 * (1 - 0.5 * fading * schedule)
    product = next_power(momentum, product)
    ahead = next_momentum * mean / (1 - next_momentum * product) + (1 - momentum) * gradient / (1 - product)
    root = jnp.sqrt(mean_square / (1 - b2_power)) + eps
    return x - learning_rate * ahead / root, mean, mean_square, schedule, product, b2_power


@nadam.convention(
    "optax",
    init=debiased_state,
    formula="m, v as in adam;  x ← x - lr (b1 m/(1 - b1ᵗ⁺¹) + (1 - b1) g/(1 - b1ᵗ)) / (√(v/(1 - b2ᵗ)) + eps)",
    note="Dozat's algorithm 2 with a constant momentum, without its second b2: m is debiased for the next step",
)
def _nadam_optax(
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
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """Nadam as optax.nadam has it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    ahead = b1 * mean / (1 - b1 * b1_power) + (1 - b1) * gradient / (1 - b1_power)
    root = jnp.sqrt(mean_square / (1 - b2_power)) + eps
    return x - learning_rate * ahead / root, mean, mean_square, b1_power, b2_power


@solver(
    init=debiased_state,
    formula="x ← x - lr (nadam's direction + weight_decay x)",
    source="Dahl et al. 2023, arXiv:2306.07179, NadamW; decay as in Loshchilov and Hutter 2019, arXiv:1711.05101",
)
def nadamw(
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
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """NadamW: Nadam whose weights decay as well, past the root.

    No paper gives `weight_decay` a default: this is the one that torch gives AdamW.
    """
    moved, *state = nadam.function(
        oracle, x, mean, mean_square, b1_power, b2_power, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps
    )
    return moved - learning_rate * weight_decay * x, *state


@nadamw.convention(
    "torch",
    init=_scheduled_state,
    note="the direction is nadam's in that convention, and weight_decay is 0: NAdam with decoupled_weight_decay",
)
def _nadamw_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    schedule: Float[Array, ""],
    product: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    momentum_decay: float = 4e-3,
    weight_decay: float = 0.0,
) -> tuple[
    Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""], Float[Array, ""]
]:
    """NadamW as torch.optim.NAdam(decoupled_weight_decay=True) has it."""
    settings = {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "momentum_decay": momentum_decay}
    moved, *state = _nadam_torch(oracle, x, mean, mean_square, schedule, product, b2_power, **settings)
    return moved - learning_rate * weight_decay * x, *state


@nadamw.convention(
    "optax",
    init=debiased_state,
    note="the direction is nadam's in that convention, and weight_decay is 1e-4",
)
def _nadamw_optax(
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
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """NadamW as optax.nadamw has it."""
    moved, *state = _nadam_optax(
        oracle, x, mean, mean_square, b1_power, b2_power, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps
    )
    return moved - learning_rate * weight_decay * x, *state
