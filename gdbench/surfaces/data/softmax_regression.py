"""Compute exact minimisers of cross-entropies with several classes or weight decay, by Newton's method.

It works in the coordinates of `column_basis`, where weight decay is rows under the examples, so that neither the scale
of the columns nor a small decay costs digits. The last digits are polished in the weights themselves, with gradients in
extended precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gdbench.surfaces.data.column_basis import EPS, Basis, basis_of, combine, decay_rows, outputs
from gdbench.surfaces.data.regression import GRADIENT_NORM, NEWTON_STEPS, Solution
from gdbench.surfaces.data.separability import MARGIN, no_minimiser, proven, separation

# A linear program with at most this many numbers in its matrix is solved in seconds.
LARGEST_PROGRAM = 1_000_000


def softmax_solution(inputs: np.ndarray, codes: np.ndarray, classes: int, weight_decay: float = 0.0) -> Solution:
    """Minimise E(W) = mean (log sum_c exp(z_c) - z_code) + weight_decay / 2 sum_c |w_c - mean w|^2, z = inputs @ W.

    inputs [N, p], the last column the intercept, which does not decay; codes [N] from 0 to classes - 1. The weights of
    the first class are 0, for all classes may be shifted by one vector without changing an output; W [p, classes - 1]
    of the others, flat, row after row. The decay, over all classes about their mean, does not depend on which one is 0:
    it is that of a full set of weights, shifted to where it is least (Friedman, Hastie and Tibshirani 2010, section 4,
    doi:10.18637/jss.v033.i01, fit that set).

    Without decay, classes that hyperplanes separate have no finite minimiser: `minimiser` is None, `note` says so.
    """
    free = classes - 1
    return _solution(inputs, codes, classes, weight_decay, np.eye(free) - 1 / classes)


def decayed_logistic_solution(inputs: np.ndarray, targets: np.ndarray, weight_decay: float) -> Solution:
    """Minimise E(w) = mean log(1 + exp(-m)) + weight_decay / 2 |w|^2, m = (2 targets - 1) * (inputs @ w).

    inputs [N, p], the last column the intercept, which does not decay; targets [N] of 0/1; weight_decay above 0.
    """
    return _solution(inputs, targets, 2, weight_decay, np.eye(1))


@dataclass(frozen=True)
class _Problem:
    """E as a function of V [rank, k - 1]: the outputs are `examples` @ V, sqrt(N weight_decay) w is `decay` @ V."""

    examples: Float[np.ndarray, "N rank"]
    decay: Float[np.ndarray, "decaying rank"]  # p - 1 rows, or none
    hot: Float[np.ndarray, "N k-1"]  # 1 in the column of an example's class, nowhere for the first class
    coupling: Float[np.ndarray, "k-1 k-1"]  # the decay is trace(coupling w.T w)

    def loss(self, v: np.ndarray) -> float:
        z, shrunk = self.examples @ v, self.decay @ v
        penalty = np.sum(shrunk * (shrunk @ self.coupling)) / 2
        return float((np.sum(_log_sum(z) - np.sum(self.hot * z, axis=1)) + penalty) / len(z))

    def gradient(self, v: np.ndarray) -> np.ndarray:
        """Return N times the gradient, [rank, k - 1]."""
        misfit = _shares(self.examples @ v) - self.hot
        return self.examples.T @ misfit + self.decay.T @ (self.decay @ v @ self.coupling)

    def hessian(self, v: np.ndarray) -> np.ndarray:
        """Return N times the Hessian, a square of (k - 1) rank, class after class."""
        p = _shares(self.examples @ v)
        rank, free = v.shape
        hessian = np.kron(self.coupling, self.decay.T @ self.decay)
        for a in range(free):
            for b in range(a + 1):
                curvature = p[:, a] * ((a == b) - p[:, b])
                block = self.examples.T @ (curvature[:, None] * self.examples)
                hessian[a * rank : (a + 1) * rank, b * rank : (b + 1) * rank] += block
                if a != b:
                    hessian[b * rank : (b + 1) * rank, a * rank : (a + 1) * rank] += block
        return hessian

    def step(self, v: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Compute Newton's step down from V for N times a `gradient`."""
        return _solve(self.hessian(v), gradient.T.reshape(-1)).reshape(v.shape[1], -1).T

    def signed(self) -> np.ndarray:
        """Return rows [N (k - 1), (k - 1) rank]: row @ V is an example's output of its class less another one."""
        n, free = self.hot.shape
        full = np.concatenate([1 - self.hot.sum(axis=1, keepdims=True), self.hot], axis=1)
        other = np.argsort(full, axis=1, kind="stable")[:, :-1]  # the classes that are not the example's
        differences = (full[:, None, :] - np.eye(free + 1)[other])[:, :, 1:]
        return np.einsum("nac,nr->nacr", differences, self.examples).reshape(n * free, -1)

    def all_right(self, v: np.ndarray) -> bool:
        """Decide whether every example's output is largest for its own class, by more than rounding."""
        z = np.concatenate([np.zeros((len(self.hot), 1)), self.examples @ v], axis=1)
        is_class = np.concatenate([1 - self.hot.sum(axis=1, keepdims=True), self.hot], axis=1) > 0.5
        best_other = np.where(is_class, -np.inf, z).max(axis=1)
        size = np.linalg.norm(self.examples, axis=1) * 2 * np.linalg.norm(v)
        return bool(np.all(z[is_class] - best_other > MARGIN * size))


