"""Steps that know the curvature: `newton` asks for it, `lbfgs` gathers it from past gradients."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from gdbench.solvers.base import solver
from gdbench.solvers.oracle import Oracle

# The share of the promised fall that a step must bring, and the share of the slope that it may leave.
FALL, SLOPE = 1e-4, 0.9
MOST_TRIALS = 30


@solver(
    formula="x ← x + d,  H d = -g;  safeguard: H = QΛQᵀ, d = -Q max(|Λ|, small)⁻¹ Qᵀ g, halved until f falls by enough",
    source="Nocedal and Wright 2006, section 3.3 and, for the safeguard, 3.4 and algorithm 3.1",
)
def newton(oracle: Oracle, x: Float[Array, "n"], *, safeguard: bool = False) -> Float[Array, "n"]:
    """Newton's method: the full step to where the quadratic model is stationary, be it a minimum, saddle or maximum.

    With `safeguard` every step goes down. Where the model has no such point, or no step will do, x stays.
    """
    if not safeguard:
        after = x - jnp.linalg.solve(oracle.hessian(x), oracle.grad(x))
        return jnp.where(jnp.isfinite(after).all(), after, x)
    value, gradient = oracle.value_and_grad(x)
    curvatures, axes = jnp.linalg.eigh(oracle.hessian(x))
    curvatures = jnp.abs(curvatures)
    largest = jnp.where(curvatures.max() > 0, curvatures.max(), 1.0)
    curvatures = jnp.maximum(curvatures, float(jnp.finfo(x.dtype).eps) ** 0.5 * largest)
    direction = -axes @ (axes.T @ gradient / curvatures)

    def halved(
        carry: tuple[Float[Array, ""], Float[Array, ""], Int[Array, ""]],
    ) -> tuple[Float[Array, ""], Float[Array, ""], Int[Array, ""]]:
        rate, _, trials = carry
        rate = 0.5 * rate
        return rate, oracle.value(x + rate * direction), trials + 1

    def falls(rate: Float[Array, ""], trial: Float[Array, ""]) -> Bool[Array, ""]:
        return trial <= value + FALL * rate * (gradient @ direction)  # false where the trial is not a number

    first = (jnp.ones_like(value), oracle.value(x + direction), jnp.int32(1))
    rate, trial, _ = oracle.while_loop(lambda c: ~falls(c[0], c[1]) & (c[2] < MOST_TRIALS), halved, first)
    return jnp.where(falls(rate, trial), x + rate * direction, x)


class _Search(NamedTuple):
    """A search along a direction: the rate that is tried next lies between `low` and `high`."""

    rate: Float[Array, ""]
    low: Float[Array, ""]  # the largest rate known to bring enough of a fall
    high: Float[Array, ""]  # the smallest rate known not to
    x: Float[Array, "n"]  # the point at `low`
    gradient: Float[Array, "n"]  # the gradient at `low`
    done: Bool[Array, ""]
    trials: Int[Array, ""]


def _weak_wolfe(
    oracle: Oracle,
    x: Float[Array, "n"],
    value: Float[Array, ""],
    gradient: Float[Array, "n"],
    direction: Float[Array, "n"],
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Search for a point where the loss has fallen by enough and the slope has flattened; return it and its gradient.

    The rate is doubled until one is too long, then the interval is halved (Lewis and Overton 2013,
    doi:10.1007/s10107-012-0514-2, section 2). If no rate will do, the last one with enough of a fall is taken.
    """
    slope = gradient @ direction

    def turn(s: _Search) -> _Search:
        point = x + s.rate * direction
        trial, there = oracle.value_and_grad(point)
        # a loss that falls for ever must not carry x to infinity
        falls = (trial <= value + FALL * s.rate * slope) & jnp.isfinite(trial) & jnp.isfinite(there @ there)
        done = falls & (there @ direction >= SLOPE * slope)
        low, high = jnp.where(falls, s.rate, s.low), jnp.where(falls, s.high, s.rate)
        rate = jnp.where(jnp.isinf(high), 2 * low, 0.5 * (low + high))
        return _Search(
            rate, low, high, jnp.where(falls, point, s.x), jnp.where(falls, there, s.gradient), done, s.trials + 1
        )

    zero, one = jnp.zeros_like(value), jnp.ones_like(value)
    first = _Search(one, zero, one * jnp.inf, x, gradient, slope >= 0, jnp.int32(0))
    end = oracle.while_loop(lambda s: ~s.done & (s.trials < MOST_TRIALS), turn, first)
    return end.x, end.gradient


