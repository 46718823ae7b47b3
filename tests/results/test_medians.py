"""Quantiles against numpy's, and against the plain words where infinity is among the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.plain_tuning import middle
from hypothesis import given, settings
from hypothesis import strategies as st

from gdbench.results.statistics.medians import between, grouped_median, median, quantile, sorted_groups

INF = np.inf
NUMBERS = st.one_of(st.integers(0, 12).map(float), st.just(INF), st.just(-INF))


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 3)), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_the_median_of_every_group_is_that_of_the_group_alone(pairs):
    values = np.array([value for value, _ in pairs])
    _, codes = np.unique([group for _, group in pairs], return_inverse=True)
    with np.errstate(invalid="ignore"):
        expected = [middle(values[codes == group].tolist()) for group in range(codes.max() + 1)]
    np.testing.assert_array_equal(grouped_median(values, codes), expected)
    assert np.array_equal(median(values), middle(values.tolist()), equal_nan=True)


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.75, 1])
def test_quantiles_of_finite_numbers_are_numpys(share):
    rng = np.random.default_rng(0)
    values, codes = rng.normal(size=50), np.sort(rng.integers(0, 4, 50))
    found = quantile(*sorted_groups(values, codes), share)
    expected = [np.quantile(values[codes == group], share) for group in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_between_a_number_and_infinity_lies_infinity():
    assert between(np.array([1.0, 1.0, INF]), np.array([INF, 3.0, INF])).tolist() == [INF, 2.0, INF]
    assert between(np.array([1.0]), np.array([1.0]), 0.0).tolist() == [1.0]
