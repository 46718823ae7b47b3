"""How well the model that a run ended with predicts: R² or accuracy, on training examples and on those held out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gdbench import compiler
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
    call = _compiled(metric.function, tuple(sorted(surface.options.items())))
    most = max(1, min(MOST, NUMBERS // x.shape[1]))
    found = {}
    with jax.enable_x64(True):
        for part, examples in metric.parts.items():
            scores = np.empty(len(x))
            for first in range(0, len(x), most):
                chunk = np.zeros((most, x.shape[1]))
                rows = x[first : first + most]
                chunk[: len(rows)] = rows
                scores[first : first + most] = np.asarray(call(chunk, np.int32(len(rows)), examples))[: len(rows)]
            found[f"{part}_{metric.name}"] = scores
    return found


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """`(points [most, n], count, examples) -> [most]`, of which the first `count` are scored."""

    def scores(points: Any, count: Any, examples: Any) -> Any:
        def one(row: Any, found: Any) -> Any:
            return found.at[row].set(function(points[row], *examples, **dict(options)))

        return lax.fori_loop(0, count, one, jnp.zeros(len(points)))

    return jax.jit(scores, compiler_options=compiler.known({**compiler.FAST, **compiler.QUICK}))
