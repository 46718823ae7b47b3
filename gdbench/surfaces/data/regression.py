"""Compute exact minimisers of linear and logistic regression, to measure distances and gaps against.

Both work in coordinates v with inputs @ w = basis @ v, where the basis has orthogonal columns of mean square 1: the
scale and the correlation of the columns then cost nothing, and raw and standardised features give one answer. The last
digits are polished in w itself, with residuals in extended precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gdbench.surfaces.data.column_basis import EPS, basis_of, combine, decay_rows, outputs, solve_normal
from gdbench.surfaces.data.separability import all_beyond, no_minimiser, proven, separation

GRADIENT_NORM = 1e-10  # a logistic minimiser must reach this unless rounding forbids it
NEWTON_STEPS = 100


@dataclass(frozen=True)
class Solution:
    """The minimiser of E or None, E there (NaN without one), and a sentence if something is unusual."""

    minimiser: Float[np.ndarray, "p"] | None
    f_star: float
    note: str = ""


def linear_solution(
    inputs: Float[np.ndarray, "N p"], targets: Float[np.ndarray, "N"], weight_decay: float = 0.0
) -> Solution:
    """Minimise E(w) = mean (inputs @ w - targets)^2 + weight_decay / 2 |w|^2.

    The last column is the intercept, which does not decay. Decay is least squares with one more example for every
    weight: input sqrt(N weight_decay / 2) for it and 0 for the others, target 0.

    Least squares by singular values, then iterative refinement of the augmented system (Bjorck 1967,
    doi:10.1007/BF01939321), which keeps all digits of w on badly scaled inputs. Dependent columns: the minimiser of
    least norm, and `note` says so.
    """
    examples = len(inputs)
    if weight_decay:
        inputs = np.concatenate([inputs, decay_rows(inputs.shape[1], examples * weight_decay / 2)])
        targets = np.concatenate([targets, np.zeros(inputs.shape[1] - 1)])
    basis = basis_of(inputs)
    q, n = basis.columns, len(inputs)
    weights = np.zeros(inputs.shape[1])
    residual = np.zeros(n)
    for _ in range(4):  # the first turn solves, each later one gains the digits that the conditioning leaves
        f = (targets - residual - outputs(inputs, weights)).astype(np.float64)
        h = basis.weights.T @ -combine(inputs, residual).astype(np.float64) / n
        d = q.T @ f / n
        weights = weights + basis.weights @ (d - h)
        residual = residual + f - q @ (d - h)
    weights = basis.shortest(weights)
    f_star = np.sum((outputs(inputs, weights) - targets) ** 2) / examples
    return Solution(weights, float(f_star), basis.note())


def logistic_solution(inputs: Float[np.ndarray, "N p"], targets: Float[np.ndarray, "N"]) -> Solution:
    """Minimise E(w) = mean log(1 + exp(-m)), m = (2 targets - 1) * (inputs @ w), targets of 0/1.

    Newton steps with a line search until the gradient norm (in w) is at most 1e-10, or as small as rounding w to
    float64 lets it be: about 1e-16 times the largest |input|^2 * |w|.

    When some w has no negative margin and one positive (complete separation if all are positive, else
    quasi-complete: Albert and Anderson 1984, doi:10.1093/biomet/71.1.1), E has no finite minimiser: `minimiser` is
    None, `f_star` nan, `note` says why. Certificates from Newton's iterates decide it, else a linear program.
    """
    basis = basis_of(inputs)
    signs = np.where(targets > 0.5, 1.0, -1.0)
    signed = signs[:, None] * basis.columns
    v, verdict = _newton(signed)
    if verdict == "unknown":
        verdict = separation(signed)
    if verdict != "overlap":
        return Solution(None, float("nan"), no_minimiser(verdict))

    def measure(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        margins = signs * outputs(inputs, weights)
        gradient = combine(inputs, -signs * _misfit(margins)) / len(inputs)
        return margins, gradient, float(np.linalg.norm(gradient.astype(np.float64)))

    weights = basis.shortest(basis.weights @ v)
    margins, gradient, norm = measure(weights)
    for _ in range(5):
        curved = _half_curvature(margins.astype(np.float64))[:, None] * signed
        slope = basis.weights.T @ gradient.astype(np.float64)
        trial = weights - basis.weights @ solve_normal(curved, slope * len(inputs))
        polished = measure(trial)
        if not polished[2] < norm:  # rounding allows no further digit
            break
        weights, (margins, gradient, norm) = trial, polished
    note = basis.note()
    floor = 100 * EPS * float(np.abs(inputs).max()) ** 2 * float(np.linalg.norm(weights))
    if norm > max(GRADIENT_NORM, floor):
        note = (
            f"{note}; " * bool(note) + f"the gradient norm at the minimiser is {norm:.1e}: the classes barely overlap"
        )
    return Solution(weights, float(np.mean(np.logaddexp(0, -margins))), note)


def reduce_examples(
    inputs: Float[np.ndarray, "N p"], targets: Float[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "rows p"], Float[np.ndarray, "rows"]]:
    """Make at most p + 1 examples with the same mean squared error at every w: a step costs p^2 instead of N p.

    With [inputs, targets] = Q R [N, p + 1] and orthogonal Q, the sum of squares of inputs @ w - targets is that of
    R @ [w, -1]; the factor sqrt((p + 1) / N) turns sums into means. The examples are returned as they are if
    N <= p + 1. For full batches only, because a row of R is no example.
    """
    n, p = inputs.shape
    if n <= p + 1:
        return inputs, targets
    factor = np.linalg.qr(np.column_stack([inputs, targets]), mode="r") * np.sqrt((p + 1) / n)
    return factor[:, :-1], factor[:, -1]


def _misfit(margins: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(m)), minus the derivative of log(1 + exp(-m))."""
    return np.exp(-np.logaddexp(0, margins))


