"""Performance profiles against a table worked out by hand and against the definition, written out as loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gdbench.errors import UsageError
from gdbench.statistics import floats, performance_profile, performance_ratios, profile_at

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
