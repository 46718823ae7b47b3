"""Compute the value of a scheduled hyperparameter at each step, from a base and other numbers, all of them traced.

optax's schedules choose between formulas with Python's `if`, and so take no traced number; these are the same formulas
without it. `count` is the number of updates made so far: 0 in the first step, as in optax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

CONSTANT = "constant"

# A traced number or one of Python.
Number = Float[Array, ""] | float


def constant(count: Number, value: Number) -> Number:
    """Return the base. Source: optax.constant_schedule."""
    return value


def cosine(
    count: Number, value: Number, *, decay_steps: Number, alpha: Number, exponent: Number | None = None
) -> Number:
    """Fall along half a cosine from the base to alpha times the base, and stay there from `decay_steps` on.

    value ((1 - alpha) c^exponent + alpha), c = (1 + cos(pi t / decay_steps)) / 2. Source: optax.cosine_decay_schedule;
    Loshchilov and Hutter 2017, eq. 5, without restarts.
    """
    return value * ((1 - alpha) * _half_wave(count, decay_steps, exponent) + alpha)


def polynomial(
    count: Number,
    value: Number,
    *,
    end_value: Number,
    transition_steps: Number,
    transition_begin: Number,
    power: Number | None = None,
) -> Number:
    """Go from the base to `end_value` in `transition_steps` after `transition_begin`; linear without a power.

    (value - end_value) (1 - (t - begin) / transition_steps)^power + end_value. Source: optax.polynomial_schedule.
    """
    left = 1 - jnp.clip(count - transition_begin, 0, transition_steps) / transition_steps
    return (value - end_value) * (left if power is None else left**power) + end_value


def exponential(
    count: Number,
    value: Number,
    *,
    transition_steps: Number,
    decay_rate: Number,
    transition_begin: Number,
    end_value: Number | None = None,
    whole: bool = False,
) -> Number:
    """Multiply by `decay_rate` every `transition_steps` after `transition_begin`, but do not pass `end_value`.

    value decay_rate^((t - begin) / transition_steps); with `whole` the exponent is rounded down. Source:
    optax.exponential_decay.
    """
    periods = jnp.maximum(count - transition_begin, 0) / transition_steps
    decayed = value * decay_rate ** (jnp.floor(periods) if whole else periods)
    if end_value is None:
        return decayed
    return jnp.where(decay_rate < 1, jnp.maximum(decayed, end_value), jnp.minimum(decayed, end_value))


def staircase(count: Number, value: Number, **numbers: Number) -> Number:
    """Decay as `exponential` does, but at once every `transition_steps`."""
    return exponential(count, value, **numbers, whole=True)


def piecewise(count: Number, value: Number, **jumps: Number) -> Number:
    """Multiply the base by scale1 from step boundary1 on, by scale2 as well from boundary2 on, and so forth.

    Source: optax.piecewise_constant_schedule.
    """
    for number in range(1, len(jumps) // 2 + 1):
        value = value * jnp.where(count < jumps[f"boundary{number}"], 1, jumps[f"scale{number}"])
    return value


def warmup(count: Number, value: Number, *, warmup_steps: Number, init_value: Number) -> Number:
    """Rise from `init_value` to the base in `warmup_steps`, and stay. Source: optax.warmup_constant_schedule."""
    return (init_value - value) * (1 - jnp.clip(count, 0, warmup_steps) / warmup_steps) + value


def warmup_cosine(
    count: Number,
    value: Number,
    *,
    warmup_steps: Number,
    decay_steps: Number,
    end_value: Number,
    init_value: Number,
    exponent: Number | None = None,
) -> Number:
    """Rise as `warmup` does, then fall along half a cosine to `end_value` at step `decay_steps` (warm-up included).

    Source: optax.warmup_cosine_decay_schedule.
    """
    wave = _half_wave(count - warmup_steps, decay_steps - warmup_steps, exponent)
    rising = warmup(count, value, warmup_steps=warmup_steps, init_value=init_value)
    return jnp.where(count < warmup_steps, rising, (value - end_value) * wave + end_value)


def inverse_sqrt(count: Number, value: Number, *, timescale: Number) -> Number:
    """Divide the base by the root of 1 + t / timescale: lr / sqrt(t), with t from 1, at a timescale of 1.

    Source: Reddi, Kale and Kumar 2018, section 5; with a timescale Zhai et al. 2022, arXiv:2106.04560.
    """
    return value / jnp.sqrt(1 + count / timescale)


def _half_wave(count: Number, steps: Number, exponent: Number | None) -> Number:
    """Fall along half a cosine from 1 at 0 to 0 at `steps`, and stay there."""
    # A cosine rounded below -1 would have no power.
    wave = jnp.maximum(0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(count, steps) / steps)), 0)
    return wave if exponent is None else wave**exponent


FORMULAS: dict[str, Callable[..., Number]] = {
    CONSTANT: constant,
    "cosine": cosine,
    "linear": polynomial,
    "polynomial": polynomial,
    "exponential": exponential,
    "staircase": staircase,
    "piecewise": piecewise,
    "warmup": warmup,
    "warmup-cosine": warmup_cosine,
    "inverse-sqrt": inverse_sqrt,
}


def values_at(
    schedules: Sequence[tuple[str, str]], hyperparameters: Mapping[str, Number], count: Number
) -> dict[str, Number]:
    """Compute the hyperparameters that change from step to step, for the step after `count` updates.

    schedules : pairs of a name and a kind. hyperparameters : the base of a schedule has the name, its other numbers
    are `NAME.NUMBER`.
    """
    values = {}
    for name, kind in schedules:
        if kind != CONSTANT:
            start = f"{name}."
            numbers = {key.removeprefix(start): one for key, one in hyperparameters.items() if key.startswith(start)}
            values[name] = FORMULAS[kind](count, hyperparameters[name], **numbers)
    return values


def resolved(hyperparameters: Mapping[str, Number], values: Mapping[str, Number]) -> dict[str, Number]:
    """Return the hyperparameters that a solver gets: the `values` of this step, and no other numbers of schedules."""
    return {**{name: value for name, value in hyperparameters.items() if "." not in name}, **values}
