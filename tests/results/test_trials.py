"""The best of k trials against all subsets, in fractions, and against the hypergeometric distribution."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gdbench.errors import UsageError
from gdbench.results.statistics import expected_best, expected_best_by_problem

INF = np.inf
STEPS = st.one_of(st.integers(0, 12).map(float), st.just(INF))


def by_subsets(tuning, reported, losses, k):
    """The probability of each outcome of the best of k, over all subsets; equals share their chance."""
    chances = {}
    subsets = list(combinations(range(len(tuning)), k))
    for subset in subsets:
        best = min((tuning[i], losses[i]) for i in subset)
        winners = [i for i in subset if (tuning[i], losses[i]) == best]
        for i in winners:
            chances[reported[i]] = chances.get(reported[i], 0) + Fraction(1, len(winners) * len(subsets))
    return dict(sorted(chances.items()))


TRIALS = st.lists(st.tuples(STEPS, STEPS, st.integers(0, 2)), min_size=1, max_size=7)


@given(TRIALS)
@settings(max_examples=80, deadline=None)
def test_the_best_of_k_against_all_subsets(trials):
    tuning, reported, losses = np.array(trials, dtype=float).T
    best = expected_best(tuning, reported, losses)
    assert best["k"].tolist() == list(range(1, len(trials) + 1))
    for row in best.itertuples():
        chances = by_subsets(tuning, reported, losses, row.k)
        assert sum(chances.values()) == 1
        for found, share in ((row.median, Fraction(1, 2)), (row.low, Fraction(1, 4)), (row.high, Fraction(3, 4))):
            reach = Fraction(0)
            for outcome, chance in chances.items():
                reach += chance
                if reach >= share:
                    assert found == outcome
                    break
        success = sum(chance for outcome, chance in chances.items() if outcome < INF)
        assert row.success == pytest.approx(float(success), abs=1e-12)


@pytest.mark.parametrize("n", [24, 28, 44, 54])
def test_a_quartile_of_exactly_a_quarter_of_the_draws_survives_rounding(n):
    best = expected_best(np.arange(n) + 1.0)
    for row in best.itertuples():
        exact = [1 - Fraction(comb(n - rank, row.k), comb(n, row.k)) for rank in range(1, n + 1)]
        for found, share in ((row.median, Fraction(1, 2)), (row.low, Fraction(1, 4)), (row.high, Fraction(3, 4))):
            assert found == 1 + next(place for place, reach in enumerate(exact) if reach >= share)


@given(TRIALS)
@settings(max_examples=60, deadline=None)
def test_more_trials_are_never_worse_where_the_score_itself_is_reported(trials):
    best = expected_best(np.array([trial[0] for trial in trials]))
    for name in ("median", "low", "high"):
        steps = best[name].to_numpy()
        assert (steps[1:] <= steps[:-1]).all()
    assert (np.diff(best["success"]) >= -1e-12).all()
    assert best["median"].iloc[-1] == min(trial[0] for trial in trials)


def test_one_trial_is_any_and_all_trials_give_the_winner():
    tuning = np.array([30, INF, 20, 40, INF])
    reported = np.array([3, INF, 9, 1, 7.0])
    best = expected_best(tuning, reported, np.array([1, 2, 1, 1, 3]))
    one = np.quantile(reported, [0.5, 0.25, 0.75], method="inverted_cdf").tolist()
    assert best.iloc[0].tolist() == [1, *one, 0.8]
    assert best.iloc[-1].tolist() == [5, 9, 9, 9, 1]


def test_the_chance_of_success_is_hypergeometric():
    tuning = np.where(np.arange(500) % 50 == 7, 100.0, INF)
    best = expected_best(tuning, trials=[1, 10, 69, 499, 500])
    assert best["k"].tolist() == [1, 10, 69, 499, 500]
    none = stats.hypergeom.pmf(0, 500, 10, best["k"])
    np.testing.assert_allclose(best["success"], 1 - none, rtol=1e-11)
    assert best["median"].tolist() == [INF, INF, 100, 100, 100]


def test_the_best_of_k_of_every_problem():
    trials = pd.DataFrame({"problem": "p", "solver": "a", "tuning": np.arange(400.0), "loss": 0.0})
    trials = pd.concat([trials, pd.DataFrame({"problem": ["q"] * 2, "solver": "b", "tuning": [np.nan, 4.0]})])
    best = expected_best_by_problem(trials, most=20)
    first = best[best["problem"] == "p"]
    assert first["k"].iloc[[0, -1]].tolist() == [1, 400]
    assert len(first) <= 20
    assert best[best["problem"] == "q"].to_numpy().tolist() == [
        ["q", "b", 1, 4, 4, INF, 0.5],
        ["q", "b", 2, 4, 4, 4, 1],
    ]
    columns = ["problem", "solver", "k", "median", "low", "high", "success"]
    assert expected_best_by_problem(trials.iloc[:0]).columns.tolist() == best.columns.tolist() == columns


@pytest.mark.parametrize(("tuning", "k"), [([], None), ([1.0], [0]), ([1.0, 2.0], [3])])
def test_impossible_numbers_of_trials_are_usage_errors(tuning, k):
    with pytest.raises(UsageError, match="needs k between 1 and the number of trials"):
        expected_best(np.array(tuning), trials=k)
