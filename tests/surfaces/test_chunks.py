"""Calls on padded chunks: the same results for any number of rows, from one compilation."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from gdbench.compilation import in_chunks


@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_give_every_row_its_own_result(threads):
    traced, counts = [], []

    @jax.jit
    def several(rows, count, factor):
        traced.append(rows[0].shape)
        return {"sum": rows[0] + factor * rows[1]["y"][:, None], "first": rows[0][:, 0]}

    def call(rows, count, factor):
        counts.append(int(count))
        return several(rows, count, factor)

    for k in (0, 1, 4, 5, 11):
        x, y = np.arange(2.0 * k).reshape(k, 2), np.arange(k) / 3
        both = in_chunks(call, 4, (x, {"y": y}), np.float64(2.0), threads=threads)
        np.testing.assert_array_equal(both["sum"], x + 2 * y[:, None])
        np.testing.assert_array_equal(both["first"], x[:, 0])
        assert both["sum"].dtype == np.float64
    assert traced == [(4, 2)]
    assert sorted(counts) == [0, 1, 1, 3, 4, 4, 4, 4]
