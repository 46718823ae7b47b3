"""Find coordinates in which scale and correlation of a table's columns cost nothing; sum in extended precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

EPS = float(np.finfo(np.float64).eps)
TINY = 1e-100  # a column below this is zero: its weight could not be represented


@dataclass(frozen=True)
class Basis:
    """A basis: inputs @ (weights @ v) = columns @ v, with columns.T @ columns / N = 1; `null` changes no output."""

    columns: Float[np.ndarray, "N rank"]
    weights: Float[np.ndarray, "p rank"]
    null: Float[np.ndarray, "p p-rank"]  # orthonormal

    def note(self) -> str:
        """Say that a minimiser is not unique; "" for one that is."""
        p, rank = self.weights.shape
        if rank == p:
            return ""
        return (
            f"the columns of the inputs are linearly dependent (rank {rank} of {p}), so the minimiser is not unique: "
            "this is the one of least norm"
        )

    def shortest(self, weights: np.ndarray) -> np.ndarray:
        """Return the weights of least norm with the same outputs."""
        return weights - self.null @ (self.null.T @ weights)


def decay_rows(p: int, square: float) -> Float[np.ndarray, "p-1 p"]:
    """Make rows to put under the inputs: their squared outputs are `square` times the squared weights.

    The last weight, the intercept, has no row, because it does not decay.
    """
    return np.sqrt(square) * np.eye(p - 1, p)


def basis_of(inputs: Float[np.ndarray, "N p"]) -> Basis:
    """Compute orthogonal coordinates of the column space, and the way back."""
    n, p = inputs.shape
    largest = np.abs(inputs).max(axis=0)
    exponent = np.where(largest > TINY, np.frexp(largest)[1], 0)
    columns = np.ldexp(inputs, -exponent)  # powers of two, so that scaling rounds nothing
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
    return Basis(u[:, :rank] * np.sqrt(n), weights, null)


def outputs(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute inputs @ weights [N] or [N, k] in extended precision, by blocks of rows to bound the memory."""
    return np.concatenate([block.astype(np.longdouble) @ weights for block in _blocks(inputs)])


def combine(inputs: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Compute inputs.T @ coefficients [p] or [p, k] in extended precision."""
    parts = zip(_blocks(inputs), _blocks(coefficients), strict=True)
    return np.sum([block.T.astype(np.longdouble) @ part for block, part in parts], axis=0)


def _blocks(array: np.ndarray) -> list[np.ndarray]:
    return np.array_split(array, len(array) // 50_000 + 1)


def solve_normal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve (a.T @ a) x = b through the triangular factor of a, which does not square its condition number."""
    from scipy.linalg import solve_triangular

    if not b.size:  # rank 0: inputs of nothing but zeros
        return b
    r = np.linalg.qr(a, mode="r")
    diagonal = np.abs(np.diag(r))
    if diagonal.min() <= EPS**2 * diagonal.max():
        r = r + np.diag(np.where(diagonal <= EPS**2 * diagonal.max(), EPS * diagonal.max(), 0.0))
    return solve_triangular(r, solve_triangular(r, b, trans="T"))
