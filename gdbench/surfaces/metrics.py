"""Score a model at given weights: R² or accuracy on training and held-out examples, and held-out loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from gdbench import compilation
from gdbench.surfaces.base import Surface

# One call scores at most MOST runs, one after the other, with at most NUMBERS weights in all.
MOST, NUMBERS = 4096, 4_000_000


def scores_of(surface: Surface, x: Float[np.ndarray, "runs n"]) -> dict[str, Float[np.ndarray, "runs"]]:
    """Compute the metric of `surface` at the weights `x`, by column, such as `test_r2`; empty if it has no metric.

    A run's score does not depend on the others: each is computed by itself, in float64.
    """
    metric = surface.metric
    if metric is None:
        return {}
    return {
        f"{part}_{metric.name}": _at_each(metric.function, surface, x, examples)
        for part, examples in metric.parts.items()
    }


def held_out_losses(surface: Surface, x: Float[np.ndarray, "runs n"]) -> Float[np.ndarray, "runs"]:
    """Compute the loss on the held-out examples of `surface` at the weights `x`, in float64."""
    parameters = {name: np.float64(value) for name, value in surface.parameters.items()}
    return _at_each(_Loss(surface.function), surface, x, (parameters, *surface.held_out))


@dataclass(frozen=True)
class _Loss:
    """A surface's function with its parameters among the traced arguments."""

    function: Callable[..., Any]

    def __call__(self, x: Any, parameters: Mapping[str, Any], *data: Any, **options: Any) -> Any:
        return self.function(x, *data, **parameters, **options)


def _at_each(
    function: Callable[..., Any], surface: Surface, x: Float[np.ndarray, "runs n"], given: tuple[Any, ...]
) -> Float[np.ndarray, "runs"]:
    """Compute `function(row, *given, **options)` for every row of `x`."""
    call = _compiled(function, tuple(sorted(surface.options.items())))
    most = max(1, min(MOST, NUMBERS // x.shape[1]))
    return compilation.in_chunks(call, most, np.asarray(x, np.float64), given)


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """Compile `(points [most, n], count, given) -> [most]`, which computes the first `count`."""

    def every(points: Any, count: Any, given: Any) -> Any:
        def one(row: Any, scores: Any) -> Any:
            return scores.at[row].set(function(points[row], *given, **dict(options)))

        return lax.fori_loop(0, count, one, jnp.zeros(len(points)))

    return jax.jit(every, compiler_options=compilation.known({**compilation.FAST, **compilation.QUICK}))
