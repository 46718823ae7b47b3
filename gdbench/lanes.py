"""The compiled heart: lanes that advance side by side and are refilled as their runs end.

One call of the compiled program runs segments of `SEGMENT` steps in a `while_loop`. At the start of a segment idle
lanes take the next runs of the queue; at its end the records of finished runs are written out. A lane is finished when
it did not advance through the whole segment. Nothing here depends on how many runs there are, so that a single run and
a sweep of a million get the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Event, Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from gdbench import compiler
from gdbench.layout import Layout
from gdbench.oracle import Evaluations
from gdbench.records import LEVELS
from gdbench.step import Measured, Signature, Step

SEGMENT = 64
DRAWN = 16


# arrays of JAX inside the compiled program, of numpy on their way in
Numbers = Any


class Lanes(NamedTuple):
    """What the lanes carry from segment to segment; the lane is the last axis of everything but the records."""

    state: Any  # a Lane for every lane, in its layout
    own: Numbers  # [own rows, lanes]: constants (see Step), ladder of targets, first step at each target
    run: Numbers  # [lanes]: number of the lane's run in the program, -1 when idle
    slot: Numbers  # [lanes]: the column of its record
    records: Numbers  # [record rows, queue + lanes]: one column for each run of this call
    record_runs: Numbers  # [queue + lanes]: whose record a column is, -1 for none
    busy: Numbers  # lanes with a run
    taken: Numbers  # runs of the queue taken in this call
    segments: Numbers  # segments run in this call
    measured: Any  # a Measured for every lane, in its layout
    paths: Numbers  # [SEGMENT, n + 2, drawn]: x, loss and squared gradient norm of the first lanes in the last segment


class Queue(NamedTuple):
    """The next runs: `columns` `[n + own rows, queue]` of which `length` are there, and the first one's number."""

    columns: Numbers
    length: Numbers
    base: Numbers


@dataclass(frozen=True)
class Machine:
    """A compiled program and the sizes that its caller needs.

    `advance(lanes, queue, arguments, length, segments, drain)` runs until the queue is empty and a lane idle (with
    `drain` until all lanes are) or `segments` of `length` steps are over; `arguments` are the shared settings, the
    data, the budget of steps and the squared gradient tolerance. Call it through `compile_once` first.
    """

    advance: Callable[..., Lanes]
    empty: Callable[[], Lanes]
    lanes: int
    queue: int
    drawn: int
    columns: int
    evaluations: Evaluations
    compiling: Lock
    compiled: Event

    def compile_once(self, *arguments: Any) -> None:
        """Compile `advance` for these arguments, which must ask for no segment; a second thread waits for the first."""
        with self.compiling:
            if not self.compiled.is_set():
                self.advance(*arguments)
                self.compiled.set()


def lane_count(dimension: int) -> int:
    """How many lanes a program advances side by side.

    Enough to fill the vector units, few enough to stay in the cache and not to keep a small benchmark waiting for idle
    ones. It follows from the dimension alone: at another count XLA emits other code, whose last bits differ.
    """
    return max(64, min(1024, 2 ** int(math.log2(4096 / dimension**2))))