def _inverse_hessian_times(
    vector: Float[Array, "n"], steps: Float[Array, "memory n"], changes: Float[Array, "memory n"]
) -> Float[Array, "n"]:
    """Multiply `vector` by the L-BFGS model of the inverse Hessian; `steps` and `changes` have the newest pair last.

    The two loops of Nocedal and Wright 2006, algorithm 7.4; pairs of zeros are empty places.
    """
    products = jnp.sum(steps * changes, axis=1)
    weights = jnp.where(products > 0, 1 / products, 0.0)

    def backward(
        vector: Float[Array, "n"], pair: tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""]]
    ) -> tuple[Float[Array, "n"], Float[Array, ""]]:
        step, change, weight = pair
        share = weight * (step @ vector)
        return vector - share * change, share

    def forward(
        vector: Float[Array, "n"], pair: tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, ""], Float[Array, ""]]
    ) -> tuple[Float[Array, "n"], None]:
        step, change, weight, share = pair
        return vector + (share - weight * (change @ vector)) * step, None

    # without a pair the scale of f must not decide the first rate that is tried: the step has length 1 at most
    alone = 1 / jnp.maximum(1.0, jnp.sqrt(vector @ vector))
    scale = jnp.where(products[-1] > 0, products[-1] / (changes[-1] @ changes[-1]), alone)
    vector, shares = lax.scan(backward, vector, (steps, changes, weights), reverse=True)
    return lax.scan(forward, scale * vector, (steps, changes, weights, shares))[0]


def _no_pairs(x: Float[Array, "n"], memory: int) -> tuple[Float[Array, "memory n"], Float[Array, "memory n"]]:
    return jnp.zeros((memory, x.size), x.dtype), jnp.zeros((memory, x.size), x.dtype)


@solver(
    init=_no_pairs,
    formula="x ← x - r B g,  B ≈ H⁻¹ from the last `memory` pairs (s, y) = (step, change of gradient), γ = s'y / y'y;  "
    "r by bisection: f falls by 1e-4 of what the slope promises, and the slope to 0.9 of itself",
    source="Liu and Nocedal 1989, doi:10.1007/BF01589116; Nocedal and Wright 2006, algorithms 7.4 and 7.5",
)
def lbfgs(
    oracle: Oracle,
    x: Float[Array, "n"],
    steps: Float[Array, "memory n"],
    changes: Float[Array, "memory n"],
    *,
    memory: int = 10,
) -> tuple[Float[Array, "n"], Float[Array, "memory n"], Float[Array, "memory n"]]:
    """Limited-memory BFGS: Newton's step with the curvature that the last pairs of steps and gradients show.

    A step costs value and gradient at x and at every rate that is tried. Only pairs with s'y > 0 are kept. Where no
    rate will do, x stays, and the memory is emptied to start again from the gradient.
    """
    value, gradient = oracle.value_and_grad(x)
    after, there = _weak_wolfe(oracle, x, value, gradient, -_inverse_hessian_times(gradient, steps, changes))
    step, change = after - x, there - gradient
    curved = step @ change > float(jnp.finfo(x.dtype).eps) * (change @ change)

    def kept(pairs: Float[Array, "memory n"], new: Float[Array, "n"]) -> Float[Array, "memory n"]:
        pairs = jnp.where(curved, jnp.concatenate([pairs[1:], new[None]]), pairs)
        return jnp.where(jnp.any(step != 0), pairs, 0.0)

    return after, kept(steps, step), kept(changes, change)
