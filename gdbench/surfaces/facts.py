"""Facts of a surface before any solver runs: its minima, its condition number, its fingerprint."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool, Float

from gdbench import compilation
from gdbench.compilation import in_chunks, numbers_held
from gdbench.errors import UsageError
from gdbench.surfaces.base import Surface, require_number

# CHUNK points go into one call; with data it works on at most AT_ONCE numbers at once, which fit into the second cache.
CHUNK, AT_ONCE = 2048, 2**16


@dataclass(frozen=True)
class Facts:
    """Facts at a surface's parameters.

    minimisers : the known ones, global ones first. minimum_losses : the loss at each. f_star : the lowest of them, NaN
    if none is known. hessians : the Hessian at each. condition_number : the largest over the smallest eigenvalue of the
    first, along the weights that no bound holds there; NaN if none is known.
    """

    minimisers: Float[np.ndarray, "minimisers n"]
    minimum_losses: Float[np.ndarray, "minimisers"]
    f_star: float
    hessians: Float[np.ndarray, "minimisers n n"]
    condition_number: float
    fingerprint: str

    @property
    def is_global(self) -> Bool[np.ndarray, "minimisers"]:
        """The minimisers that have the loss `f_star`, up to rounding, as a mask."""
        return self.minimum_losses <= self.f_star + 1e-9 * (1 + abs(self.f_star))


@lru_cache(maxsize=256)
def _hessian(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """Compile the Hessian of a surface's function at a point `[n]`; parameters and data are traced."""
    value = _of_x(function, options)

    def hessian(x: Any, parameters: Any, data: Any) -> Any:
        gradient = jax.grad(value)
        held = numbers_held(gradient, x, parameters, data) if data else 0
        if held * len(x) <= AT_ONCE * CHUNK:
            return jax.hessian(value)(x, parameters, data)

        def column(direction: Any) -> Any:
            return jax.jvp(lambda at: gradient(at, parameters, data), (x,), (direction,))[1]

        return lax.map(column, jnp.eye(len(x)), batch_size=max(1, AT_ONCE // held))

    return jax.jit(hessian, compiler_options=compilation.known(compilation.ONCE))


@lru_cache(maxsize=256)
def _values(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """Compile a surface's function at points `[CHUNK, n]`; parameters and data are traced."""
    every = jax.vmap(_of_x(function, options), (0, None, None))
    return jax.jit(
        lambda points, count, parameters, data: every(points, parameters, data),
        compiler_options=compilation.known(compilation.QUICK),
    )


@lru_cache(maxsize=256)
def _values_of_data(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """Compile a surface's function at the first `count` of points `[CHUNK, n]`, for a surface with data.

    So few points are computed at once that the numbers stay in the cache, on one thread, because the caller has threads
    of its own.
    """
    value = _of_x(function, options)

    def values(points: Any, count: Any, parameters: Any, data: Any) -> Any:
        held = numbers_held(value, points[0], parameters, data)
        # a power of two, so that it divides the chunk
        together = min(len(points), 1 << max(AT_ONCE // max(held, 1), 1).bit_length() - 1)
        several = jax.vmap(value, (0, None, None))

        def group(number: Any, losses: Any) -> Any:
            rows = lax.dynamic_slice_in_dim(points, number * together, together)
            new = several(rows, parameters, data)
            return lax.dynamic_update_slice_in_dim(losses, new, number * together, 0)

        shape = jax.eval_shape(several, points, parameters, data)
        return lax.fori_loop(0, (count + together - 1) // together, group, jnp.zeros(shape.shape, shape.dtype))

    return jax.jit(values, compiler_options=compilation.known(compilation.QUICK_ALONE))


def _of_x(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[[Any, Any, Any], Any]:
    return lambda x, parameters, data: function(x, *data, **parameters, **dict(options))


def _settings(surface: Surface) -> tuple[tuple[tuple[str, Any], ...], dict[str, np.float64]]:
    """Return the options, which are compiled in, and the parameters, which are traced."""
    return tuple(sorted(surface.options.items())), {name: np.float64(v) for name, v in surface.parameters.items()}


def values(surface: Surface, points: Float[np.ndarray, "points n"]) -> Float[np.ndarray, "points"]:
    """Compute f at `points` in float64, in whole chunks, so that any number of points compiles once."""
    points = np.asarray(points, dtype=np.float64)
    options, parameters = _settings(surface)
    call = (_values_of_data if surface.data else _values)(surface.function, options)
    # without data all chunks are done before a thread would have begun
    threads = (os.cpu_count() or 1) if surface.data else 1
    losses = in_chunks(call, CHUNK, points, parameters, surface.data, threads=threads)
    require_number(surface.name, losses.shape[1:])
    if np.iscomplexobj(losses):
        raise UsageError(f"surface '{surface.name}' returned a complex number, expected a real one")
    return losses


def facts_of(surface: Surface) -> Facts:
    """Compute the facts of `surface` at its parameters and dimension. Raises what a plug-in raises."""
    n = surface.dimension
    minimisers = surface.minimiser_points(n, surface.parameters)
    losses = values(surface, np.concatenate([minimisers, surface.probe_points()]))
    minimum_losses, probes = losses[: len(minimisers)], losses[len(minimisers) :]
    hessians = np.array([hessian_at(surface, point) for point in minimisers]).reshape(-1, n, n)
    return Facts(
        minimisers=minimisers,
        minimum_losses=minimum_losses,
        f_star=float(minimum_losses.min()) if len(minimisers) else float("nan"),
        hessians=hessians,
        condition_number=_condition(_free(surface, minimisers[0], hessians[0])) if len(hessians) else float("nan"),
        fingerprint=surface.fingerprint(probes),
    )


def hessian_at(surface: Surface, point: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n n"]:
    """Compute the Hessian; NaN if the surface has no second derivatives, since it can be minimised all the same."""
    try:
        options, parameters = _settings(surface)
        with jax.enable_x64(True):
            return np.asarray(_hessian(surface.function, options)(point, parameters, surface.data))
    except Exception:
        return np.full((len(point), len(point)), np.nan)


def _free(
    surface: Surface, point: Float[np.ndarray, "n"], hessian: Float[np.ndarray, "n n"]
) -> Float[np.ndarray, "free free"]:
    """Return the Hessian along the weights that no bound holds at `point`: a step can lead only along these."""
    bounds = surface.bounds_of(len(point))
    if bounds is None:
        return hessian
    free = (point > np.asarray(bounds[0])) & (point < np.asarray(bounds[1]))
    return hessian[np.ix_(free, free)]


def _condition(hessian: Float[np.ndarray, "n n"]) -> float:
    if not hessian.size or not np.all(np.isfinite(hessian)):
        return float("nan")
    eigenvalues = np.linalg.eigvalsh(hessian)
    low, high = eigenvalues[0], eigenvalues[-1]
    # an eigenvalue below the rounding of the largest one cannot be told from zero
    if low <= high * len(eigenvalues) * np.finfo(np.float64).eps:
        return float("inf") if high > 0 else float("nan")
    return float(high / low)