class _Loop:
    """The loop over segments, as traced; `machine` compiles its `advance`."""

    def __init__(self, signature: Signature) -> None:
        self.step = Step(signature)
        self.n, self.dtype = signature.dimension, jnp.dtype(signature.dtype)
        self.lanes = lane_count(self.n)
        self.queue, self.drawn = 4 * self.lanes, min(DRAWN, self.lanes)
        self.template, self.evaluations = self.step.probe()
        self.layout = Layout(self.template, self.lanes, self.dtype)
        number = jax.ShapeDtypeStruct((), self.dtype)
        self.measures = Layout(Measured(number, self.template.x), self.lanes, self.dtype, self.layout.packed)
        # among a lane's own rows: where the ladder of targets begins and the first steps at its targets
        self.ladder = len(signature.swept) + 3
        self.hits = self.ladder + LEVELS
        self.own = self.hits + LEVELS
        self.record_rows = 4 + self.n + LEVELS

    def empty(self) -> Lanes:
        """All lanes idle."""
        lanes, dtype, records = self.lanes, self.dtype, self.queue + self.lanes
        zeros = jax.tree.map(lambda leaf: np.zeros((*leaf.shape, lanes), leaf.dtype), self.template)
        unmeasured = Measured(np.zeros(lanes, dtype), np.zeros((self.n, lanes), dtype))
        return Lanes(
            # a count of steps above every budget: they never move
            state=self.layout.pack(zeros._replace(count=np.full(lanes, np.inf, dtype))),
            own=np.zeros((self.own, lanes), dtype),
            run=np.full(lanes, -1, np.int32),
            slot=np.zeros(lanes, np.int32),
            records=np.zeros((self.record_rows, records), dtype),
            record_runs=np.full(records, -1, np.int32),
            busy=np.int32(0),
            taken=np.int32(0),
            segments=np.int32(0),
            measured=self.measures.pack(unmeasured),
            paths=np.zeros((SEGMENT, self.n + 2, self.drawn), dtype),
        )

    def advance(
        self, lanes: Lanes, queue: Queue, arguments: Any, length: Array, segments: Array, drain: Array
    ) -> Lanes:
        """See `Machine`."""
        lanes = lanes._replace(
            # a run that is still going gets a column behind those of the queue
            slot=self.queue + jnp.arange(self.lanes, dtype=jnp.int32),
            record_runs=jnp.full_like(lanes.record_runs, -1),
            taken=jnp.int32(0),
            segments=jnp.int32(0),
        )

        def going(c: Lanes) -> Array:
            over = (c.taken >= queue.length) & (c.busy < jnp.where(drain, 1, self.lanes))
            return ~over & (c.segments < segments)

        def body(c: Lanes) -> Lanes:
            wanted = (c.taken < queue.length) & (c.busy < self.lanes)
            c = lax.cond(wanted, lambda: self.refill(c, queue), lambda: c)
            return self.segment(c, arguments, length)

        return lax.while_loop(going, body, lanes)

    def refill(self, c: Lanes, queue: Queue) -> Lanes:
        """Start the next runs of the queue in the idle lanes."""
        idle = c.run < 0
        position = c.taken + _ranks(idle)
        take = idle & (position < queue.length)
        new = queue.columns[:, jnp.minimum(position, self.queue - 1)]
        started = self.layout.pack(jax.vmap(self.step.fresh, -1, -1)(new[: self.n]))
        count = jnp.minimum(queue.length - c.taken, self.lanes - c.busy)
        return c._replace(
            state=jax.tree.map(lambda old, fresh: jnp.where(take, fresh, old), c.state, started),
            own=jnp.where(take, new[self.n :], c.own),
            run=jnp.where(take, queue.base + position, c.run),
            slot=jnp.where(take, position, c.slot),
            busy=c.busy + count,
            taken=c.taken + count,
        )

    def segment(self, c: Lanes, arguments: Any, length: Array) -> Lanes:
        """`length` steps of every lane, then the bookkeeping, which so costs a 64th of what it would in each step."""

        def body(i: Array, carry: Any) -> Any:
            state, _, paths = carry
            new, measured = self.advance_lanes(state, c.own, arguments)
            lane, found = self.layout.unpack(state), self.measures.unpack(measured)
            drawn = jnp.concatenate([lane.x, found.loss[None], _norm2(found.gradient)[None]])[:, : self.drawn]
            return new, measured, lax.dynamic_update_index_in_dim(paths, drawn, i, 0)

        state, measured, paths = lax.fori_loop(0, length, body, (c.state, c.measured, c.paths))
        lane, before = self.layout.unpack(state), self.layout.unpack(c.state)
        crossed = (lane.best <= c.own[self.ladder : self.hits]) & jnp.isinf(c.own[self.hits :])
        own = lax.cond(jnp.any(crossed), lambda: self.with_hits(c, crossed, before.count, arguments), lambda: c.own)
        done = (c.run >= 0) & (lane.count < before.count + length.astype(self.dtype))
        ended = jnp.sum(done, dtype=jnp.int32)
        c = c._replace(state=state, own=own, measured=measured, paths=paths, segments=c.segments + 1)
        return lax.cond(ended > 0, lambda: self.record(c, done, ended), lambda: c)

    def advance_lanes(self, state: Any, own: Array, arguments: Any) -> tuple[Any, Any]:
        """One step of every lane, and what was measured before it."""
        constants = [own[i] for i in range(self.ladder)]
        measured = self.measures.map(self.step.measure, [(self.layout, state)], constants, *arguments)
        # Loss and gradient are computed once and kept. Without the barrier XLA computes them again for every row of
        # the state: welcome for a sum, ruinous for the exponentials in a gradient.
        measured = lax.optimization_barrier(measured)
        inputs = [(self.layout, state), (self.measures, measured)]
        return self.layout.map(self.step, inputs, constants, *arguments), measured

    def with_hits(self, c: Lanes, crossed: Array, before: Array, arguments: Any) -> Array:
        """The lanes' own rows with the first step at each target that was `crossed`: the segment is run again for it.

        Losses are kept in this second pass only, for keeping them in every step would cost more than the step.
        """

        def body(state: Any, _: None) -> Any:
            new, measured = self.advance_lanes(state, c.own, arguments)
            return new, self.measures.unpack(measured).loss

        _, losses = lax.scan(body, c.state, None, length=SEGMENT)
        met = losses[:, None, :] <= c.own[self.ladder : self.hits][None]
        first = before + jnp.argmax(met, axis=0).astype(self.dtype)
        return jnp.concatenate([c.own[: self.hits], jnp.where(crossed, first, c.own[self.hits :])])

    def record(self, c: Lanes, done: Array, ended: Array) -> Lanes:
        """Write the finished lanes' records and set the lanes idle."""
        lane, found = self.layout.unpack(c.state), self.measures.unpack(c.measured)
        numbers = jnp.stack([lane.count, found.loss, lane.best, jnp.sqrt(_norm2(found.gradient))])
        table = jnp.concatenate([numbers, lane.x, c.own[self.hits :]])
        column = jnp.where(done, c.slot, self.queue + self.lanes)  # out of bounds: dropped
        return c._replace(
            records=c.records.at[:, column].set(table, mode="drop"),
            record_runs=c.record_runs.at[column].set(c.run, mode="drop"),
            busy=c.busy - ended,
            run=jnp.where(done, -1, c.run),
        )


