"""Detect runs that drift off: their loss falls for ever, towards an infimum at infinity."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# The message of such a run in `runs.csv` begins with this.
DRIFTS = "drifts off"
SENTENCE = (
    f"{DRIFTS}: the loss still falls while the weights leave the box and every known minimiser in a straight line, as "
    "towards a minimum at infinity"
)
SAMPLES = 9
STRAIGHT = 0.9
# Towards infinity the way grows as a power or the logarithm of the steps; a run that converges slows down faster.
LASTING = 0.8


def drifts(
    x: Float[np.ndarray, "steps+1 n"],
    loss: Float[np.ndarray, "steps+1"],
    minimisers: Float[np.ndarray, "minimisers n"],
    low: Float[np.ndarray, "n"],
    high: Float[np.ndarray, "n"],
) -> bool:
    """Decide whether a run that has not reached its target, with iterates `x` and their `loss`, drifts off.

    It does if in the second half of its steps it moves straight away from all known `minimisers` (at least one), out of
    the box between `low` and `high`, while its loss falls, and if it moves nearly as far in that half as in the quarter
    before it, so that it does not settle.
    """
    steps = len(loss) - 1
    if steps < 4 * SAMPLES or not len(minimisers) or not np.isfinite(loss[-1]):
        return False
    places = np.linspace(steps // 2, steps, SAMPLES).astype(int)
    points, losses = x[places], loss[places]
    if not (np.diff(losses) < 0).all():
        return False
    outside = (np.abs(points - (low + high) / 2) / ((high - low) / 2)).max(axis=1)
    away = np.linalg.norm(points[:, None] - minimisers, axis=2)
    if not (outside[-1] > 1 and outside[-1] > outside[0] and (away[-1] > away[0]).all()):
        return False
    moved = np.linalg.norm(points[-1] - points[0])
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    before = np.linalg.norm(points[0] - x[steps // 4])
    return bool(moved >= STRAIGHT * length and moved >= LASTING * before)


def last_inside(x: Float[np.ndarray, "steps n"], low: Float[np.ndarray, "n"], high: Float[np.ndarray, "n"]) -> int:
    """Return the index of the last iterate that is at most a box's width outside the box; 0 if none is."""
    width = high - low
    inside = np.flatnonzero(((x >= low - width) & (x <= high + width)).all(axis=1))
    return int(inside[-1]) if len(inside) else 0
