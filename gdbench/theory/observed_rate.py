"""Measure the observed rate of convergence, and decide when it needs a note beside the predicted one."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int


def rate_observed(gaps: Float[np.ndarray, "steps+1"], resolution: float) -> float:
    """Measure the factor by which a run shrank its distance per step, from the gaps of its late part; or NaN.

    The gap shrinks with the square of the distance, so the rate is the root of the slope of the log gap. Only gaps
    above `resolution`, the rounding of the loss, count. A double root (heavy ball at its optimum) shrinks like
    k² r^(2k) rather than r^(2k); that model is taken if it fits clearly better.
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


def crests(gaps: Float[np.ndarray, "steps"]) -> Int[np.ndarray, "crests"]:
    """Return the steps with gaps that no later gap exceeds: an oscillating gap is judged by these alone."""
    crest = gaps >= np.maximum.accumulate(gaps[::-1])[::-1]
    if not crest.all():
        # only because the run ends before the next crest does nothing exceed what follows the last one
        crest[np.flatnonzero(~crest)[-1] + 2 :] = False
    return np.flatnonzero(crest)


# Rates that differ by more than this share of the predicted one need a note on why.
TOLERANCE = 0.01

# The notes for a run without a kept path, and for runs that differ from start to start.
NOT_REPLAYED, STARTS_DIFFER = "not replayed", "starts differ"


def needs_note(observed: Any, predicted: Any, reached: Any) -> Bool[np.ndarray, "..."]:
    """Decide where two rates need a note: they differ, or one is missing though the target was `reached`."""
    observed, predicted = np.asarray(observed, dtype=float), np.asarray(predicted, dtype=float)
    both = ~np.isnan(observed) & ~np.isnan(predicted)
    with np.errstate(invalid="ignore"):
        differ = np.abs(observed - predicted) > TOLERANCE * predicted
    return np.where(both, differ, np.asarray(reached, dtype=bool))
