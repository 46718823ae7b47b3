"""Plain steps and steps with momentum: `sgd`, `momentum`, `nesterov`, `aggmo`, `lion`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.errors import UsageError
from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle


@solver(formula="x ← x - lr ∇f(x)", source="Cauchy 1847; Ruder 2016, arXiv:1609.04747, section 2")
def sgd(oracle: Oracle, x: Float[Array, "n"], *, learning_rate: float) -> Float[Array, "n"]:
    """Plain gradient descent."""
    return x - learning_rate * oracle.grad(x)


sgd.alike("optax", note="the same update")


@sgd.convention(
    "torch",
    formula="x ← x - lr (∇f(x) + weight_decay x)",
    note="the same update, with the weights' decay added to the gradient",
)
def _sgd_torch(
    oracle: Oracle, x: Float[Array, "n"], *, learning_rate: float, weight_decay: float = 0.0
) -> Float[Array, "n"]:
    return x - learning_rate * (oracle.grad(x) + weight_decay * x)


@solver(
    init=jnp.zeros_like,
    formula="v ← m v + lr ∇f(x);  x ← x - v",
    source="Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Ruder 2016, arXiv:1609.04747, section 4.1",
)
def momentum(
    oracle: Oracle, x: Float[Array, "n"], velocity: Float[Array, "n"], *, learning_rate: float, momentum: float = 0.9
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Heavy-ball momentum: the velocity sums past gradients, so that steps across a ravine cancel."""
    velocity = momentum * velocity + learning_rate * oracle.grad(x)
    return x - velocity, velocity


def _undampened(x: Float[Array, "n"]) -> tuple[Float[Array, "n"], Float[Array, ""]]:
    return jnp.zeros_like(x), jnp.ones((), x.dtype)


@momentum.convention(
    "torch",
    init=_undampened,
    formula="v ← m v + (1 - dampening) g, but v ← g at first;  x ← x - lr v,  g = ∇f(x) + weight_decay x",
    note="the rate stands outside the velocity, which differs only where it changes; dampening spares the first "
    "gradient; the weights' decay is added to the gradient",
)
def _momentum_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    velocity: Float[Array, "n"],
    share: Float[Array, ""],
    *,
    learning_rate: float,
    momentum: float = 0.9,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]:
    velocity = momentum * velocity + share * (oracle.grad(x) + weight_decay * x)
    # without momentum torch keeps no velocity, so that nothing is dampened
    share = jnp.where(jnp.asarray(momentum) == 0, 1.0, 1 - dampening).astype(x.dtype)
    return x - learning_rate * velocity, velocity, share


@momentum.convention(
    "optax",
    init=jnp.zeros_like,
    formula="v ← m v + ∇f(x);  x ← x - lr v",
    note="the rate stands outside the velocity, which differs only where it changes",
)
def _momentum_optax(
    oracle: Oracle, x: Float[Array, "n"], velocity: Float[Array, "n"], *, learning_rate: float, momentum: float = 0.9
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    velocity = momentum * velocity + oracle.grad(x)
    return x - learning_rate * velocity, velocity


@solver(
    init=jnp.zeros_like,
    formula="v ← m v + lr ∇f(x - m v);  x ← x - v",
    source="Nesterov 1983; Sutskever et al. 2013, eq. 3-4; Ruder 2016, arXiv:1609.04747, section 4.2",
)
def nesterov(
    oracle: Oracle, x: Float[Array, "n"], velocity: Float[Array, "n"], *, learning_rate: float, momentum: float = 0.9
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Nesterov's momentum: the gradient is taken where the velocity alone would arrive."""
    velocity = momentum * velocity + learning_rate * oracle.grad(x - momentum * velocity)
    return x - velocity, velocity


LOOK_AHEAD = (
    "the iterate is the look-ahead point x - m v of the paper's; the rate stands outside the velocity, which differs "
    "further where it changes"
)


@nesterov.convention(
    "torch",
    init=jnp.zeros_like,
    formula="v ← m v + g;  x ← x - lr (g + m v),  g = ∇f(x) + weight_decay x",
    note=f"{LOOK_AHEAD}; the weights' decay is added to the gradient",
)
def _nesterov_torch(
    oracle: Oracle,
    x: Float[Array, "n"],
    velocity: Float[Array, "n"],
    *,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    gradient = oracle.grad(x) + weight_decay * x
    velocity = momentum * velocity + gradient
    return x - learning_rate * (gradient + momentum * velocity), velocity


@nesterov.convention(
    "optax", init=jnp.zeros_like, formula="v ← m v + ∇f(x);  x ← x - lr (∇f(x) + m v)", note=LOOK_AHEAD
)
def _nesterov_optax(
    oracle: Oracle, x: Float[Array, "n"], velocity: Float[Array, "n"], *, learning_rate: float, momentum: float = 0.9
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    gradient = oracle.grad(x)
    velocity = momentum * velocity + gradient
    return x - learning_rate * (gradient + momentum * velocity), velocity


def _velocities(x: Float[Array, "n"], *, count: int) -> Float[Array, "count n"]:
    if count < 1:
        raise UsageError(f"option 'count' of solver 'aggmo' must be at least 1, not {count}")
    return jnp.zeros((count, *x.shape), x.dtype)


@solver(
    init=_velocities,
    formula="vᵢ ← (1 - aⁱ) vᵢ + ∇f(x)  for i = 0 .. count - 1;  x ← x - lr mean of vᵢ",
    source="Lucas, Sun, Zemel and Grosse 2019, arXiv:1804.00325",
)
def aggmo(
    oracle: Oracle,
    x: Float[Array, "n"],
    velocities: Float[Array, "count n"],
    *,
    learning_rate: float,
    a: float = 0.1,
    count: int = 3,
) -> tuple[Float[Array, "n"], Float[Array, "count n"]]:
    """Aggregated momentum: the mean of several velocities, of which the short-lived damp the long-lived.

    `a` is the paper's scale factor: 0.1 and three velocities have the momenta 0, 0.9 and 0.99.
    """
    momenta = jnp.stack([jnp.asarray(1 - a**i, x.dtype) for i in range(count)])
    velocities = momenta[:, None] * velocities + oracle.grad(x)
    return x - learning_rate * jnp.mean(velocities, axis=0), velocities


@solver(
    init=jnp.zeros_like,
    formula="x ← x - lr (sign(b1 m + (1 - b1) g) + weight_decay x);  m ← b2 m + (1 - b2) g",
    source="Chen et al. 2023, arXiv:2302.06675, algorithm 2",
)
def lion(
    oracle: Oracle,
    x: Float[Array, "n"],
    mean: Float[Array, "n"],
    *,
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.99,
    weight_decay: float = 0.0,
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Lion: the sign of a running mean of gradients, so that every weight moves by the rate."""
    gradient = oracle.grad(x)
    # the step weighs the new gradient by 1 - b1, the carried mean by 1 - b2
    sign = jnp.sign(b1 * mean + (1 - b1) * gradient)
    # the decay is decoupled: it enters neither the sign nor the mean
    return x - learning_rate * (sign + weight_decay * x), b2 * mean + (1 - b2) * gradient


lion.alike("optax", note="the same update; weight_decay 1e-3", weight_decay=1e-3)
