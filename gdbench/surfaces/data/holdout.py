"""Hold out a share of a table's examples from training, chosen by the seed."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from gdbench.errors import UsageError
from gdbench.surfaces.base import Surface


def held_out_rows(examples: int, share: float, seed: int) -> Bool[np.ndarray, "examples"]:
    """Choose which of `examples` are held out, as a mask: the number nearest to that share.

    The same seed chooses the same ones. Raises `UsageError` if one side would be left without any.
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
    """Return `surface` with a share of its examples held out; the minimum of the others is not known."""
    mask = held_out_rows(len(surface.data[0]), share, seed)
    train, rest = (tuple(array[rows] for array in surface.data) for rows in (~mask, mask))
    return replace(surface, data=train, held_out=rest, minimisers=None)
