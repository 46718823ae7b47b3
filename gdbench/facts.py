"""What is true of a surface before any solver runs: its minimum, its condition number, its fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from gdbench import compiler
from gdbench.errors import UsageError
from gdbench.surfaces.base import Surface, require_number

# points that are evaluated at once: so many, or fewer where there are more examples than these numbers allow
CHUNK, EXAMPLES = 2048, 2**21


@dataclass(frozen=True)
class Facts:
    """Facts at a surface's parameters.

    minimisers : `[m, n]`, global ones first; minimum_losses : `[m]`; f_star : the lowest of them, NaN where none is
    known; hessians : `[m, n, n]`; condition_number : largest over smallest eigenvalue of the first, NaN where none is.
    """

    minimisers: np.ndarray
    minimum_losses: np.ndarray
    f_star: float
    hessians: np.ndarray
    condition_number: float
    fingerprint: str

    @property
    def is_global(self) -> np.ndarray:
        """Which minimisers `[m]` have the loss `f_star`, up to rounding."""
        return self.minimum_losses <= self.f_star + 1e-9 * (1 + abs(self.f_star))

    @property
    def global_minimisers(self) -> np.ndarray:
        """Those minimisers `[g, n]`."""
        return self.minimisers[self.is_global]


@lru_cache(maxsize=256)
def _compiled(
    function: Callable[..., Any], options: tuple[tuple[str, Any], ...], what: str
) -> Callable[[np.ndarray, Any, Any], Any]:
    """`what` ("value" or "hessian") of a surface's function, over points `[.., n]`; parameters and data are traced."""

    def value(x: Any, parameters: Mapping[str, Any], data: Any) -> Any:
        return function(x, *data, **parameters, **dict(options))

    if what == "hessian":
        return jax.jit(jax.hessian(value), compiler_options=compiler.known(compiler.ONCE))
    return jax.jit(jax.vmap(value, (0, None, None)), compiler_options=compiler.known(compiler.QUICK))


def _call(surface: Surface, what: str, points: np.ndarray) -> np.ndarray:
    options = tuple(sorted(surface.options.items()))
    parameters = {name: np.float64(value) for name, value in surface.parameters.items()}
    with jax.enable_x64(True):
        return np.asarray(_compiled(surface.function, options, what)(points, parameters, surface.data))


def values(surface: Surface, points: np.ndarray) -> np.ndarray:
    """f at `points` `[p, n]` in float64, `[p]`; padded to whole chunks, so that any number of points compiles once."""
    points = np.asarray(points, dtype=np.float64)
    examples = len(surface.data[0]) if surface.data and surface.data[0].ndim else 1
    chunk = max(1, min(CHUNK, EXAMPLES // examples))
    padded = np.zeros((-(-max(len(points), 1) // chunk) * chunk, points.shape[1]))
    padded[: len(points)] = points
    found = [_call(surface, "value", padded[first : first + chunk]) for first in range(0, len(padded), chunk)]
    joined = np.concatenate(found)[: len(points)]
    require_number(surface.name, joined.shape[1:])
    if np.iscomplexobj(joined):
        raise UsageError(f"surface '{surface.name}' returned a complex number, expected a real one")
    return joined


def facts_of(surface: Surface) -> Facts:
    """The facts of `surface` at its parameters and dimension. Raises what a plug-in raises."""
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
        condition_number=_condition(hessians[0]) if len(hessians) else float("nan"),
        fingerprint=surface.fingerprint(probes),
    )


def hessian_at(surface: Surface, point: np.ndarray) -> np.ndarray:
    """The Hessian `[n, n]`, NaN where the surface has no second derivatives: it can be minimised all the same."""
    try:
        return _call(surface, "hessian", point)
    except Exception:
        return np.full((len(point), len(point)), np.nan)


def _condition(hessian: np.ndarray) -> float:
    if not np.all(np.isfinite(hessian)):
        return float("nan")
    eigenvalues = np.linalg.eigvalsh(hessian)
    low, high = eigenvalues[0], eigenvalues[-1]
    # below rounding of the largest one, the smallest eigenvalue is zero for all that the Hessian can say
    if low <= high * len(eigenvalues) * np.finfo(np.float64).eps:
        return float("inf") if high > 0 else float("nan")
    return float(high / low)
