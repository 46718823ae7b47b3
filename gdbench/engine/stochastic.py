"""What is random in a step: noise on the gradient, and which examples the mini-batch holds.

Every number is a hash of the run's seed, the step and its purpose, so that it depends on no lane, order or solver and
nothing random is carried from step to step. All of it is made of element-wise operations, which fuse into the step.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

# part of what is hashed: one purpose's numbers are never another's
NOISE, SHUFFLE = 0x6E6F6973, 0x73687566
GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio
ROUNDS, UNROLL = 24, 4


def _word(value: Any) -> Array:
    return jnp.asarray(value).astype(jnp.uint32)


def hashed(*words: Any) -> tuple[Array, Array, Array, Array]:
    """Four hashed words, uint32, of four; arrays are broadcast, and the map of all four is one to one.

    pcg4d (Jarzynski and Olano 2020, Journal of Computer Graphics Techniques 9(3)). Threefry, the generator under
    `jax.random`, takes three times as many operations, more than XLA turns into vector instructions in one loop.
    """
    x, y, z, w = (_word(word) * np.uint32(1664525) + np.uint32(1013904223) for word in words)
    x, y, z, w = _stirred(x, y, z, w)
    return _stirred(*(word ^ (word >> np.uint32(16)) for word in (x, y, z, w)))


def _stirred(x: Array, y: Array, z: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    x = x + y * w
    y = y + z * x
    z = z + x * y
    return x, y, z, w + y * z


def normals(seed: Any, step: Any, call: int, size: int, dtype: Any) -> Array:
    """Standard normal numbers `[size]` of one call in one step of a run.

    Inverse transformation of the midpoints of 2^24 equal parts of (0, 1): symmetric, at most 5.4 in size, and the same
    numbers in every `dtype` and compiled program up to the rounding of `dtype`.
    """
    bits = hashed(seed, step, np.arange(size, dtype=np.uint32), NOISE + call)[-1] >> np.uint32(8)
    # (2k + 1) / 2^24 - 1, exact: |.| < 1 in whole multiples of 2^-24
    uniform = (bits.astype(dtype) - 2.0**23 + 0.5) * 2.0**-23
    # A division, which XLA stores. A product it would repeat, with all that goes before, for every row of the state
    # that the number reaches; the barrier keeps the one from becoming the other.
    return lax.erf_inv(uniform) / lax.optimization_barrier(jnp.asarray(math.sqrt(0.5), dtype))


def batch(seed: Any, step: Any, examples: int, size: int, *, shuffled: bool = True) -> Array:
    """The numbers `[size]`, int32, of the examples in the mini-batch of a run's step; `size` is below `examples`.

    An epoch is ceil(examples / size) steps through one shuffle, which hangs on the seed and the epoch alone, or through
    the examples as they stand where they are not `shuffled`. Where the last batch is short it is filled from the
    beginning: each batch so holds `size` different examples, an unbiased sample with the same variance in every step.
    """
    step = _word(step)
    steps = np.uint32(-(-examples // size))
    epoch, number = step // steps, step % steps
    first = number * np.uint32(size)
    if not shuffled:
        return ((first + jnp.arange(size, dtype=jnp.uint32)) % np.uint32(examples)).astype(jnp.int32)
    return shuffle(hashed(seed, epoch, 0, SHUFFLE)[-2:], first, examples, size)


def shuffle(keys: tuple[Array, Array], first: Any, count: Any, size: int) -> Array:
    """The places `[size]`, int32, of `first`, `first + 1`, .. (modulo `count`) in a shuffle of 0 .. count - 1.

    The swap-or-not shuffle (Hoang, Morris and Rogaway 2012, doi:10.1007/978-3-642-32009-5_1): a round pairs each place
    with its mirror image at a random pivot, and a hashed bit swaps the two or not. It works for every `count`, also
    for 2 or 3, without a table: O(size), where sorting takes O(count). A place stays where it is in all rounds, and
    two keep their distance, once in 2^ROUNDS.
    """
    n = _word(count)

    def one_round(number: Array, place: Array) -> Array:
        # made in here: inside a loop nothing is taken apart into single numbers, which for many would compile for long
        position = (_word(first) + jnp.arange(size, dtype=jnp.uint32)) % n
        place = jnp.where(number == 0, position, place)
        salt = _word(number) * np.uint32(GOLDEN)
        pivot = _mixed(keys[0] + salt) % n
        mirrored = pivot - place + jnp.where(place > pivot, n, 0)
        swaps = _mixed(jnp.maximum(place, mirrored) + _mixed(keys[1] + salt)) >> np.uint32(31) == 1
        return jnp.where(swaps, mirrored, place)

    places = lax.fori_loop(0, ROUNDS, one_round, jnp.zeros(size, jnp.uint32), unroll=UNROLL)
    return places.astype(jnp.int32)


def _mixed(word: Array) -> Array:
    """A hash of 32 bits, one to one: lowbias32 of Wellons' hash-prospector (2018)."""
    word = (word ^ (word >> np.uint32(16))) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> np.uint32(15))) * np.uint32(0x846CA68B)
    return word ^ (word >> np.uint32(16))
