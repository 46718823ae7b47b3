"""What the compiled loop carries and is handed: lanes, what has ended, the queue of runs, the pace of a segment."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SEGMENT = 64

DRAWN = 16

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
