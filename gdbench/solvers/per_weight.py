"""One rate per weight, steered by the signs of its last two gradients: `gains`, `rprop`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


def _agreement(gradient: Float[Array, "n"], last: Float[Array, "n"]) -> Float[Array, "n"]:
    """Return 1 where two gradients have the same sign, -1 where they differ, 0 where either is zero."""
    # the signs are multiplied, because the product of two small gradients underflows to zero
    return jnp.sign(gradient) * jnp.sign(last)


@solver(
    init=lambda x: (jnp.ones_like(x), jnp.zeros_like(x)),
    formula="μ ← clip(μ + up  if g · last g > 0;  μ · down  if < 0;  μ  if = 0);  x ← x - lr μ g",
    source="Jacobs 1988, doi:10.1016/0893-6080(88)90003-2; Hinton 2012, lecture 6.4",
)
def gains(
    oracle: Oracle,
    x: Float[Array, "n"],
    gain: Float[Array, "n"],
    last_gradient: Float[Array, "n"],
    *,
    learning_rate: float,
    up: float = 0.05,
    down: float = 0.95,
    low: float = 0.1,
    high: float = 10.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """Gradient descent with a gain per weight: up by a little while its gradients agree in sign, else down by a factor.

    Every gain starts at 1 and lies between `low` and `high`. Where either gradient is zero, as before the first step,
    the gain stays, as in Jacobs's rule: the lecture's "else" would lower it, though nothing has turned.
    """
    gradient = oracle.grad(x)
    agreement = _agreement(gradient, last_gradient)
    steered = jnp.where(agreement > 0, gain + up, jnp.where(agreement < 0, gain * down, gain))
    gain = jnp.clip(steered, low, high)
    return x - learning_rate * gain * gradient, gain, gradient


def _first_sizes(x: Float[Array, "n"], learning_rate: float) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    return jnp.ones_like(x) * learning_rate, jnp.zeros_like(x)


def _resized(size: Float[Array, "n"], agreement: Float[Array, "n"], up: float, down: float) -> Float[Array, "n"]:
    return jnp.where(agreement > 0, size * up, jnp.where(agreement < 0, size * down, size))


@solver(
    init=_first_sizes,
    formula="Δ ← clip(Δ · up  if g · last g > 0;  Δ · down  if < 0;  Δ  if = 0);  x ← x - Δ sign g;  Δ starts at lr",
    source="Riedmiller and Braun 1993, doi:10.1109/ICNN.1993.298623; Hinton 2012, lecture 6.5",
)
def rprop(
    oracle: Oracle,
    x: Float[Array, "n"],
    size: Float[Array, "n"],
    last_gradient: Float[Array, "n"],
    *,
    learning_rate: float,
    up: float = 1.2,
    down: float = 0.5,
    low: float = 1e-6,
    high: float = 50.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """Rprop: steps of a size per weight, whatever the gradient's; larger while its sign stays, smaller when it turns.

    After a change of sign the shorter step is taken at once with the new sign, as in the lecture: none is taken back.
    """
    gradient = oracle.grad(x)
    size = jnp.clip(_resized(size, _agreement(gradient, last_gradient), up, down), low, high)
    return x - size * jnp.sign(gradient), size, gradient


@rprop.convention(
    "torch",
    init=_first_sizes,
    formula="as the paper's, but g ← 0 where the sign has changed",
    note="after a change of sign the weight rests for one step, and the next step keeps its size",
)
def _rprop_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    size: Float[Array, "n"],
    last_gradient: Float[Array, "n"],
    *,
    learning_rate: float,
    up: float = 1.2,
    down: float = 0.5,
    low: float = 1e-6,
    high: float = 50.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """Rprop as torch.optim.Rprop has it."""
    gradient = oracle.grad(x)
    agreement = _agreement(gradient, last_gradient)
    size = jnp.clip(_resized(size, agreement, up, down), low, high)
    gradient = jnp.where(agreement < 0, 0.0, gradient)
    return x - size * jnp.sign(gradient), size, gradient


@rprop.convention(
    "optax",
    init=_first_sizes,
    formula="p ← 0 where g · p < 0 else Δ sign g;  x ← x - the p before, 0 where g · p < 0",
    note="each step is the one that the gradient before asked for, so that the first moves nothing; "
    "after a change of sign the weight rests for two steps",
)
def _rprop_optax(
    oracle: Oracle,
    x: Float[Array, "n"],
    size: Float[Array, "n"],
    pending: Float[Array, "n"],
    *,
    learning_rate: float,
    up: float = 1.2,
    down: float = 0.5,
    low: float = 1e-6,
    high: float = 50.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """Rprop as optax.rprop has it: `pending` is the step that the next one takes."""
    gradient = oracle.grad(x)
    agreement = _agreement(gradient, pending)
    # optax does not clip a size that stays as it is
    size = jnp.where(agreement == 0, size, jnp.clip(_resized(size, agreement, up, down), low, high))
    moved = jnp.where(agreement < 0, 0.0, pending)
    return x - moved, size, jnp.where(agreement < 0, 0.0, size * jnp.sign(gradient))
