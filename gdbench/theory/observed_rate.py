"""The observed rate of convergence, and when it needs a note beside the predicted one."""

from __future__ import annotations

from typing import Any

import numpy as np


def rate_observed(gaps: np.ndarray, resolution: float) -> float:
    """The factor by which a run shrank its distance per step, from the gaps `[steps + 1]` of its late part; or NaN.

    The gap shrinks with the square of the distance, so the rate is the root of the slope of the log gap. Only gaps
    above `resolution`, the rounding of the loss, count. A double root (heavy ball at its optimum) shrinks like
    k² r^(2k) rather than r^(2k); that model is taken where it fits clearly better.
    """
    resolved = np.isfinite(gaps) & (gaps > resolution)
    end = int(np.argmin(resolved)) if not resolved.all() else len(gaps)
    steps = np.arange(max(1, end // 2), end)
    steps = steps[crests(gaps[steps])]
    if len(steps) < 5:
        return float("nan")
    fits = []
    for power in (0.0, 2.0):
        heights = np.log(gaps[steps]) - power * np.log(steps)
        slope, offset = np.polyfit(steps, heights, 1)
        fits.append((float(np.sum((heights - slope * steps - offset) ** 2)), float(np.exp(slope / 2))))
    (simple, rate), (residual, of_double_root) = fits
    # crests at whole steps scatter, and scatter alone would choose either model
    return of_double_root if residual < 0.25 * simple else rate


def crests(gaps: np.ndarray) -> np.ndarray:
    """The places that no later one exceeds, by which an oscillating gap is judged; of a steady gap all."""
    crest = gaps >= np.maximum.accumulate(gaps[::-1])[::-1]
    if not crest.all():
        # what follows the last crest is exceeded by nothing only because the run ends before the next one
        crest[np.flatnonzero(~crest)[-1] + 2 :] = False
    return np.flatnonzero(crest)


# rates that differ by more than this share of the predicted one need a word on why
TOLERANCE = 0.01

# of a run that no path was kept of, and of runs that differ from start to start
NOT_REPLAYED, STARTS_DIFFER = "not replayed", "starts differ"


def needs_note(observed: Any, predicted: Any, reached: Any) -> np.ndarray:
    """Where something is to be said of two rates: they differ, or one is missing though the target was `reached`."""
    observed, predicted = np.asarray(observed, dtype=float), np.asarray(predicted, dtype=float)
    both = ~np.isnan(observed) & ~np.isnan(predicted)
    with np.errstate(invalid="ignore"):
        differ = np.abs(observed - predicted) > TOLERANCE * predicted
    return np.where(both, differ, np.asarray(reached, dtype=bool))
