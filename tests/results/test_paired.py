"""Statistics of pairs, each against an oracle of its own: worked examples, scipy, brute force, coverage."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gdbench.results.statistics.paired import holm, mcnemar, median_ratio, pair_ratios, ratio_interval, signed_rank

INF = math.inf


def test_holm_by_hand():
    # the example of the Holm-Bonferroni method's Wikipedia page: 0.01, 0.04, 0.03, 0.005
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02], rtol=1e-15)
    # R: p.adjust(c(.01,.02,.03,.04,.05), "holm")
    np.testing.assert_allclose(
        holm(np.array([0.01, 0.02, 0.03, 0.04, 0.05])), [0.05, 0.08, 0.09, 0.09, 0.09], rtol=1e-14
    )


def test_holm_leaves_out_what_is_no_test_and_never_passes_one():
    given = np.array([[np.nan, 0.4], [0.01, np.nan], [0.9, 0.8]])
    np.testing.assert_allclose(holm(given), [[np.nan, 1.0], [0.04, np.nan], [1.0, 1.0]], rtol=1e-15)
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert holm(np.array([])).tolist() == []


@pytest.mark.parametrize("count", [6, 9, 25, 50])
def test_signed_rank_is_scipys_exact_one_where_nothing_ties(count):
    for seed in range(5):
        differences = np.random.default_rng(seed).normal(0.3, 1, count)
        ours, direction = signed_rank(differences)
        theirs = stats.wilcoxon(differences, method="exact")
        assert ours == pytest.approx(theirs.pvalue, rel=1e-10)
        above, below = (stats.wilcoxon(differences, alternative=a, method="exact").pvalue for a in ("greater", "less"))
        assert direction == np.sign(below - above)


@pytest.mark.parametrize("seed", range(10))
def test_signed_rank_with_ties_and_failures_by_every_choice_of_signs(seed):
    rng = np.random.default_rng(seed)
    differences = rng.choice([-INF, -2, -1, 0, 1, 2, 3, INF], 10)
    nonzero = differences[differences != 0]
    ranks = stats.rankdata(np.abs(nonzero))
    positive = ranks[nonzero > 0].sum()
    sums = np.array([np.dot(ranks, signs) for signs in itertools.product([0, 1], repeat=len(nonzero))])
    expected = min(1, 2 * min((sums <= positive).mean(), (sums >= positive).mean()))
    assert signed_rank(differences)[0] == pytest.approx(
        expected if len(nonzero) >= 6 else np.nan, rel=1e-12, nan_ok=True
    )


def test_many_pairs_use_the_normal_distribution_which_agrees():
    differences = np.random.default_rng(0).normal(0.15, 1, 200)
    exact, direction = signed_rank(differences)
    normal, same = signed_rank(np.append(differences, 1e-9))
    assert (direction, same) == (1, 1)
    assert normal == pytest.approx(exact, rel=0.03)  # the normal distribution's own error at 200 pairs


def test_five_pairs_say_nothing_and_six_may():
    assert math.isnan(signed_rank(np.ones(5))[0])
    assert math.isnan(signed_rank(np.zeros(100))[0])
    assert signed_rank(np.ones(6)) == (2 / 2**6, 1)
    assert signed_rank(-np.ones(6)) == (2 / 2**6, -1)
    assert math.isnan(mcnemar(5, 0)[0])


def test_mcnemar_by_hand():
    assert mcnemar(6, 0) == (pytest.approx(2 / 64), 1)
    # two-sided binomial tail of 2 of 10: 2 (1 + 10 + 45) / 1024
    assert mcnemar(2, 8) == (pytest.approx(112 / 1024), -1)
    assert mcnemar(5, 5) == (1.0, 0)


def test_ratios_keep_failures():
    ratios = pair_ratios(np.array([100, INF, INF, 5, 0, 0]), np.array([200, INF, 7, INF, 0, 3]))
    assert ratios.tolist() == [2, 1, 0, INF, 1, 3]


@pytest.mark.parametrize(
    ("ratios", "middle"),
    [([3], 3), ([1, 4], 2), ([2, 2], 2), ([0, INF], 1), ([1, INF], INF), ([0, 0.1], 0), ([0.5, 3, INF], 3)],
)
def test_the_median_ratio_mirrors(ratios, middle):
    ratios = np.array(ratios, dtype=float)
    assert median_ratio(ratios) == pytest.approx(middle, rel=1e-15)
    with np.errstate(divide="ignore"):
        assert median_ratio(1 / ratios) == pytest.approx(1 / np.float64(middle), rel=1e-15)


@pytest.mark.parametrize("count", [6, 16, 25])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(count):
    rng = np.random.default_rng(1)
    intervals = [ratio_interval(1.5 * np.exp(rng.normal(0, 0.5, count))) for _ in range(400)]
    held = sum(low <= 1.5 <= high for low, high in intervals)
    # at most one chance in a thousand that 95 % cover so seldom
    assert held >= stats.binom.ppf(0.001, 400, 0.95)


def test_large_samples_are_resampled_in_parts():
    ratios = np.exp(np.random.default_rng(0).normal(0, 1, 30_001))
    low, high = ratio_interval(ratios)
    assert low < median_ratio(ratios) < high
    # 1.96 standard errors of a median: sqrt(pi / 2 / n), on the log scale; few ranks near a median make it vary by 15 %
    assert math.log(high / low) == pytest.approx(2 * 1.96 * math.sqrt(math.pi / 2 / 30_001), rel=0.3)
    assert ratio_interval(ratios[:500]) == ratio_interval(ratios[:500])
