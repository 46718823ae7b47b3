"""What theory says about learning rate and momentum on a quadratic: where a solver starts to diverge, where it is best.

Everything follows from the eigenvalues of the Hessian, of which `largest` and `smallest` are L and mu. On a quadratic
it is exact; at the minimum of another surface it holds for runs that start close enough.
Source: Lessard, Recht and Packard 2016, section 2.2 and proposition 1, doi:10.1137/15M1009597.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# the edges as a legend writes them
FORMULAS = {"sgd": "2/L", "momentum": "2(1+m)/L", "nesterov": "2(1+m)/(L(1+2m))"}


def stability_edge(solver: str, largest: Any, momentum: Any = 0.0) -> np.ndarray:
    """The learning rate above which `solver` diverges; NaN for other solvers, unless L > 0 and 0 <= momentum < 1.

    sgd 2/L, momentum (heavy ball) 2(1+m)/L, nesterov 2(1+m)/(L(1+2m)): there the factor of a step along the steepest
    direction reaches -1. `largest` and `momentum` broadcast.
    """
    largest, m = np.broadcast_arrays(np.asarray(largest, dtype=float), np.asarray(momentum, dtype=float))
    known = (largest > 0) & np.isfinite(largest) & (m >= 0) & (m < 1)
    reach = {"sgd": np.full(m.shape, 2.0), "momentum": 2 * (1 + m), "nesterov": 2 * (1 + m) / (1 + 2 * np.abs(m))}
    if solver not in reach:
        return np.full(m.shape, np.nan)
    return np.divide(reach[solver], largest, out=np.full(m.shape, np.nan), where=known)


def best_setting(solver: str, smallest: float, largest: float) -> tuple[float, float]:
    """The learning rate and momentum of the fastest convergence on a quadratic; NaN for other solvers or mu <= 0.

    momentum: 4/(sqrt L + sqrt mu)^2 and ((sqrt L - sqrt mu)/(sqrt L + sqrt mu))^2. nesterov: 4/(3L + mu) and
    (sqrt(3L + mu) - 2 sqrt mu)/(sqrt(3L + mu) + 2 sqrt mu). sgd: 2/(L + mu), without momentum.
    """
    if not 0 < smallest <= largest < np.inf:
        return np.nan, np.nan
    low, high, far = smallest**0.5, largest**0.5, (3 * largest + smallest) ** 0.5
    if solver == "momentum":
        return 4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2
    if solver == "nesterov":
        return 4 / far**2, (far - 2 * low) / (far + 2 * low)
    return (2 / (largest + smallest), 0.0) if solver == "sgd" else (np.nan, np.nan)


def extremes(contours: Mapping[str, Mapping[str, Any]], surface: str) -> tuple[float, float]:
    """The smallest and the largest eigenvalue at the minimum of a surface; NaN where they are not known."""
    eigenvalues = np.asarray(contours.get(surface, {}).get("eigenvalues", []), dtype=float).ravel()
    if not eigenvalues.size or not np.isfinite(eigenvalues).all():
        return np.nan, np.nan
    low, high = float(eigenvalues.min()), float(eigenvalues.max())
    # below rounding of the largest one, the smallest is zero for all that a Hessian can say
    return (low if low > high * eigenvalues.size * np.finfo(float).eps else 0.0), high
