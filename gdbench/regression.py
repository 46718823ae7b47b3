"""Exact minimisers of linear and logistic regression, to measure distances and gaps against.

Both work in coordinates v with inputs @ w = basis @ v, where the basis has orthogonal columns of mean square 1: the
scale and the correlation of the columns then cost nothing, and raw and standardised features give one answer. The last
digits are polished in w itself, with residuals in extended precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRADIENT_NORM = 1e-10  # what a logistic minimiser must reach, where rounding permits
NEWTON_STEPS = 100
EPS = float(np.finfo(np.float64).eps)
MARGIN = 100 * EPS  # relative: an example nearer than this to a hyperplane lies on it
TINY = 1e-100  # a column below this is zero: its weight could not be represented


@dataclass(frozen=True)
class Solution:
    """The minimiser [p] of E or None, E there (nan without one), and a sentence when something is unusual."""

    minimiser: np.ndarray | None
    f_star: float
    note: str = ""


@dataclass(frozen=True)
class _Basis:
    """inputs @ (weights @ v) = columns @ v, with columns.T @ columns / N = 1, and where w is not determined."""

    columns: np.ndarray  # [N, rank]
    weights: np.ndarray  # [p, rank]
    null: np.ndarray  # [p, p - rank], orthonormal: directions of w that change no output

    def note(self) -> str:
        p, rank = self.weights.shape
        if rank == p:
            return ""
        return (
            f"the columns of the inputs are linearly dependent (rank {rank} of {p}), so the minimiser is not unique: "
            "this is the one of least norm"
        )

    def shortest(self, weights: np.ndarray) -> np.ndarray:
        """The weights of least norm with the same outputs."""
        return weights - self.null @ (self.null.T @ weights)


def linear_solution(inputs: np.ndarray, targets: np.ndarray) -> Solution:
    """Minimise E(w) = mean (inputs @ w - targets)^2 for inputs [N, p], targets [N].

    Least squares by singular values, then iterative refinement of the augmented system (Bjorck 1967,
    doi:10.1007/BF01939321), which keeps all digits of w on badly scaled inputs. Dependent columns: the minimiser of
    least norm, and `note` says so.
    """
    basis = _basis(inputs)
    q, n = basis.columns, len(inputs)
    weights = np.zeros(inputs.shape[1])
    residual = np.zeros(n)
    for _ in range(4):  # the first solves, each later one gains the digits that the conditioning leaves
        f = (targets - residual - _outputs(inputs, weights)).astype(np.float64)
        h = basis.weights.T @ -_combine(inputs, residual).astype(np.float64) / n
        d = q.T @ f / n
        weights = weights + basis.weights @ (d - h)
        residual = residual + f - q @ (d - h)
    weights = basis.shortest(weights)
    f_star = np.mean((_outputs(inputs, weights) - targets) ** 2)
    return Solution(weights, float(f_star), basis.note())


def logistic_solution(inputs: np.ndarray, targets: np.ndarray) -> Solution:
    """Minimise E(w) = mean log(1 + exp(-m)), m = (2 targets - 1) * (inputs @ w), for inputs [N, p], targets [N] of 0/1.

    Newton steps with a line search until the gradient norm (in w) is at most 1e-10, or as small as rounding w to
    float64 lets it be: about 1e-16 times the largest |input|^2 * |w|.

    When some w has no negative margin and one positive (complete separation if all are positive, else
    quasi-complete: Albert and Anderson 1984, doi:10.1093/biomet/71.1.1), E has no finite minimiser: `minimiser` is
    None, `f_star` nan, `note` says why. Decided by certificates that Newton's iterates give, else by a linear program.
    """
    basis = _basis(inputs)
    signs = np.where(targets > 0.5, 1.0, -1.0)
    signed = signs[:, None] * basis.columns
    v, verdict = _newton(signed)
    if verdict == "unknown":
        verdict = _separation(signed)
    if verdict != "overlap":
        limit = {"complete": "0", "quasi-complete": "a value that it never reaches"}[verdict]
        classes = "linearly separable" if verdict == "complete" else "quasi-completely separable"
        note = f"the two classes are {classes}: the loss has no finite minimiser (it decreases towards {limit} as the "
        return Solution(None, float("nan"), note + "weights grow)")

    def measure(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        margins = signs * _outputs(inputs, weights)
        gradient = _combine(inputs, -signs * _misfit(margins)) / len(inputs)
        return margins, gradient, float(np.linalg.norm(gradient.astype(np.float64)))

    weights = basis.shortest(basis.weights @ v)
    margins, gradient, norm = measure(weights)
    for _ in range(5):
        curved = _half_curvature(margins.astype(np.float64))[:, None] * signed
        slope = basis.weights.T @ gradient.astype(np.float64)
        trial = weights - basis.weights @ _solve_normal(curved, slope * len(inputs))
        polished = measure(trial)
        if not polished[2] < norm:  # the rounding floor
            break
        weights, (margins, gradient, norm) = trial, polished
    note = basis.note()
    floor = 100 * EPS * float(np.abs(inputs).max()) ** 2 * float(np.linalg.norm(weights))
    if norm > max(GRADIENT_NORM, floor):
        note = (
            f"{note}; " * bool(note) + f"the gradient norm at the minimiser is {norm:.1e}: the classes barely overlap"
        )
    return Solution(weights, float(np.mean(np.logaddexp(0, -margins))), note)


def reduce_examples(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most p + 1 examples with the same mean squared error at every w, so that a step costs p^2 instead of N p.

    With [inputs, targets] = Q R [N, p + 1] and orthogonal Q, the sum of squares of inputs @ w - targets is that of
    R @ [w, -1]; the factor sqrt((p + 1) / N) turns sums into means. Returned as they are when N <= p + 1. For full
    batches only: a row of R is no example.
    """
    n, p = inputs.shape
    if n <= p + 1:
        return inputs, targets
    factor = np.linalg.qr(np.column_stack([inputs, targets]), mode="r") * np.sqrt((p + 1) / n)
    return factor[:, :-1], factor[:, -1]