def _half_curvature(margins: np.ndarray) -> np.ndarray:
    """Return the square root of the second derivative of log(1 + exp(-m))."""
    return 0.5 / np.cosh(np.clip(margins, -700, 700) / 2)


def _newton(signed: np.ndarray) -> tuple[np.ndarray, str]:
    """Minimise mean log(1 + exp(-signed @ v)); return the best v, and the verdict that it proves (or unknown).

    Complete: every margin m = signed @ v is positive. Overlap: positive coefficients c with signed.T @ c = 0, as each
    separating v would make c . m positive. The misfits c = 1 / (1 + exp(m)) leave a gradient sum g for rounding;
    c * (1 - signed @ y), y = (signed.T @ diag(c) @ signed)^-1 @ g, leaves none, and |signed @ y| < 1 keeps it positive.
    """
    n, rank = signed.shape
    v, step = np.zeros(rank), np.zeros(rank)
    lengths = np.linalg.norm(signed, axis=1)
    margins = signed @ v
    for _ in range(NEWTON_STEPS):
        if all_beyond(signed, v):
            return v, "complete"
        c = _misfit(margins)
        total = signed.T @ c
        if np.linalg.norm(total) <= n * 1e-15:
            break
        step = solve_normal(_half_curvature(margins)[:, None] * signed, total)
        change = signed @ step
        loss, slope, size = np.logaddexp(0, -margins).mean(), float(total @ step) / n, 1.0
        while (
            size > 1e-8 and np.logaddexp(0, -margins - size * change).mean() > loss - 1e-4 * size * slope + EPS * loss
        ):
            size /= 2
        if size <= 1e-8:
            break
        v = v + size * step
        margins = signed @ v
    c = _misfit(margins)
    error = 4 * EPS * np.sqrt(n) * float(lengths @ c)
    weighted = signed.T @ (c[:, None] * signed)
    curvature = np.linalg.eigvalsh(weighted)[0] - 100 * EPS * np.trace(weighted) if rank else 0.0
    if (np.linalg.norm(signed.T @ c) + error) * lengths.max() < curvature or not rank:
        return v, "overlap"
    # without a finite minimiser the last steps go along a separating direction
    change = signed @ step
    return v, proven(signed, step, change > 1e-6 * np.abs(change).max()) or "unknown"
