"""Decide whether a plane separates two classes: by certificates, else by a linear program."""

from __future__ import annotations

import numpy as np

from gdbench.surfaces.data.column_basis import EPS

MARGIN = 100 * EPS  # relative: an example nearer than this to a hyperplane lies on it


def no_minimiser(verdict: str, who: str = "the two classes") -> str:
    """Say that classes, named by `who`, are separable as in `verdict`: complete or quasi-complete."""
    limit = {"complete": "0", "quasi-complete": "a value that it never reaches"}[verdict]
    separable = "linearly separable" if verdict == "complete" else "quasi-completely separable"
    return f"{who} are {separable}: the loss has no finite minimiser (it decreases towards {limit} as the weights grow)"


def all_beyond(signed: np.ndarray, v: np.ndarray) -> bool:
    """Decide whether every margin is positive, by more than rounding."""
    return bool(np.all(signed @ v > MARGIN * np.linalg.norm(signed, axis=1) * np.linalg.norm(v)))


def proven(signed: np.ndarray, v: np.ndarray, strict: np.ndarray) -> str:
    """Return complete or quasi-complete if v proves it when all but the `strict` examples are put on its plane."""
    if not strict.any():
        return ""
    if not strict.all():
        _, s, vt = np.linalg.svd(signed[~strict], full_matrices=False)
        on = vt[: int(np.sum(s > s.max() * EPS * 10 * np.sqrt(len(signed))))]
        v = v - on.T @ (on @ v)
        v = v - on.T @ (on @ v)  # twice: what is left may be a small part of v
    if not all_beyond(signed[strict], v):
        return ""
    return "complete" if strict.all() else "quasi-complete"


def separation(signed: np.ndarray) -> str:
    """Decide between complete, quasi-complete and overlap by a linear program.

    Maximise sum u subject to signed @ v >= u and 0 <= u <= 1: as v may be as long as it likes, u counts the examples
    that one v can put strictly on their side with none on the wrong one.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack

    n, rank = signed.shape
    rows = signed / np.linalg.norm(signed, axis=1, keepdims=True)
    solved = linprog(
        np.concatenate([np.zeros(rank), -np.ones(n)]),
        A_ub=hstack([csr_array(-rows), eye_array(n)]),
        b_ub=np.zeros(n),
        bounds=[(None, None)] * rank + [(0, 1)] * n,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    if solved.x is None:
        return "overlap"
    # the program is exact only up to a tolerance: examples just on the wrong side make its answer no proof
    return proven(rows, solved.x[:rank], solved.x[rank:] > 0.5) or "overlap"
