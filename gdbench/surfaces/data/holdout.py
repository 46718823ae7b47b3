"""The share of a table's examples that training does not see, chosen by the seed."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from gdbench.errors import UsageError
from gdbench.surfaces.base import Surface


def held_out_rows(examples: int, share: float, seed: int) -> np.ndarray:
    """Which of `examples` are held out, a mask `[examples]`: the nearest number to that share, the same for each seed.

    Raises `UsageError` where one side would be left without any.
    """
    count = round(share * examples)
    if not 0 < count < examples:
        raise UsageError(
            f"a share of {share:g} of {examples} examples leaves {'none' if not count else 'all'} held out"
        )
    order = np.random.default_rng([seed, zlib.crc32(b"holdout")]).permutation(examples)
    mask = np.zeros(examples, bool)
    mask[order[:count]] = True
    return mask


def with_held_out(surface: Surface, share: float, seed: int) -> Surface:
    """`surface` whose f is a mean over the other examples alone; their minimum is another one, and not known."""
    mask = held_out_rows(len(surface.data[0]), share, seed)
    train, rest = (tuple(array[rows] for array in surface.data) for rows in (~mask, mask))
    return replace(surface, data=train, held_out=rest, minimisers=None)
