"""How well a model predicts at given weights: R² or accuracy on training and held-out examples, and held-out loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gdbench import compilation
from gdbench.surfaces.base import Surface

# runs that one call scores, one after the other, and numbers in their weights
MOST, NUMBERS = 4096, 4_000_000


def scores_of(surface: Surface, x: np.ndarray) -> dict[str, np.ndarray]:
    """By column, such as `test_r2`, the metric of `surface` at the weights `x` `[runs, n]`; empty where it has none.

    A run's score does not depend on the others: each is computed by itself, in float64.
    """
    metric = surface.metric
    if metric is None:
        return {}
    return {
        f"{part}_{metric.name}": _at_each(metric.function, surface, x, examples)
        for part, examples in metric.parts.items()
    }


def held_out_losses(surface: Surface, x: np.ndarray) -> np.ndarray:
    """The loss on the held-out examples of `surface` at each of the weights `x` `[runs, n]`, in float64."""
    parameters = {name: np.float64(value) for name, value in surface.parameters.items()}
    return _at_each(_Loss(surface.function), surface, x, (parameters, *surface.held_out))


@dataclass(frozen=True)
class _Loss:
    """A surface's function with its parameters among the traced arguments."""

    function: Callable[..., Any]

    def __call__(self, x: Any, parameters: Mapping[str, Any], *data: Any, **options: Any) -> Any:
        return self.function(x, *data, **parameters, **options)


def _at_each(function: Callable[..., Any], surface: Surface, x: np.ndarray, given: tuple[Any, ...]) -> np.ndarray:
    """`function(row, *given, **options)` of every row of `x` `[runs, n]`, `[runs]`."""
    call = _compiled(function, tuple(sorted(surface.options.items())))
    most = max(1, min(MOST, NUMBERS // x.shape[1]))
    return compilation.in_chunks(call, most, np.asarray(x, np.float64), given)


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """`(points [most, n], count, given) -> [most]`, of which the first `count` are computed."""

    def every(points: Any, count: Any, given: Any) -> Any:
        def one(row: Any, found: Any) -> Any:
            return found.at[row].set(function(points[row], *given, **dict(options)))

        return lax.fori_loop(0, count, one, jnp.zeros(len(points)))

    return jax.jit(every, compiler_options=compilation.known({**compilation.FAST, **compilation.QUICK}))
