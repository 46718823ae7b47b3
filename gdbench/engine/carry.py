"""Define what the compiled loop carries and is handed: lanes, ended runs, the queue, the pace of a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

SEGMENT = 64

DRAWN = 16

# Arrays of JAX inside the compiled program, of numpy on their way in and out.
Numbers = Any


class Constants(NamedTuple):
    """The numbers of a run that never change.

    swept : the swept settings by name. target : the loss at which the run has reached the target.
    limit : the loss above which it has diverged.
    """

    swept: Mapping[str, Float[Numbers, ""]]
    target: Float[Numbers, ""]
    limit: Float[Numbers, ""]
    seed: Float[Numbers, ""]


class Waiting(NamedTuple):
    """A run in the queue: its start and its constants."""

    x: Float[Numbers, " n"]
    constants: Constants


class Final(NamedTuple):
    """The numbers that a run ended with; the last three are None for signatures that have none.

    looped : evaluations of value, gradient and Hessian in loops. held_out : the lowest held-out loss and its step.
    goal : whether the surface's goal is met.
    """

    steps: Float[Numbers, ""]
    loss: Float[Numbers, ""]
    best: Float[Numbers, ""]
    grad_norm: Float[Numbers, ""]
    x: Float[Numbers, " n"]
    looped: Float[Numbers, " 3"] | None = None
    held_out: Float[Numbers, " 2"] | None = None
    goal: Float[Numbers, ""] | None = None


class Lanes(NamedTuple):
    """The arrays that the lanes carry from segment to segment; the lane is the last axis of everything but the records.

    state : a `Lane` for every lane, in its layout. constants : the `Constants` of every lane, packed.
    goals : the ladder of targets, then the first step at each. run : the number of the lane's run, -1 in an idle lane.
    busy : how many lanes have a run. taken : runs taken from the queue in this call. segments : segments of this call.
    measured : a `Measured` for every lane before its last step, in its layout.
    paths : iterate, loss and squared gradient norm of the first lanes at the steps that `Pace` keeps.
    losses : the losses of all lanes at these steps.
    """

    state: Any
    constants: Float[Numbers, "constants lanes"]
    goals: Float[Numbers, "2*levels lanes"]
    run: Int[Numbers, " lanes"]
    busy: Int[Numbers, ""]
    taken: Int[Numbers, ""]
    segments: Int[Numbers, ""]
    measured: Any
    paths: Float[Numbers, "segment//2 2 n+2 drawn"]
    losses: Float[Numbers, "segment//2 2 lanes"]


class Ended(NamedTuple):
    """The results of the runs that ended in one call: the first `count` columns, in the order in which they ended.

    numbers : a `Final` for every run, packed. hits : the first step at each target, written only for a ladder.
    room : queue + 2 lanes.
    """

    numbers: Float[Numbers, "rows room"]
    hits: Float[Numbers, "levels room"]
    run: Int[Numbers, " room"]
    count: Int[Numbers, ""]


class Queue(NamedTuple):
    """The next runs: the first `length` columns; the number of the first run is `base`.

    columns : a `Waiting` for every run, packed. ladder : their targets, read only if `laddered`.
    """

    columns: Float[Numbers, "rows queue"]
    ladder: Float[Numbers, "levels queue"]
    laddered: Bool[Numbers, ""]
    length: Int[Numbers, ""]
    base: Int[Numbers, ""]


class Pace(NamedTuple):
    """A segment is `turns` times `pairs` pairs of steps. The measures of the last pair of every turn are kept."""

    turns: Int[Numbers, ""]
    pairs: Int[Numbers, ""]

    @property
    def steps(self) -> int:
        """The steps of a segment."""
        return int(2 * self.turns * self.pairs)


# FULL suits long runs and HALF short ones; EVERY keeps every step of the first lanes; LEAST only measures at the start.
FULL, HALF, EVERY, LEAST = (
    Pace(np.int32(turns), np.int32(pairs))
    for turns, pairs in ((1, SEGMENT // 2), (1, SEGMENT // 4), (SEGMENT // 2, 1), (1, 1))
)