def _norm2(gradients: Array) -> Array:
    """The squared norm `[lanes]` of gradients `[n, lanes]`."""
    return jnp.sum(gradients * gradients, axis=0)


def _ranks(mask: Array) -> Array:
    """The place of every True in `mask` `[lanes]` among the Trues, from 0.

    A running sum in two levels of 32, each a product with a triangle of ones: two small operations where `cumsum` is
    unrolled into a hundred, which took most of the compilation. Counts up to 1,024 are exact in float32.
    """
    counts = mask.astype(jnp.float32).reshape(-1, 32)
    within = counts @ np.triu(np.ones((32, 32), np.float32))
    rows = len(counts)
    before = np.tril(np.ones((rows, rows), np.float32), -1) @ within[:, -1]
    return (within + before[:, None]).reshape(-1).astype(jnp.int32) - 1


_machines = Lock()


def machine(signature: Signature) -> Machine:
    """The compiled program of `signature`, traced once per process. Raises `UsageError` as `Step.probe` does."""
    with _machines:  # two threads that meet a signature at the same moment share one program
        return _machine(signature)


def forget_machines() -> None:
    """Drop every compiled program, so that the next use traces it again."""
    _machine.cache_clear()


@lru_cache(maxsize=512)
def _machine(signature: Signature) -> Machine:
    loop = _Loop(signature)
    return Machine(
        advance=jax.jit(loop.advance, compiler_options=compiler.known(compiler.FAST)),
        empty=loop.empty,
        lanes=loop.lanes,
        queue=loop.queue,
        drawn=loop.drawn,
        columns=loop.n + loop.own,
        evaluations=loop.evaluations,
        compiling=Lock(),
        compiled=Event(),
    )
