"""Statistics of paired runs: the same start and seed in two results. Arrays in, numbers out; a failure is infinity."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

LEVEL = 0.05
# Pairs that must differ before a test is made: with five, no two-sided p-value is below 2 * 2^-5 > 0.05.
LEAST = 6
RESAMPLES = 2000
# Up to so many pairs the signed-rank distribution is exact; beyond, the normal one is as good.
EXACT = 200
NUMBERS_AT_ONCE = 4_000_000


def pair_ratios(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Divide the steps of every pair, `b / a` `[pairs]`: 1 where both failed, infinity or 0 where one did.

    0 steps count as 1.
    """
    a, b = np.maximum(a, 1.0), np.maximum(b, 1.0)
    ratios = np.ones(len(a))
    np.divide(b, a, out=ratios, where=np.isfinite(a) | np.isfinite(b))
    return ratios


def median_ratio(ratios: np.ndarray) -> float:
    """Return the median of `[pairs]`; of two middle ratios their geometric mean, so that b / a and a / b agree.

    The median, because a mean over pairs is infinite as soon as one run failed. Between 0 and infinity nobody is
    ahead: 1.
    """
    ordered = np.sort(ratios)
    return float(_between(ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]))


def _between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        middle = np.sqrt(low) * np.sqrt(high)
    return np.where(low == high, low, np.where(np.isnan(middle), 1.0, middle))


def ratio_interval(ratios: np.ndarray, seed: int = 0, level: float = LEVEL) -> tuple[float, float]:
    """Return the bootstrap interval of `median_ratio`, resampling pairs; its ends are medians that occurred.

    The percentile interval, expanded for small samples: it alone covers as little as 89 % where 95 % are meant.
    Source: Hesterberg 2015, section 3.3, doi:10.1080/00031305.2015.1089789.
    """
    from scipy import stats

    count = len(ratios)
    low, high = np.sort(ratios)[_resampled_middles(count, seed)]
    share = stats.norm.cdf(np.sqrt(count / (count - 1)) * stats.t.ppf(level / 2, count - 1))
    ends = np.quantile(_between(low, high), [share, 1 - share], method="inverted_cdf")
    return float(ends[0]), float(ends[1])


@lru_cache(maxsize=32)
def _resampled_middles(count: int, seed: int) -> np.ndarray:
    """Find which of `count` ordered numbers are the two middle ones of each resample, `[2, resamples]`."""
    generator = np.random.default_rng(seed)
    middle = [(count - 1) // 2, count // 2]
    at_once = max(1, NUMBERS_AT_ONCE // count)
    sizes = [min(at_once, RESAMPLES - first) for first in range(0, RESAMPLES, at_once)]
    drawn = (generator.integers(0, count, (size, count)) for size in sizes)
    return np.concatenate([np.partition(part, middle, axis=1)[:, middle] for part in drawn]).T


def signed_rank(differences: np.ndarray) -> tuple[float, int]:
    """Test by Wilcoxon's signed ranks that differences `[pairs]` lie around 0: two-sided p-value and direction.

    Zeros are left out and infinities ranked, tied, beyond everything. p is NaN where fewer than six pairs differ.
    Exact, ties included, as the distribution over all signs of the ranks: scipy's falls back on the normal one there.

    Source: Wilcoxon 1945, doi:10.2307/3001968.
    """
    from scipy import stats

    nonzero = differences[differences != 0]
    if len(nonzero) < LEAST:
        return float("nan"), 0
    ranks = stats.rankdata(np.abs(nonzero))
    total, positive = float(ranks.sum()), float(ranks[nonzero > 0].sum())
    direction = int(np.sign(2 * positive - total))
    if len(nonzero) > EXACT:
        return float(stats.wilcoxon(np.sign(nonzero) * ranks, method="asymptotic").pvalue), direction
    doubled = np.round(2 * ranks).astype(int)  # a midrank is half a whole number
    chances = np.zeros(doubled.sum() + 1)
    chances[0] = 1.0
    for rank in doubled:
        chances[rank:] = (chances[rank:] + chances[: len(chances) - rank]) / 2
        chances[:rank] /= 2
    tail = min(round(2 * positive), len(chances) - 1 - round(2 * positive))  # the distribution is symmetric
    return min(1.0, 2 * float(chances[: tail + 1].sum())), direction


def mcnemar(lost: int, won: int) -> tuple[float, int]:
    """Test, by McNemar's exact test, that as many pairs lose success as win it.

    Returns the two-sided p, and 1 where more lose it, -1 where fewer do. p is NaN where fewer than six
    pairs differ. Source: McNemar 1947, doi:10.1007/BF02295996.
    """
    from scipy import stats

    if lost + won < LEAST:
        return float("nan"), 0
    return float(stats.binomtest(lost, lost + won).pvalue), int(np.sign(lost - won))


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p-values of any shape over all of them; NaN is no test and stays.

    `max over j <= i of min(1, (m - j) p_(j))`, j from 0 in rising order. Source: Holm 1979, jstor.org/stable/4615733.
    """
    corrected = np.array(p, dtype=float)
    known = np.isfinite(corrected)
    values = corrected[known]
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    values[order] = steps
    corrected[known] = values
    return corrected
