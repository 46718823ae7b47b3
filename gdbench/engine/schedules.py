"""Schedules of hyperparameters: the value at each step, from a base number and others, all of them traced.

optax's schedules choose by Python's `if` between formulas, and so take no traced number; these are the same formulas
without it. `count` is the number of updates made so far: 0 in the first step, as in optax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

CONSTANT = "constant"

# a number, or one for each of many lanes
Number = Any


def constant(count: Number, value: Number) -> Number:
    """The base. Source: optax.constant_schedule."""
    return value


def cosine(count: Number, value: Number, *, decay_steps: Number, alpha: Number, exponent: Number = None) -> Number:
    """Half a cosine from the base down to alpha times the base, and there from `decay_steps` on.

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
    power: Number = None,
) -> Number:
    """From the base to `end_value` in `transition_steps` after `transition_begin`; linear without a power.

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
    end_value: Number = None,
    whole: bool = False,
) -> Number:
    """`decay_rate` times as much every `transition_steps` after `transition_begin`, but not beyond `end_value`.

    value decay_rate^((t - begin) / transition_steps); with `whole` the exponent is rounded down. Source:
    optax.exponential_decay.
    """
    periods = jnp.maximum(count - transition_begin, 0) / transition_steps
    decayed = value * decay_rate ** (jnp.floor(periods) if whole else periods)
    if end_value is None:
        return decayed
    return jnp.where(decay_rate < 1, jnp.maximum(decayed, end_value), jnp.minimum(decayed, end_value))


def staircase(count: Number, value: Number, **numbers: Number) -> Number:
    """`exponential` in steps: `decay_rate` times as much at once every `transition_steps`."""
    return exponential(count, value, **numbers, whole=True)


def piecewise(count: Number, value: Number, **jumps: Number) -> Number:
    """The base times scale1 from step boundary1 on, times scale2 from boundary2 on, and so forth.

    Source: optax.piecewise_constant_schedule.
    """
    for number in range(1, len(jumps) // 2 + 1):
        value = value * jnp.where(count < jumps[f"boundary{number}"], 1, jumps[f"scale{number}"])
    return value


def warmup(count: Number, value: Number, *, warmup_steps: Number, init_value: Number) -> Number:
    """Linear from `init_value` to the base in `warmup_steps`, then the base. Source: optax.warmup_constant_schedule."""
    return (init_value - value) * (1 - jnp.clip(count, 0, warmup_steps) / warmup_steps) + value


def warmup_cosine(
    count: Number,
    value: Number,
    *,
    warmup_steps: Number,
    decay_steps: Number,
    end_value: Number,
    init_value: Number,
    exponent: Number = None,
) -> Number:
    """`warmup`, then half a cosine to `end_value`, reached at `decay_steps`, which the warm-up is part of.

    Source: optax.warmup_cosine_decay_schedule.
    """
    wave = _half_wave(count - warmup_steps, decay_steps - warmup_steps, exponent)
    rising = warmup(count, value, warmup_steps=warmup_steps, init_value=init_value)
    return jnp.where(count < warmup_steps, rising, (value - end_value) * wave + end_value)


def inverse_sqrt(count: Number, value: Number, *, timescale: Number) -> Number:
    """The base over the root of 1 + t / timescale: lr / sqrt(t), with t from 1, at a timescale of 1.

    Source: Reddi, Kale and Kumar 2018, section 5; with a timescale Zhai et al. 2022, arXiv:2106.04560.
    """
    return value / jnp.sqrt(1 + count / timescale)


def _half_wave(count: Number, steps: Number, exponent: Number) -> Number:
    """From 1 at 0 to 0 at `steps`, and 0 from there on."""
    # a cosine rounded below -1 would have no power
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
    """The hyperparameters that change from step to step, as they are in the step after `count` updates.

    `schedules` are pairs of a name and a kind; the base of a schedule stands under the name, its other numbers as
    `NAME.NUMBER`.
    """
    found = {}
    for name, kind in schedules:
        if kind != CONSTANT:
            start = f"{name}."
            numbers = {key.removeprefix(start): one for key, one in hyperparameters.items() if key.startswith(start)}
            found[name] = FORMULAS[kind](count, hyperparameters[name], **numbers)
    return found


def resolved(hyperparameters: Mapping[str, Number], values: Mapping[str, Number]) -> dict[str, Number]:
    """Hyperparameters as a solver gets them, at the `values` of a step: of schedules it sees nothing else."""
    return {**{name: value for name, value in hyperparameters.items() if "." not in name}, **values}
