"""Say in a few words, from numbers, why the observed rate of a run is not the predicted one or why one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Complex, Float

from gdbench.engine.program import Program
from gdbench.engine.records import Trajectory
from gdbench.surfaces.facts import hessian_at
from gdbench.theory.observed_rate import NOT_REPLAYED, crests, needs_note, rate_observed
from gdbench.theory.predicted_rate import jacobian_at, linear_errors, surface_of

TOO_FEW = "too few steps"
UNEXCITED = "slowest mode not excited"
DOUBLE_ROOT = "double root"
TRANSIENT = "not yet asymptotic"
ELSEWHERE = "stopped elsewhere"
REPELS = "minimum repels"
CYCLE = "ends in a cycle"
UNKNOWN = "unexplained"
# A cause explains a difference of rates if it leaves no more than this share of it.
SHARE = 0.25
# A cycle has at most PERIOD steps, after which the iterate is back, up to the share BACK of the cycle's width.
PERIOD, BACK = 64, 1e-3


@dataclass(frozen=True)
class Seen:
    """One run and the minimum that it is compared at.

    program : the program of this run alone. hessian : at the minimiser. gaps : those of `path`. resolution : the
    rounding of the loss. status : how the run ended. arrived : whether it ended near the minimum.
    """

    program: Program
    minimiser: Float[np.ndarray, "n"]
    hessian: Float[np.ndarray, "n n"]
    path: Trajectory
    gaps: Float[np.ndarray, "steps+1"]
    resolution: float
    status: str
    arrived: bool


def note_of(seen: Seen | None, observed: float, predicted: float, reason: str, reached: bool) -> str:
    """Say why `observed` and `predicted` differ by over 1 %, or why a run that `reached` the target lacks one of them.

    reason : why there is no prediction. seen : None for a run that has not been replayed. The note is "" if none is
    needed.
    """
    if not needs_note(observed, predicted, reached):
        return ""
    if np.isnan(predicted):
        return reason
    if seen is None:
        return NOT_REPLAYED
    return TOO_FEW if np.isnan(observed) else _why_they_differ(seen, observed, predicted)


def _why_they_differ(seen: Seen, observed: float, predicted: float) -> str:
    """Return the first cause that the numbers bear out."""
    jacobian = jacobian_at(seen.program, seen.minimiser)
    if observed < predicted and not _is_excited(seen, jacobian):
        return UNEXCITED
    steps = len(seen.gaps) - 1
    # k rᵏ shrinks like r (1 + 1/k) a step, and k is half of the steps or more
    if abs(observed / predicted - 1) <= 3 / steps and _has_double_root(jacobian, steps):
        return DOUBLE_ROOT
    difference = SHARE * abs(observed - predicted)
    # theory itself is iterated from the same start for as many steps
    errors = linear_errors(seen.program, seen.minimiser, jacobian, steps)
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = 0.5 * np.einsum("ki,ij,kj->k", errors, seen.hessian, errors)
    if abs(rate_observed(gaps, seen.resolution) - observed) <= difference:
        return TRANSIENT
    if seen.status == "stationary" and not seen.arrived:
        return ELSEWHERE
    if predicted > 1:
        return REPELS
    if _cycles(seen.path.x):
        return CYCLE
    return TRANSIENT if _is_changing(seen, difference) else UNKNOWN


def _leading(spectrum: Complex[np.ndarray, "d"]) -> Bool[np.ndarray, "d"]:
    """Decide which eigenvalues are the largest; rounding splits a double root by the root of epsilon."""
    size = np.abs(spectrum)
    return np.asarray(size >= size.max() * (1 - 1e-6))


def _is_excited(seen: Seen, jacobian: Float[np.ndarray, "d d"]) -> bool:
    """Decide whether the iterate has a part along a slowest mode, at the start or in the middle of the run.

    The part of an error e along a mode is w·e, w being the left eigenvector.
    """
    spectrum, left = np.linalg.eig(jacobian.T)
    modes = left[: len(seen.minimiser), _leading(spectrum)]
    for step in (0, len(seen.gaps) // 2):
        error = seen.path.x[step] - seen.minimiser
        size = np.linalg.norm(error) * np.linalg.norm(modes, axis=0)
        # the rounding of the iterate itself, and of an eigenvector at a double root
        noise = 1e-7 * size + 1e-14 * (1 + np.abs(seen.minimiser).max()) * np.linalg.norm(modes, axis=0)
        if (np.abs(error @ modes) > noise).any():
            return True
    return False


def _has_double_root(jacobian: Float[np.ndarray, "d d"], steps: int) -> bool:
    """Decide whether two of the largest eigenvalues, and their eigenvectors, are too close for `steps` to part them.

    The error then shrinks like k rᵏ.
    """
    spectrum, vectors = np.linalg.eig(jacobian)
    first = int(np.abs(spectrum).argmax())
    close = np.abs(spectrum - spectrum[first]) * steps <= np.abs(spectrum[first])
    # equal eigenvalues of a symmetric matrix have different directions, and then there is no factor k
    parallel = np.abs(vectors.conj().T @ vectors[:, first]) > 0.99
    return bool((close & parallel).sum() > 1)


def _cycles(x: Float[np.ndarray, "steps+1 n"]) -> bool:
    """Decide whether the iterates end by going round and round, for at least three rounds."""
    for period in range(2, min(PERIOD, (len(x) - 1) // 3) + 1):
        last = x[-3 * period - 1 :]
        width = np.abs(last[-period:] - last[-1]).max()
        if width > 0 and np.abs(last[period:] - last[:-period]).max() <= BACK * width:
            return True
    return False


def _is_changing(seen: Seen, difference: float) -> bool:
    """Decide whether in the fitted part the rate still changes by more than `difference`, or the curvature changes."""
    resolved = seen.gaps > seen.resolution
    end = int(np.argmin(resolved)) if not resolved.all() else len(seen.gaps)
    first, middle = end // 2, end // 2 + end // 4
    rates = [_slope(seen.gaps[part]) for part in (slice(first, middle), slice(middle, end))]
    if not abs(rates[0] - rates[1]) <= difference:
        return True
    there: Any = hessian_at(surface_of(seen.program), seen.path.x[first])
    # the slowest mode feels a change of the Hessian as large as its own eigenvalue
    return bool(not np.abs(there - seen.hessian).max() <= 0.01 * np.linalg.eigvalsh(seen.hessian)[0])


def _slope(gaps: Float[np.ndarray, "steps"]) -> float:
    """Fit a line through the crests of the log gap, and return its rate; NaN for fewer than three crests."""
    steps = crests(gaps)
    return float(np.exp(np.polyfit(steps, np.log(gaps[steps]), 1)[0] / 2)) if len(steps) > 2 else float("nan")
