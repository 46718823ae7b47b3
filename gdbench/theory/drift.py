"""Runs that drift off: their loss falls for ever, towards an infimum that lies at infinity."""

from __future__ import annotations

import numpy as np

# what `runs.csv` says of such a run begins with it
DRIFTS = "drifts off"
SENTENCE = (
    f"{DRIFTS}: the loss still falls while the weights leave the box and every known minimiser in a straight line, as "
    "towards a minimum at infinity"
)
SAMPLES = 9
STRAIGHT = 0.9
# towards infinity the way grows as a power or the logarithm of the steps; a run that converges slows down faster
LASTING = 0.8


def drifts(x: np.ndarray, loss: np.ndarray, minimisers: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether a run short of its target, with iterates `x` `[steps + 1, n]` and `loss` `[steps + 1]`, drifts off.

    It does if in the second half of its steps it moves straight away from all known `minimisers` `[m, n]` (at least
    one), out of the box between `low` and `high` `[n]`, its loss falling; and if the half is nearly as long as the
    quarter before it, so that it does not settle.
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


def last_inside(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> int:
    """The last of the iterates `x` `[k, n]` that is at most a box's width outside the box; 0 where none is."""
    width = high - low
    held = np.flatnonzero(((x >= low - width) & (x <= high + width)).all(axis=1))
    return int(held[-1]) if len(held) else 0
