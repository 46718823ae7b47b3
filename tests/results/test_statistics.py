"""Statistics against tables worked out by hand, against definitions written out as loops, and against scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gdbench.errors import UsageError
from gdbench.results.selection import median
from gdbench.results.statistics import (
    algoperf_scores,
    data_profile,
    evaluations_to_accuracy,
    expected_running_time,
    floats,
    medians,
    performance_profile,
    performance_ratios,
    profile_at,
    runtime_ecdf,
    speedups,
)

INF = np.inf
TABLE = pd.DataFrame([[1, 1.5], [1, INF], [4, 1]], index=["p", "q", "r"], columns=["a", "b"])


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
    assert tuple(profile_at(performance_profile(TABLE), ratio)) == shares


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
    assert ratios.to_numpy().tolist() == [[1, 1, 5], [1, 1, INF]]


@pytest.mark.parametrize("seed", range(20))
def test_profile_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    times = rng.integers(1, 9, size=(rng.integers(1, 8), rng.integers(1, 5))).astype(float)
    times[rng.random(times.shape) < 0.3] = INF
    profile = performance_profile(times)
    for ratio in [1, 1.2, 4 / 3, 1.5, 2, 2.5, 3, 7, 8, 100]:
        for solver in range(times.shape[1]):
            solved = sum(t[solver] < INF and t[solver] / min(t) <= ratio for t in times)
            assert profile_at(profile, ratio)[solver] == pytest.approx(solved / len(times), abs=1e-15)


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
            assert (profile_at(beside, ratio)[alone.columns] <= profile_at(alone, ratio)).all()


HISTORIES = {
    ("p1", "a"): [10, 5, 1, 2],
    ("p1", "b"): [10, 8, 4, 0],
    ("p2", "a"): [100, 50, 60, 10],
    ("p2", "b"): [100, 100, 20, 30],
}
DIMENSIONS = {"p1": 1, "p2": 3}


def histories():
    parts = [
        pd.DataFrame({"problem": problem, "solver": solver, "loss": np.array(losses, dtype=float)})
        for (problem, solver), losses in HISTORIES.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_evaluations_to_accuracy_by_hand():
    times = evaluations_to_accuracy(histories(), 0.1)
    assert times.to_numpy().tolist() == [[3, 4], [4, INF]]
    assert times.index.tolist() == ["p1", "p2"]
    assert times.columns.tolist() == ["a", "b"]
    assert evaluations_to_accuracy(histories(), 0.0).to_numpy().tolist() == [[INF, 4], [4, INF]]


def test_a_solver_without_a_history_or_with_a_loss_that_is_no_number_does_not_converge():
    frame = histories()
    frame = frame[(frame["problem"] != "p1") | (frame["solver"] != "b")].copy()
    frame.loc[frame["loss"] == 1, "loss"] = np.nan
    # the best that is left on p1 is 2, at the fourth evaluation
    assert evaluations_to_accuracy(frame, 0.1).to_numpy().tolist() == [[4, INF], [4, INF]]


@pytest.mark.parametrize("tau", [-0.1, 1.0])
def test_an_accuracy_outside_0_to_1_is_a_usage_error(tau):
    with pytest.raises(UsageError, match="accuracy tau"):
        evaluations_to_accuracy(histories(), tau)


def test_data_profile_by_hand():
    profile = data_profile(evaluations_to_accuracy(histories(), 0.1), DIMENSIONS)
    assert profile.index.tolist() == [1, 1.5, 2]
    assert profile.index.name == "budget"
    assert profile.to_numpy().tolist() == [[0.5, 0], [1, 0], [1, 0.5]]
    assert profile_at(profile, 0.9).tolist() == [0, 0]


def test_a_data_profile_does_not_depend_on_other_solvers_and_needs_every_dimension():
    times = evaluations_to_accuracy(histories(), 0.1)
    both, alone = data_profile(times, DIMENSIONS), data_profile(times[["b"]], DIMENSIONS)
    assert [profile_at(both, budget)["b"] for budget in alone.index] == alone["b"].tolist()
    with pytest.raises(UsageError, match="unknown for 'p2'"):
        data_profile(times, {"p1": 1})


def test_algoperf_scores_by_hand():
    # a: ratios 1, 1, 4 -> areas 3, 3, 0; b: ratios 1.5, inf, 1 -> areas 2.5, 0, 3
    np.testing.assert_allclose(algoperf_scores(TABLE), [6 / 9, 5.5 / 9], rtol=1e-15)
    assert algoperf_scores(np.array([[3.0, INF], [0.0, 9.0]])).tolist() == [1, 0]


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_an_algoperf_score_is_the_area_under_the_profile(times):
    profile = performance_profile(times)
    edges = np.array([ratio for ratio in profile.index if ratio < 4] + [4.0])
    areas = np.diff(edges) @ profile.to_numpy()[: len(edges) - 1]
    np.testing.assert_allclose(algoperf_scores(times), areas / 3, rtol=1e-12, atol=1e-15)


def test_speedups_by_hand():
    times = pd.DataFrame([[10, 5, INF], [8, 32, 2], [INF, 1, INF]], columns=["a", "b", "c"])
    found = speedups(times, "a")
    np.testing.assert_allclose(found["speedup"], [1, (2 / 4) ** 0.5, 4], rtol=1e-15)
    assert found["problems"].tolist() == [2, 2, 1]
    # b is fastest on two of three and scores best
    assert speedups(times).loc["b"].tolist() == [1, 3]
    assert speedups(pd.DataFrame([[0, 3]], columns=["a", "b"]), "b").loc["a", "speedup"] == pytest.approx(3, rel=1e-15)
    alone = speedups(pd.DataFrame([[1, INF], [INF, 1]], columns=["a", "b"]), "a")
    assert np.isnan(alone.loc["b", "speedup"])
    assert alone.loc["b", "problems"] == 0
    with pytest.raises(UsageError, match="no solver 'adam' to compare with; there are a, b, c"):
        speedups(times, "adam")


def test_expected_running_times_by_hand():
    assert expected_running_time(np.array([1, 2, 4, 2, 6, 100]), np.array([True] + [False] * 5)) == 115
    hits = np.array([np.nan, 23, 1, 59, 20])
    reached = np.isfinite(hits)
    assert expected_running_time(np.where(reached, hits, 100), reached) == 50.75
    nobody = expected_running_time(np.ones((2, 3)), np.array([[False] * 3, [True, True, False]]))
    assert nobody.tolist() == [INF, 1.5]


def test_runtime_ecdf_by_hand():
    hits = np.array([[1, 5], [2, INF], [INF, INF], [3, 4], [3, 3]])
    problems = np.array(["p", "p", "p", "p", "q"])
    shares = runtime_ecdf(hits, problems, np.array([0, 1, 2, 3, 4, 5]))
    expected = (np.array([0, 1, 2, 3, 4, 5]) / 8 + np.array([0, 0, 0, 2, 2, 2]) / 2) / 2
    np.testing.assert_allclose(shares, expected, rtol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_runtime_ecdf_of_one_problem_is_scipys(seed):
    rng = np.random.default_rng(seed)
    hits = rng.integers(1, 40, (7, 3)).astype(float)
    steps = np.arange(45.0)
    found = runtime_ecdf(hits, np.zeros(7), steps)
    np.testing.assert_allclose(found, stats.ecdf(hits.ravel()).cdf.evaluate(steps), rtol=1e-14)


@given(st.lists(STEPS, min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_medians_are_the_tables_median(values):
    assert medians(np.array([values])).tolist() == [median(pd.Series(values))]
