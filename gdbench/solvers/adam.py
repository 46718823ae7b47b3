"""Adam, Adam with the infinity norm, with weight decay, and quasi-hyperbolic: `adam`, `adamax`, `adamw`, `qhadam`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


def debiased_state(
    x: Float[Array, "n"],
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """Return the first state of Adam and its kin: both means at 0, the powers of b1 and b2 at 1."""
    one = jnp.ones((), x.dtype)
    return jnp.zeros_like(x), jnp.zeros_like(x), one, one


def next_power(b: float | Float[Array, ""], power: Float[Array, ""]) -> Float[Array, ""]:
    """Return bᵗ from `power`, which is bᵗ⁻¹: the share that debiasing by 1 - bᵗ removes.

    The power is carried, because one product a step is cheaper than raising b to the step's number.
    """
    # Below 1e-30 it no longer changes 1 - bᵗ; kept there it never becomes subnormal, where arithmetic is much slower.
    return jnp.maximum(b * power, 1e-30)


@solver(
    init=debiased_state,
    formula="m ← b1 m + (1 - b1) g;  v ← b2 v + (1 - b2) g²;  x ← x - lr m/(1 - b1ᵗ) / (√(v/(1 - b2ᵗ)) + eps)",
    source="Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Ruder 2016, arXiv:1609.04747, section 4.6",
)
def adam(
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
    """Adam: momentum on the gradient over RMSprop's rate, both corrected for their start at zero."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * gradient * gradient
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    # eps stands outside the root, as Kingma and Ba write it
    root = jnp.sqrt(mean_square / (1 - b2_power)) + eps
    return x - learning_rate * (mean / (1 - b1_power)) / root, mean, mean_square, b1_power, b2_power


adam.alike("torch", note="the paper's update and defaults")
adam.alike("optax", note="the paper's update and defaults; optax's eps_root is 0")


def _adamax_state(x: Float[Array, "n"]) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    return jnp.zeros_like(x), jnp.zeros_like(x), jnp.ones((), x.dtype)


@solver(
    init=_adamax_state,
    formula="m ← b1 m + (1 - b1) g;  u ← max(b2 u, |g|);  x ← x - lr m/(1 - b1ᵗ) / u",
    source="Kingma and Ba 2015, arXiv:1412.6980, algorithm 2",
)
def adamax(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    largest: Float[Array, "n"],
    b1_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    """Adamax: Adam over the largest gradient of late instead of the root of the mean square."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    largest = jnp.maximum(b2 * largest, jnp.abs(gradient))
    b1_power = next_power(b1, b1_power)
    # without eps: a weight that has had no gradient yet stays where it is
    scale = jnp.where(largest > 0, largest, jnp.inf)
    return x - learning_rate * (mean / (1 - b1_power)) / scale, mean, largest, b1_power


_ADAMAX_NOTE = "eps is added to |g| before the maximum is taken; the paper has no eps"
_ADAMAX_FORMULA = "m ← b1 m + (1 - b1) g;  u ← max(b2 u, |g| + eps);  x ← x - lr m/(1 - b1ᵗ) / u"


@adamax.convention("optax", init=_adamax_state, formula=_ADAMAX_FORMULA, note=_ADAMAX_NOTE)
@adamax.convention("torch", init=_adamax_state, formula=_ADAMAX_FORMULA, note=_ADAMAX_NOTE)
def _adamax_eps(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    largest: Float[Array, "n"],
    b1_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    """Adamax as torch.optim.Adamax and optax.adamax have it."""
    gradient = oracle.grad(x)
    mean = b1 * mean + (1 - b1) * gradient
    largest = jnp.maximum(b2 * largest, jnp.abs(gradient) + eps)
    b1_power = next_power(b1, b1_power)
    return x - learning_rate * (mean / (1 - b1_power)) / largest, mean, largest, b1_power


@solver(
    init=debiased_state,
    formula="m, v as in adam;  x ← x - lr m/(1 - b1ᵗ) / (√(v/(1 - b2ᵗ)) + eps) - weight_decay x",
    source="Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2",
)
def adamw(
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
    weight_decay: float = 2.5e-4,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """AdamW: Adam whose weights decay as well, past the root; it rests beside the minimiser, nearer to zero.

    The paper gives `weight_decay` no default: this is its normalised 0.025, divided by the root of 10000 full batches.
    """
    moved, *state = adam.function(
        oracle, x, mean, mean_square, b1_power, b2_power, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps
    )
    # the learning rate does not multiply it: in the paper only the schedule does
    return moved - weight_decay * x, *state


_ADAMW_FORMULA = "m, v as in adam;  x ← x - lr (m/(1 - b1ᵗ) / (√(v/(1 - b2ᵗ)) + eps) + weight_decay x)"


@adamw.convention(
    "torch",
    init=debiased_state,
    formula=_ADAMW_FORMULA,
    note="the learning rate multiplies weight_decay, which is 0.01",
)
def _adamw_torch(
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
    """AdamW as torch.optim.AdamW has it."""
    moved, *state = adam.function(
        oracle, x, mean, mean_square, b1_power, b2_power, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps
    )
    return moved - learning_rate * weight_decay * x, *state


@adamw.convention(
    "optax",
    init=debiased_state,
    formula=_ADAMW_FORMULA,
    note="the learning rate multiplies weight_decay, which is 1e-4",
)
def _adamw_optax(
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
    """AdamW as optax.adamw has it: torch's update."""
    moved, *state = adam.function(
        oracle, x, mean, mean_square, b1_power, b2_power, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps
    )
    return moved - learning_rate * weight_decay * x, *state


@solver(
    init=debiased_state,
    formula="m, v as in adam;  x ← x - lr ((1 - nu1) g + nu1 m/(1 - b1ᵗ)) / (√((1 - nu2) g² + nu2 v/(1 - b2ᵗ)) + eps)",
    source="Ma and Yarats 2019, arXiv:1810.06801, QHAdam; defaults as in github.com/facebookresearch/qhoptim",
)
def qhadam(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    mean_square: Float[Array, "n"],
    b1_power: Float[Array, ""],
    b2_power: Float[Array, ""],
    *,
    learning_rate: float,
    b1: float = 0.995,
    b2: float = 0.999,
    nu1: float = 0.7,
    nu2: float = 1.0,
    eps: float = 1e-8,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]:
    """Quasi-hyperbolic Adam: both of Adam's means are mixed with what this step alone has seen."""
    gradient = oracle.grad(x)
    square = gradient * gradient
    mean = b1 * mean + (1 - b1) * gradient
    mean_square = b2 * mean_square + (1 - b2) * square
    b1_power, b2_power = next_power(b1, b1_power), next_power(b2, b2_power)
    direction = (1 - nu1) * gradient + nu1 * (mean / (1 - b1_power))
    # eps stands outside the root
    root = jnp.sqrt((1 - nu2) * square + nu2 * (mean_square / (1 - b2_power))) + eps
    return x - learning_rate * direction / root, mean, mean_square, b1_power, b2_power
