"""Sums and matrix products that stay inside the one vectorised loop of a step when they are short.

XLA hands a reduction or a matrix product over many lanes to a library call of its own, which for a handful of terms
costs more than the whole step. Written out term by term they fuse with everything around them: about three times
faster in two dimensions. Long ones are left to the library, which then is the faster one.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

SHORT = 8


def total(vector: Array) -> Array:
    """The sum of the entries of `vector` `[n]`."""
    if vector.shape[0] > SHORT:
        return jnp.sum(vector)
    result = vector[0]
    for i in range(1, vector.shape[0]):
        result = result + vector[i]
    return result


def squared_norm(vector: Array) -> Array:
    """The sum of squares of `vector` `[n]`."""
    return total(vector * vector)


def matvec(matrix: Array, vector: Array) -> Array:
    """`matrix` `[m, n]` times `vector` `[n]`."""
    rows, columns = matrix.shape
    if rows > SHORT or columns > SHORT:
        return matrix @ vector
    return jnp.stack([total(matrix[i] * vector) for i in range(rows)])
