"""Draw the noise on the gradient and the examples of a mini-batch.

Every number is a hash of the run's seed, the step and its purpose. So it depends on no lane, order or solver, and
nothing random is carried from step to step. All operations are element-wise and fuse into the step.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int32, UInt32

# Part of what is hashed, so that no two purposes share numbers.
NOISE, SHUFFLE = 0x6E6F6973, 0x73687566
# 2^32 over the golden ratio.
GOLDEN = 0x9E3779B9
ROUNDS, UNROLL = 24, 4


# A traced number or one of Python.
Number = Array | float


def _word(value: Any) -> UInt32[Array, ...]:
    return jnp.asarray(value).astype(jnp.uint32)


Words = tuple[UInt32[Array, "..."], UInt32[Array, "..."], UInt32[Array, "..."], UInt32[Array, "..."]]


def hashed(*words: Any) -> Words:
    """Hash four words to four; arrays are broadcast, and the map of all four is one to one.

    pcg4d (Jarzynski and Olano 2020, Journal of Computer Graphics Techniques 9(3)). Threefry, the generator under
    `jax.random`, takes three times as many operations, more than XLA turns into vector instructions in one loop.
    """
    x, y, z, w = (_word(word) * np.uint32(1664525) + np.uint32(1013904223) for word in words)
    x, y, z, w = _stirred(x, y, z, w)
    return _stirred(*(word ^ (word >> np.uint32(16)) for word in (x, y, z, w)))


def _stirred(x: Array, y: Array, z: Array, w: Array) -> Words:
    x = x + y * w
    y = y + z * x
    z = z + x * y
    return x, y, z, w + y * z


def normals(seed: Number, step: Number, call: int, size: int, dtype: Any) -> Float[Array, " size"]:
    """Draw standard normal numbers for one call in one step of a run.

    They are the inverse transformation of the midpoints of 2^24 equal parts of (0, 1): symmetric, at most 5.4 in size,
    and the same in every `dtype` and compiled program up to the rounding of `dtype`.
    """
    bits = hashed(seed, step, np.arange(size, dtype=np.uint32), NOISE + call)[-1] >> np.uint32(8)
    # (2k + 1) / 2^24 - 1 is exact: |.| < 1 in whole multiples of 2^-24.
    uniform = (bits.astype(dtype) - 2.0**23 + 0.5) * 2.0**-23
    # XLA stores the result of a division. It would repeat a product, with all that goes before, for every row of the
    # state that the number reaches; the barrier keeps the division from becoming a product.
    root: Array = lax.optimization_barrier(jnp.asarray(math.sqrt(0.5), dtype))
    return lax.erf_inv(uniform) / root


def batch(seed: Number, step: Number, examples: int, size: int, *, shuffled: bool = True) -> Int32[Array, " size"]:
    """Choose the examples in the mini-batch of a run's step; `size` is below `examples`.

    An epoch is ceil(examples / size) steps through one shuffle, which depends on the seed and the epoch alone, or
    through the examples as they stand if not `shuffled`. A short last batch is filled from the beginning, so that each
    batch holds `size` different examples, an unbiased sample with the same variance in every step.
    """
    step = _word(step)
    steps = np.uint32(-(-examples // size))
    epoch, number = step // steps, step % steps
    first = number * np.uint32(size)
    if not shuffled:
        return ((first + jnp.arange(size, dtype=jnp.uint32)) % np.uint32(examples)).astype(jnp.int32)
    return shuffle(hashed(seed, epoch, 0, SHUFFLE)[-2:], first, examples, size)


def shuffle(
    keys: tuple[UInt32[Array, ""], UInt32[Array, ""]], first: Number, count: Number, size: int
) -> Int32[Array, " size"]:
    """Find the places of `first`, `first + 1`, .. (modulo `count`) in a shuffle of 0 .. count - 1.

    This is the swap-or-not shuffle (Hoang, Morris and Rogaway 2012, doi:10.1007/978-3-642-32009-5_1): a round pairs
    each place with its mirror image at a random pivot, and a hashed bit swaps the two or not. It works for every
    `count`, also for 2 or 3, without a table: O(size), where sorting takes O(count). A place stays where it is in all
    rounds, and two keep their distance, once in 2^ROUNDS.
    """
    n = _word(count)

    def one_round(number: Array, place: Array) -> Array:
        # The positions are made inside the loop, where nothing is taken apart into single numbers: for many examples
        # that would compile for long.
        position = (_word(first) + jnp.arange(size, dtype=jnp.uint32)) % n
        place = jnp.where(number == 0, position, place)
        salt = _word(number) * np.uint32(GOLDEN)
        pivot = _mixed(keys[0] + salt) % n
        mirrored = pivot - place + jnp.where(place > pivot, n, 0)
        swaps = _mixed(jnp.maximum(place, mirrored) + _mixed(keys[1] + salt)) >> np.uint32(31) == 1
        return jnp.where(swaps, mirrored, place)

    places: Array = lax.fori_loop(0, ROUNDS, one_round, jnp.zeros(size, jnp.uint32), unroll=UNROLL)
    return places.astype(jnp.int32)


def _mixed(word: UInt32[Array, ...]) -> UInt32[Array, ...]:
    """Hash 32 bits, one to one: lowbias32 of Wellons' hash-prospector (2018)."""
    word = (word ^ (word >> np.uint32(16))) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> np.uint32(15))) * np.uint32(0x846CA68B)
    return word ^ (word >> np.uint32(16))
