"""How many lanes advance side by side, and how many runs one call may take."""

from __future__ import annotations

import numpy as np

# runs that one call may take, fewer of them where they have more numbers than these in all
QUEUE, QUEUED = 4096, 2**22

# of one row of numbers
LANE_BYTES = 2816

# of all that the lanes work on where there are data: as many lanes as hold so much, four as long as they hold no more
WORK_BYTES, FOUR_BYTES = 2**19, 2**22


def queue_length(dimension: int, lanes: int) -> int:
    """How many runs one call of a program may take: what they end with has room set aside."""
    return max(lanes, min(QUEUE, QUEUED // dimension))


def lane_count(dimension: int, dtype: str, held: int = 0) -> int:
    """How many lanes a program advances side by side.

    held : numbers that a lane's step works on at once where there are data, 0 without: see `Step.held`.

    Enough to spread what a segment costs besides its steps, few enough that what a step reads and writes stays in the
    first cache: an odd multiple of 32, so that its rows do not compete for the same places there. Where the examples
    make the work of a lane, a power of two of lanes whose work fits into the second cache, four if few do, for they
    share the passes over the table, and one alone where four would hold too much. The number follows from the surface,
    the type and the step, never from how many runs there are: at another count XLA emits other code, whose last bits
    differ.
    """
    size = np.dtype(dtype).itemsize
    blocks = min(LANE_BYTES // size, 4096 // dimension**2) // 32
    lanes = 32 * max(3, blocks - (blocks + 1) % 2)
    fit = WORK_BYTES // (size * held) if held else lanes
    if fit >= lanes:
        return lanes
    if fit >= 4:
        return 1 << fit.bit_length() - 1
    return 4 if 4 * size * held <= FOUR_BYTES else 1
