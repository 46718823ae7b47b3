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

# second words of the hash's key: one purpose's numbers are never another's
NOISE, SHUFFLE = 0x6E6F6973, 0x73687566
GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio
ROUNDS, UNROLL = 24, 4


def _word(value: Any) -> Array:
    return jnp.asarray(value).astype(jnp.uint32)


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Array, Array]:
    """Two hashed words, uint32, of a `key` and a `counter` of two words each; arrays are broadcast.

    Threefry-2x32 with 20 rounds (Salmon et al. 2011, doi:10.1145/2063384.2063405), the generator under `jax.random`.
    Written out because JAX's own is a loop on the CPU, which does not fuse into the step.
    """
    first, second = _word(key[0]), _word(key[1])
    keys = (first, second, first ^ second ^ np.uint32(0x1BD11BDA))
    a, b = _word(counter[0]) + first, _word(counter[1]) + second
    for block in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            a = a + b
            b = (b << np.uint32(turn)) | (b >> np.uint32(32 - turn))
            b = a ^ b
        a = a + keys[(block + 1) % 3]
        b = b + keys[(block + 2) % 3] + np.uint32(block + 1)
    return a, b


def normals(seed: Any, step: Any, call: int, size: int, dtype: Any) -> Array:
    """Standard normal numbers `[size]` of one call in one step of a run.

    Inverse transformation of the midpoints of 2^24 equal parts of (0, 1): symmetric, at most 5.4 in size, and the same
    numbers in every `dtype`, for they are computed in float32.
    """
    words = threefry((seed, NOISE + call), (step, np.arange(-(-size // 2), dtype=np.uint32)))
    bits = jnp.concatenate(words)[:size] >> np.uint32(8)
    # (2k + 1) / 2^24 - 1, exact: |.| < 1 in whole multiples of 2^-24
    uniform = (bits.astype(jnp.float32) - np.float32(2**23 - 0.5)) * np.float32(2**-23)
    return (np.float32(math.sqrt(2)) * lax.erf_inv(uniform)).astype(dtype)


def batch(seed: Any, step: Any, examples: int, size: int) -> Array:
    """The numbers `[size]`, int32, of the examples in the mini-batch of a run's step; `size` is below `examples`.

    An epoch is ceil(examples / size) steps through one shuffle, which hangs on the seed and the epoch alone. Where the
    last batch is short it is filled from the shuffle's beginning: each batch so holds `size` different examples, an
    unbiased sample with the same variance in every step.
    """
    step = _word(step)
    steps = np.uint32(-(-examples // size))
    epoch, number = step // steps, step % steps
    keys = threefry((seed, SHUFFLE), (epoch, 0))
    return shuffled(keys, number * np.uint32(size), examples, size)


def shuffled(keys: tuple[Array, Array], first: Any, count: int, size: int) -> Array:
    """The places `[size]`, int32, of `first`, `first + 1`, .. (modulo `count`) in a shuffle of 0 .. count - 1.

    The swap-or-not shuffle (Hoang, Morris and Rogaway 2012, doi:10.1007/978-3-642-32009-5_1): a round pairs each place
    with its mirror image at a random pivot, and a hashed bit swaps the two or not. It works for every `count`, also
    for 2 or 3, without a table: O(size), where sorting takes O(count). A place stays where it is in all rounds, and
    two keep their distance, once in 2^ROUNDS.
    """
    n = np.uint32(count)

    def one_round(number: Array, place: Array) -> Array:
        # made in here: inside a loop nothing is taken apart into single numbers, which for many would compile for long
        position = (_word(first) + jnp.arange(size, dtype=jnp.uint32)) % n
        place = jnp.where(number == 0, position, place)
        salt = _word(number) * np.uint32(GOLDEN)
        pivot = _mixed(keys[0] + salt) % n
        mirrored = pivot - place + jnp.where(place > pivot, n, np.uint32(0))
        swaps = _mixed(jnp.maximum(place, mirrored) + _mixed(keys[1] + salt)) >> np.uint32(31) == 1
        return jnp.where(swaps, mirrored, place)

    places = lax.fori_loop(0, ROUNDS, one_round, jnp.zeros(size, jnp.uint32), unroll=UNROLL)
    return places.astype(jnp.int32)


def _mixed(word: Array) -> Array:
    """A hash of 32 bits, one to one: lowbias32 of Wellons' hash-prospector (2018)."""
    word = (word ^ (word >> np.uint32(16))) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> np.uint32(15))) * np.uint32(0x846CA68B)
    return word ^ (word >> np.uint32(16))
