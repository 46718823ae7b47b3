"""Statistics against tables worked out by hand, against definitions written out as loops, and against scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gdbench.errors import UsageError
from gdbench.results.statistics import floats, performance_profile
from gdbench.results.statistics.profiles import (
    algoperf_scores,
    performance_ratios,
    reference_of,
    shares_at,
    simplex_gradients,
    speedups,
)
from gdbench.results.statistics.runtimes import expected_running_times, hit_counts

INF = np.inf
TABLE = pd.DataFrame([[1, 1.5], [1, INF], [4, 1]], index=["p", "q", "r"], columns=["a", "b"])


def at(profile, ratio):
    """The shares of a profile at any ratio; 0 below its first row."""
    rows = profile.loc[:ratio]
    return rows.iloc[-1] if len(rows) else 0 * profile.iloc[0]


@pytest.mark.parametrize(
    ("ratio", "shares"),
    [
        (0.99, (0, 0)),
        (1, (2 / 3, 1 / 3)),
        (1.49, (2 / 3, 1 / 3)),
        (1.5, (2 / 3, 2 / 3)),
        (3.99, (2 / 3, 2 / 3)),
        (4, (1, 2 / 3)),
        (1e9, (1, 2 / 3)),
    ],
)
def test_profile_by_hand(ratio, shares):
    assert tuple(at(performance_profile(TABLE), ratio)) == shares


def test_profile_has_a_row_per_break_point():
    profile = performance_profile(TABLE)
    assert profile.index.tolist() == [1, 1.5, 4]
    assert profile.index.name == "ratio"
    assert profile.columns.tolist() == ["a", "b"]


def test_problems_that_nobody_solves_stay_in_the_count():
    profile = performance_profile(np.array([[1, 2], [INF, INF], [np.nan, np.nan], [3, 3]]))
    assert profile.loc[1.0].tolist() == [0.5, 0.25]
    assert profile.iloc[-1].tolist() == [0.5, 0.5]


def test_a_profile_of_failures_alone_is_zero_from_one_on():
    profile = performance_profile(np.full((3, 2), INF))
    assert profile.index.tolist() == [1.0]
    assert (profile.to_numpy() == 0).all()


def test_zero_steps_count_as_one():
    ratios = performance_ratios(np.array([[0, 1, 5], [0, 0, INF]]))
    assert ratios.tolist() == [[1, 1, 5], [1, 1, INF]]


@pytest.mark.parametrize("seed", range(20))
def test_profile_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    times = rng.integers(1, 9, size=(rng.integers(1, 8), rng.integers(1, 5))).astype(float)
    times[rng.random(times.shape) < 0.3] = INF
    profile = performance_profile(times)
    for ratio in [1, 1.2, 4 / 3, 1.5, 2, 2.5, 3, 7, 8, 100]:
        for solver in range(times.shape[1]):
            solved = sum(t[solver] < INF and t[solver] / min(t) <= ratio for t in times)
            assert at(profile, ratio)[solver] == pytest.approx(solved / len(times), abs=1e-15)


@pytest.mark.parametrize("times", [np.empty((0, 2)), np.empty((2, 0))])
def test_an_empty_table_is_a_usage_error(times):
    with pytest.raises(UsageError, match="at least one problem and one solver"):
        performance_profile(times)


def test_negative_times_are_a_usage_error():
    with pytest.raises(UsageError, match="cannot be negative; the table holds -2"):
        performance_profile(np.array([[1.0, -2.0]]))


def test_floats_reads_any_column():
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": ["2", "x"]})
    np.testing.assert_array_equal(floats(frame, "a"), [1, np.nan])
    np.testing.assert_array_equal(floats(frame, "b"), [2, np.nan])
    np.testing.assert_array_equal(floats(frame, "c"), [np.nan, np.nan])


STEPS = st.one_of(st.integers(0, 12).map(float), st.just(INF))
TABLES = st.tuples(st.integers(1, 6), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(STEPS, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    ).map(np.array)
)


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_a_profile_rises_within_0_and_1_and_ends_at_the_share_solved(times):
    shares = performance_profile(times).to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (np.diff(shares, axis=0) >= 0).all()
    np.testing.assert_array_equal(shares[-1], np.isfinite(times).mean(axis=0))


@given(TABLES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_further_solver_raises_nobodys_profile_and_the_order_of_problems_changes_none(times, random):
    problems = list(range(len(times)))
    random.shuffle(problems)
    pd.testing.assert_frame_equal(performance_profile(times), performance_profile(times[problems]))
    alone, beside = performance_profile(times[:, :-1]) if times.shape[1] > 1 else None, performance_profile(times)
    if alone is not None:
        for ratio in {*alone.index, *beside.index}:
            assert (at(beside, ratio)[alone.columns] <= at(alone, ratio)).all()


def test_data_profile_by_hand():
    # evaluations of two solvers on problems of one and three weights, in units of two and four
    costs = np.array([[3.0, 4.0], [4.0, INF]])
    units = simplex_gradients(pd.Index(["p1", "p2"]), {"p1": 1, "p2": 3})
    assert units.tolist() == [2, 4]
    shares = shares_at(costs / units[:, None], np.array([0.9, 1, 1.5, 2]))
    assert shares.tolist() == [[0, 0], [0.5, 0], [1, 0], [1, 0.5]]
    with pytest.raises(UsageError, match="unknown for 'p2'"):
        simplex_gradients(pd.Index(["p1", "p2"]), {"p1": 1})


def test_algoperf_scores_by_hand():
    # a: ratios 1, 1, 4 -> areas 3, 3, 0; b: ratios 1.5, inf, 1 -> areas 2.5, 0, 3
    np.testing.assert_allclose(algoperf_scores(performance_ratios(TABLE.to_numpy())), [6 / 9, 5.5 / 9], rtol=1e-15)
    assert algoperf_scores(performance_ratios(np.array([[3.0, INF], [0.0, 9.0]]))).tolist() == [1, 0]


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_an_algoperf_score_is_the_area_under_the_profile(times):
    profile = performance_profile(times)
    edges = np.array([ratio for ratio in profile.index if ratio < 4] + [4.0])
    areas = np.diff(edges) @ profile.to_numpy()[: len(edges) - 1]
    np.testing.assert_allclose(algoperf_scores(performance_ratios(times)), areas / 3, rtol=1e-12, atol=1e-15)


def test_speedups_by_hand():
    times = np.array([[10, 5, INF], [8, 32, 2], [INF, 1, INF]])
    speed, problems = speedups(times, 0)
    np.testing.assert_allclose(speed, [1, (2 / 4) ** 0.5, 4], rtol=1e-15)
    assert problems.tolist() == [2, 2, 1]
    np.testing.assert_allclose(speedups(np.array([[0.0, 3.0]]), 1)[0], [3, 1], rtol=1e-15)
    speed, problems = speedups(np.array([[1, INF], [INF, 1]]), 0)
    assert np.isnan(speed[1])
    assert problems.tolist() == [1, 0]


def test_the_reference_is_the_named_solver_or_the_best():
    assert reference_of(["a", "b", "c"], np.array([0.2, 0.5, 0.5]), None) == 1
    assert reference_of(["a", "b", "c"], np.array([0.2, 0.5, 0.5]), "c") == 2
    with pytest.raises(UsageError, match="no solver 'adam' to compare with; there are a, b, c"):
        reference_of(["a", "b", "c"], np.zeros(3), "adam")


def test_expected_running_times_by_hand():
    assert expected_running_times(np.array(1 + 2 + 4 + 2 + 6 + 100), np.array(1)) == 115
    assert expected_running_times(np.array(23 + 1 + 59 + 20 + 100), np.array(4)) == 50.75
    assert expected_running_times(np.array([3.0, 3.0]), np.array([0, 2])).tolist() == [INF, 1.5]


def test_hits_are_counted_by_hand():
    hits = np.array([[1, 5], [2, INF], [INF, INF], [3, 4], [3, 3]])
    counts = hit_counts(hits, np.array([0, 1, 2, 3, 4, 5]))
    assert counts.tolist() == [
        [0, 1, 1, 1, 1, 2],
        [0, 0, 1, 1, 1, 1],
        [0] * 6,
        [0, 0, 0, 1, 2, 2],
        [0, 0, 0, 2, 2, 2],
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_share_of_hits_is_scipys_ecdf(seed):
    rng = np.random.default_rng(seed)
    hits = rng.integers(1, 40, (7, 3)).astype(float)
    steps = np.arange(45.0)
    shares = hit_counts(hits, steps).sum(axis=0) / hits.size
    np.testing.assert_allclose(shares, stats.ecdf(hits.ravel()).cdf.evaluate(steps), rtol=1e-14)