def _basis(inputs: np.ndarray) -> _Basis:
    """Orthogonal coordinates of the column space, and the way back."""
    n, p = inputs.shape
    largest = np.abs(inputs).max(axis=0)
    exponent = np.where(largest > TINY, np.frexp(largest)[1], 0)
    columns = np.ldexp(inputs, -exponent)  # by powers of two, so that scaling rounds nothing
    u, s, vt = np.linalg.svd(columns, full_matrices=False)
    # a sum of columns is dependent up to the rounding of N terms, so the threshold must grow with N
    rank = int(np.sum(s > s[0] * EPS * 10 * max(p, np.sqrt(n))))
    weights = np.ldexp(vt[:rank].T * (np.sqrt(n) / s[:rank]), -exponent[:, None])
    null = np.empty((p, 0))
    if rank < p:
        full = np.linalg.svd(columns, full_matrices=True)[2] if n < p else vt
        free = np.ldexp(full[rank:].T, -exponent[:, None])
        free /= np.abs(free).max(axis=0)
        order = np.argsort(-np.abs(free).max(axis=1))  # large rows first: Householder keeps the digits of small ones
        null = np.empty_like(free)
        null[order] = np.linalg.qr(free[order])[0]
    return _Basis(u[:, :rank] * np.sqrt(n), weights, null)


