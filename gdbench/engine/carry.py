"""What the compiled loop carries and is handed: lanes, what has ended, the queue of runs, the pace of a segment."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SEGMENT = 64
# runs that one call may take, fewer of them where they have more numbers than these in all
QUEUE, QUEUED = 4096, 2**22
DRAWN = 16
# of one row of numbers
LANE_BYTES = 2816
# of all that the lanes work on where there are data: as many lanes as hold so much, four as long as they hold no more
WORK_BYTES, FOUR_BYTES = 2**19, 2**22

# arrays of JAX inside the compiled program, of numpy on their way in
Numbers = Any


class Lanes(NamedTuple):
    """What the lanes carry from segment to segment; the lane is the last axis of everything but the records."""

    state: Any  # a Lane for every lane, in its layout
    own: Numbers  # [constants, lanes]: see Step
    goals: Numbers  # [2 LEVELS, lanes]: ladder of targets, first step at each target
    run: Numbers  # [lanes]: number of the lane's run in the program, -1 when idle
    busy: Numbers  # lanes with a run
    taken: Numbers  # runs of the queue taken in this call
    segments: Numbers  # segments run in this call
    measured: Any  # a Measured for every lane before its last step, in its layout
    paths: Numbers  # [SEGMENT / 2, 2, n + 2, drawn]: x, loss and squared gradient norm of the first lanes, see Pace
    losses: Numbers  # [SEGMENT / 2, 2, lanes]


class Ended(NamedTuple):
    """What the runs of one call ended with: the first `count` columns, in the order in which they ended."""

    numbers: Numbers  # [4 + n, queue + 2 lanes]: steps, final loss, best loss, gradient norm, iterate; then, each
    # where there is such: three rows of evaluations made in loops, lowest held-out loss and its step, goal met
    hits: Numbers  # [LEVELS, queue + 2 lanes], only where `laddered`
    run: Numbers  # [queue + 2 lanes]
    count: Numbers


class Queue(NamedTuple):
    """The next runs: `length` of the columns are there; `base` is the number of the first.

    ladder : their targets, looked at only where `laddered`.
    """

    columns: Numbers  # [n + constants, queue]
    ladder: Numbers  # [LEVELS, queue]
    laddered: Numbers
    length: Numbers
    base: Numbers


class Pace(NamedTuple):
    """A segment is `turns` times `pairs` pairs of steps. What the last pair of every turn measured is kept."""

    turns: Numbers
    pairs: Numbers

    @property
    def steps(self) -> int:
        """The steps of a segment."""
        return int(2 * self.turns * self.pairs)


# for long runs, for short ones, for every step of the first lanes, and for no more than what is measured at the start
FULL, HALF, EVERY, LEAST = (
    Pace(np.int32(turns), np.int32(pairs))
    for turns, pairs in ((1, SEGMENT // 2), (1, SEGMENT // 4), (SEGMENT // 2, 1), (1, 1))
)


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
