"""Closed forms for sgd, heavy ball and Nesterov on a quadratic: rate, edge of stability, best settings, swinging.

Everything follows from the eigenvalues of the Hessian, `largest` L and `smallest` mu among them: along each of them
the error obeys a recurrence of its own. On a quadratic that is exact; at the minimum of another surface it holds
for runs that start close enough. Solvers are named as they are registered: sgd, momentum (heavy ball), nesterov.
Source: Lessard, Recht and Packard 2016, section 2.2 and proposition 1, doi:10.1137/15M1009597; Polyak 1964.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# The edges of stability as a legend writes them.
FORMULAS = {"sgd": "2/L", "momentum": "2(1+m)/L", "nesterov": "2(1+m)/(L(1+2m))"}


def rate(solver: str, eigenvalues: Any, learning_rate: Any, momentum: Any = 0.0) -> np.ndarray:
    """Compute the factor by which a step shrinks the distance in the long run, the largest root over all `eigenvalues`.

    sgd |1 - lr λ|; momentum the roots of z² - (1 + m - lr λ) z + m; nesterov those of z² - (1 + m) q z + m q with
    q = 1 - lr λ. `learning_rate` and `momentum` broadcast; NaN for other solvers, unless 0 <= momentum < 1. Above 1 the
    minimum repels.
    """
    a, m = np.broadcast_arrays(np.asarray(learning_rate, dtype=float), np.asarray(momentum, dtype=float))
    if solver not in FORMULAS:
        return np.full(a.shape, np.nan)
    steep = a[..., None] * np.asarray(eigenvalues, dtype=float)
    valid = (m >= 0) & (m < 1)
    m = np.where(valid, m, 0.0)[..., None]
    if solver == "sgd":
        largest = np.abs(1 - steep)
    else:
        root, q = np.sqrt(m), 1 - steep
        if solver == "momentum":
            total, product = 1 + m - steep, m + 0 * steep
            # the discriminant as a product: the difference of squares would lose half the digits at a double root
            discriminant = ((1 - root) ** 2 - steep) * ((1 + root) ** 2 - steep)
        else:
            total, product = (1 + m) * q, m * q
            discriminant = q * ((1 - m) ** 2 - (1 + m) ** 2 * steep)
        real = (np.abs(total) + np.sqrt(np.maximum(discriminant, 0))) / 2
        largest = np.where(discriminant < 0, np.sqrt(np.maximum(product, 0)), real)
    return np.where(valid, largest.max(axis=-1), np.nan)


def stability_edge(solver: str, largest: Any, momentum: Any = 0.0) -> np.ndarray:
    """Compute the learning rate above which `solver` diverges; NaN for others or unless L > 0 and 0 <= momentum < 1.

    sgd 2/L, momentum (heavy ball) 2(1+m)/L, nesterov 2(1+m)/(L(1+2m)): there the factor of a step along the steepest
    direction reaches -1. `largest` and `momentum` broadcast.
    """
    largest, m = np.broadcast_arrays(np.asarray(largest, dtype=float), np.asarray(momentum, dtype=float))
    valid = (largest > 0) & np.isfinite(largest) & (m >= 0) & (m < 1)
    reach = {"sgd": np.full(m.shape, 2.0), "momentum": 2 * (1 + m), "nesterov": 2 * (1 + m) / (1 + 2 * np.abs(m))}
    if solver not in reach:
        return np.full(m.shape, np.nan)
    return np.divide(reach[solver], largest, out=np.full(m.shape, np.nan), where=valid)


def complex_between(solver: str, eigenvalue: Any, momentum: Any) -> tuple[np.ndarray, np.ndarray]:
    """Compute the learning rates between which the error along `eigenvalue` > 0 swings: its roots are complex.

    momentum (1 - √m)²/λ and (1 + √m)²/λ; nesterov (1-m)²/((1+m)² λ) and 1/λ. NaN for other solvers, which have one
    real root, and unless 0 <= momentum < 1. `eigenvalue` and `momentum` broadcast.
    """
    each, m = np.broadcast_arrays(np.asarray(eigenvalue, dtype=float), np.asarray(momentum, dtype=float))
    valid = (m >= 0) & (m < 1)
    root = np.sqrt(np.where(valid, m, np.nan))
    if solver == "momentum":
        return (1 - root) ** 2 / each, (1 + root) ** 2 / each
    if solver == "nesterov":
        return ((1 - root**2) / (1 + root**2)) ** 2 / each, (1 + 0 * root) / each
    return np.full(m.shape, np.nan), np.full(m.shape, np.nan)


def best_setting(solver: str, smallest: float, largest: float) -> tuple[float, float]:
    """Compute the fastest learning rate and momentum on a quadratic; NaN for other solvers or mu <= 0.

    momentum: 4/(sqrt L + sqrt mu)^2 and ((sqrt L - sqrt mu)/(sqrt L + sqrt mu))^2. nesterov: 4/(3L + mu) and
    (sqrt(3L + mu) - 2 sqrt mu)/(sqrt(3L + mu) + 2 sqrt mu). sgd: 2/(L + mu), without momentum. The rates there, k
    being L/mu, are (√k - 1)/(√k + 1), 1 - 2/√(3k + 1) and (k - 1)/(k + 1).
    """
    if not 0 < smallest <= largest < np.inf:
        return np.nan, np.nan
    low, high, far = smallest**0.5, largest**0.5, (3 * largest + smallest) ** 0.5
    if solver == "momentum":
        return 4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2
    if solver == "nesterov":
        return 4 / far**2, (far - 2 * low) / (far + 2 * low)
    return (2 / (largest + smallest), 0.0) if solver == "sgd" else (np.nan, np.nan)


def steps_per_decade(rate: Any) -> np.ndarray:
    """Compute the steps in which a rate makes the gap of the loss ten times smaller; infinity from rate 1 on.

    ln 10 / (-2 ln rate), because the gap goes with the square of the distance.
    """
    factor = np.asarray(rate, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(factor >= 1, np.inf, np.log(10) / (-2 * np.log(factor)))


def extremes(contours: Mapping[str, Mapping[str, Any]], surface: str) -> tuple[float, float]:
    """Return the smallest and the largest eigenvalue at the minimum of a surface; NaN if they are not known."""
    eigenvalues = np.asarray(contours.get(surface, {}).get("eigenvalues", []), dtype=float).ravel()
    if not eigenvalues.size or not np.isfinite(eigenvalues).all():
        return np.nan, np.nan
    low, high = float(eigenvalues.min()), float(eigenvalues.max())
    # a smallest eigenvalue below the rounding of the largest one cannot be told from zero
    return (low if low > high * eigenvalues.size * np.finfo(float).eps else 0.0), high