def _solution(
    inputs: np.ndarray, codes: np.ndarray, classes: int, weight_decay: float, coupling: np.ndarray
) -> Solution:
    n, p = inputs.shape
    hot = (codes[:, None] == np.arange(1, classes)) * 1.0
    missing = np.flatnonzero(np.bincount(codes.astype(int), minlength=classes) == 0)
    if len(missing):
        words = f"class {missing[0] + 1} of {classes} has no example: the loss has no finite minimiser"
        return Solution(None, float("nan"), words)
    rows = decay_rows(p, n * weight_decay) if weight_decay else np.empty((0, p))
    basis = basis_of(np.concatenate([inputs, rows]))
    problem = _Problem(basis.columns[:n], basis.columns[n:], hot, coupling)
    v, step = _newton(problem, watch=not weight_decay)
    if not weight_decay:
        verdict = _verdict(problem, v, step)
        if verdict == "unknown":
            return Solution(None, float("nan"), "too large a table to decide whether the loss has a finite minimiser")
        if verdict != "overlap":
            who = "the two classes" if classes == 2 else f"the {classes} classes"
            return Solution(None, float("nan"), no_minimiser(verdict, who))
    weights, norm, loss = _polished(problem, basis, inputs, weight_decay, v)
    note = basis.note()
    floor = 100 * EPS * float(np.abs(inputs).max()) ** 2 * float(np.linalg.norm(weights))
    if norm > max(GRADIENT_NORM, floor):
        note = f"{note}; " * bool(note) + f"the gradient norm at the minimiser is {norm:.1e}"
    return Solution(weights.reshape(-1), loss, note)


def _log_sum(z: np.ndarray) -> np.ndarray:
    """Return log(1 + sum exp(z)) of every row."""
    top = np.maximum(z.max(axis=1), 0)
    return top + np.log(np.exp(-top) + np.exp(z - top[:, None]).sum(axis=1))


def _shares(z: np.ndarray) -> np.ndarray:
    """Return the probability of every class but the first, [N, k - 1]."""
    return np.exp(z - _log_sum(z)[:, None])


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite system; directions that rounding leaves without curvature count as barely curved."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    try:
        return np.asarray(cho_solve(cho_factor(matrix), right))
    except LinAlgError:
        values, vectors = np.linalg.eigh(matrix)
        return np.asarray(vectors @ ((vectors.T @ right) / np.maximum(values, EPS * max(values[-1], EPS))))


def _newton(problem: _Problem, watch: bool) -> tuple[np.ndarray, np.ndarray]:
    """Iterate from 0; return the best V and the last step. With `watch` stop once every example is on its side."""
    n, rank = problem.examples.shape
    v = np.zeros((rank, problem.hot.shape[1]))
    step = np.zeros_like(v)
    for _ in range(NEWTON_STEPS):
        gradient = problem.gradient(v)
        if np.linalg.norm(gradient) <= n * 1e-15 or (watch and problem.all_right(v)):
            break
        step = -problem.step(v, gradient)
        loss, slope, size = problem.loss(v), float(np.sum(gradient * step)) / n, 1.0
        while size > 1e-8 and problem.loss(v + size * step) > loss + 1e-4 * size * slope + EPS * loss:
            size /= 2
        if size <= 1e-8:
            break
        v = v + size * step
    return v, step


def _verdict(problem: _Problem, v: np.ndarray, step: np.ndarray) -> str:
    """Decide between complete, quasi-complete and overlap, or unknown if only too large a program could decide.

    Overlap: c = the probability of each wrong class leaves the gradient as sum of c times a signed row. What rounding
    left of it is taken out by a change of c that keeps c positive if the gradient is small beside the curvature.
    """
    n, rank = problem.examples.shape
    if not rank:
        return "overlap"
    if problem.all_right(v):
        return "complete"
    lengths = np.sqrt(2) * np.linalg.norm(problem.examples, axis=1)
    error = 4 * EPS * np.sqrt(n) * float(lengths.sum())
    hessian = problem.hessian(v)
    curvature = np.linalg.eigvalsh(hessian)[0] - 100 * EPS * np.trace(hessian)
    if (np.linalg.norm(problem.gradient(v)) + error) * lengths.max() < curvature:
        return "overlap"
    if n * problem.hot.shape[1] * v.size > LARGEST_PROGRAM:
        return "unknown"
    signed, along = problem.signed(), step.T.reshape(-1)
    change = signed @ along
    return proven(signed, along, change > 1e-6 * np.abs(change).max()) or separation(signed)


def _polished(
    problem: _Problem, basis: Basis, inputs: np.ndarray, weight_decay: float, v: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """Polish the last digits; return W [p, k - 1], the gradient norm and E there."""
    n, p = inputs.shape
    decays = np.append(np.full(p - 1, weight_decay), 0.0)[:, None]

    def measure(weights: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        z = outputs(inputs, weights)
        shrunk = decays * weights.astype(np.longdouble) @ problem.coupling
        gradient = combine(inputs, _shares(z) - problem.hot) / n + shrunk
        return gradient, float(np.linalg.norm(gradient.astype(np.float64))), z

    weights = basis.shortest(basis.weights @ v)
    gradient, norm, z = measure(weights)
    for _ in range(5):
        down = problem.step(v, n * (basis.weights.T @ gradient.astype(np.float64)))
        trial = weights - basis.weights @ down
        polished = measure(trial)
        if not polished[1] < norm:  # rounding allows no further digit
            break
        weights, v, (gradient, norm, z) = trial, v - down, polished
    penalty = np.sum(decays * weights * (weights @ problem.coupling)) / 2
    return weights, norm, float(np.mean(_log_sum(z) - np.sum(problem.hot * z, axis=1)) + penalty)
