"""Decide how many lanes advance side by side, and how many runs one call may take."""

from __future__ import annotations

import numpy as np

# One call takes at most QUEUE runs, and fewer if they hold more than QUEUED numbers in all.
QUEUE, QUEUED = 4096, 2**22

# One row of numbers over the lanes takes this much of the first cache.
LANE_BYTES = 2816

# There are at least this many lanes, unless the examples in the data make a lane expensive.
FEWEST = 96

# With data: as many lanes as fit WORK_BYTES (the second cache), else four while these fit FOUR_BYTES, else one.
WORK_BYTES, FOUR_BYTES = 2**19, 2**22


def queue_length(dimension: int, lanes: int) -> int:
    """Decide how many runs one call of a program may take; room for what they end with is set aside."""
    return max(lanes, min(QUEUE, QUEUED // dimension))


def lane_count(dimension: int, dtype: str, held: int = 0) -> int:
    """Decide how many lanes a program advances side by side.

    held : with data, the numbers that a lane's step works on at once (see `Step.held`), else 0.

    The lanes are many enough to spread what a segment costs besides its steps, and few enough that what a step reads
    and writes stays in the first cache: an odd multiple of 32, so that its rows do not compete for the same places
    there. With data, the work of a lane grows with the examples: then the lanes are a power of two and their work fits
    the second cache, or four lanes share the passes over the table, or one lane runs alone. The number follows from the
    surface, the type and the step, never from how many runs there are: at another count XLA emits other code, and the
    last bits differ.
    """
    size = np.dtype(dtype).itemsize
    blocks = min(LANE_BYTES // size, 4096 // dimension**2) // 32
    lanes = 32 * max(FEWEST // 32, blocks - (blocks + 1) % 2)
    fit = WORK_BYTES // (size * held) if held else lanes
    if fit >= lanes:
        return lanes
    if fit >= 4:
        return 1 << fit.bit_length() - 1
    return 4 if 4 * size * held <= FOUR_BYTES else 1
