"""Which of several lanes comes when: their ranks, in operations that compile quickly."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def ranks(mask: Array) -> Array:
    """The place of every True in `mask` `[lanes]` among the Trues, from 0.

    In two levels: bits counted within words of 32 lanes, and words before. `cumsum` is unrolled into a hundred
    operations, which took most of the compilation.
    """
    lanes = len(mask)
    bits = jnp.pad(mask, (0, -lanes % 32)).reshape(-1, 32).astype(jnp.uint32)
    words = lax.optimization_barrier(jnp.sum(bits << np.arange(32, dtype=np.uint32), axis=1, dtype=jnp.uint32))
    upto = (2 ** np.arange(1, 33, dtype=np.uint64) - 1).astype(np.uint32)
    within = lax.population_count(words[:, None] & upto)
    earlier = np.tri(len(bits), k=-1, dtype=np.uint32)
    before = jnp.sum(lax.population_count(words) * earlier, axis=1, dtype=jnp.uint32)
    return (within + before[:, None]).reshape(-1)[:lanes].astype(jnp.int32) - 1