def _outputs(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """inputs @ weights [N] in extended precision, by blocks of rows to bound the memory."""
    return np.concatenate([block.astype(np.longdouble) @ weights for block in _blocks(inputs)])


def _combine(inputs: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """inputs.T @ coefficients [p] in extended precision."""
    parts = zip(_blocks(inputs), _blocks(coefficients), strict=True)
    return np.sum([block.T.astype(np.longdouble) @ part for block, part in parts], axis=0)


def _blocks(array: np.ndarray) -> list[np.ndarray]:
    return np.array_split(array, len(array) // 50_000 + 1)


def _misfit(margins: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(m)): minus the derivative of log(1 + exp(-m))."""
    return np.exp(-np.logaddexp(0, margins))


def _half_curvature(margins: np.ndarray) -> np.ndarray:
    """The square root of the second derivative of log(1 + exp(-m))."""
    return 0.5 / np.cosh(np.clip(margins, -700, 700) / 2)


def _solve_normal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve (a.T @ a) x = b through the triangular factor of a, which does not square its condition number."""
    from scipy.linalg import solve_triangular

    if not b.size:  # rank 0: inputs of nothing but zeros
        return b
    r = np.linalg.qr(a, mode="r")
    diagonal = np.abs(np.diag(r))
    if diagonal.min() <= EPS**2 * diagonal.max():
        r = r + np.diag(np.where(diagonal <= EPS**2 * diagonal.max(), EPS * diagonal.max(), 0.0))
    return solve_triangular(r, solve_triangular(r, b, trans="T"))


def _newton(signed: np.ndarray) -> tuple[np.ndarray, str]:
    """Minimise mean log(1 + exp(-signed @ v)): the best v, and the verdict that it proves (or unknown).

    Complete: every margin m = signed @ v is positive. Overlap: positive coefficients c with signed.T @ c = 0, as each
    separating v would make c . m positive. The misfits c = 1 / (1 + exp(m)) leave a gradient sum g for rounding;
    c * (1 - signed @ y), y = (signed.T @ diag(c) @ signed)^-1 @ g, leaves none, and |signed @ y| < 1 keeps it positive.
    """
    n, rank = signed.shape
    v, step = np.zeros(rank), np.zeros(rank)
    lengths = np.linalg.norm(signed, axis=1)
    margins = signed @ v
    for _ in range(NEWTON_STEPS):
        if _all_beyond(signed, v):
            return v, "complete"
        c = _misfit(margins)
        total = signed.T @ c
        if np.linalg.norm(total) <= n * 1e-15:
            break
        step = _solve_normal(_half_curvature(margins)[:, None] * signed, total)
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
    return v, _proven(signed, step, change > 1e-6 * np.abs(change).max()) or "unknown"


def _all_beyond(signed: np.ndarray, v: np.ndarray) -> bool:
    """Whether every margin is positive, by more than rounding."""
    return bool(np.all(signed @ v > MARGIN * np.linalg.norm(signed, axis=1) * np.linalg.norm(v)))


def _proven(signed: np.ndarray, v: np.ndarray, strict: np.ndarray) -> str:
    """Complete or quasi-complete if v, moved so that all but the `strict` examples lie on its plane, proves it."""
    if not strict.any():
        return ""
    if not strict.all():
        _, s, vt = np.linalg.svd(signed[~strict], full_matrices=False)
        on = vt[: int(np.sum(s > s.max() * EPS * 10 * np.sqrt(len(signed))))]
        v = v - on.T @ (on @ v)
        v = v - on.T @ (on @ v)  # twice: what is left may be a small part of v
    if not _all_beyond(signed[strict], v):
        return ""
    return "complete" if strict.all() else "quasi-complete"


def _separation(signed: np.ndarray) -> str:
    """Complete, quasi-complete or overlap, by a linear program.

    Maximise sum u subject to signed @ v >= u and 0 <= u <= 1: as v may be as long as it likes, u counts the examples
    that one v can put strictly on their side with none on the wrong one.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack

    n, rank = signed.shape
    rows = signed / np.linalg.norm(signed, axis=1, keepdims=True)
    found = linprog(
        np.concatenate([np.zeros(rank), -np.ones(n)]),
        A_ub=hstack([csr_array(-rows), eye_array(n)]),
        b_ub=np.zeros(n),
        bounds=[(None, None)] * rank + [(0, 1)] * n,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    if found.x is None:
        return "overlap"
    # the program is exact only up to a tolerance: examples just on the wrong side make its answer no proof
    return _proven(rows, found.x[:rank], found.x[rank:] > 0.5) or "overlap"
