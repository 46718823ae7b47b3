"""The compiled heart: lanes that advance side by side and are refilled as their runs end.

One call of the compiled program runs segments of at most `SEGMENT` steps in a `while_loop`. At the start of a segment
idle lanes take the next runs of the queue; at its end the records of finished runs are written out. A lane is finished
when it did not advance through the whole segment. Nothing here depends on how many runs there are, so that a single run
and a sweep of a million get the same bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from gdbench.engine.carry import DRAWN, SEGMENT, Ended, Lanes, Pace, Queue
from gdbench.engine.lane_count import lane_count, queue_length
from gdbench.engine.packing import Layout
from gdbench.engine.records import LEVELS
from gdbench.engine.signature import Signature
from gdbench.engine.step import Arguments, Measured, Step

# one in so many lanes may wait for the others with a run that has ended
WAITING = 32


class _Loop:
    """The loop over segments, as traced; `machine` compiles its `advance`."""

    def __init__(self, signature: Signature) -> None:
        self.step = Step(signature)
        self.n, self.dtype = signature.dimension, jnp.dtype(signature.dtype)
        self.template, self.evaluations = self.step.probe()
        self.lanes = lane_count(self.n, signature.dtype, self.step.held(self.template))
        self.queue = queue_length(self.n, self.lanes)
        self.drawn = min(DRAWN, self.lanes)
        self.layout = Layout(self.template, self.lanes, self.dtype)
        number = jax.ShapeDtypeStruct((), self.dtype)
        held_out = number if signature.held_out else None
        self.measured = Measured(number, self.template.x, held_out)
        self.measures = Layout(self.measured, self.lanes, self.dtype, self.layout.packed)
        self.flags = Layout(number, self.lanes, self.dtype, self.layout.packed)
        self.constants = len(signature.swept) + 3

    def empty(self) -> Lanes:
        """All lanes idle."""
        lanes, dtype = self.lanes, self.dtype
        zeros = jax.tree.map(lambda leaf: np.zeros((*leaf.shape, lanes), leaf.dtype), self.template)
        return Lanes(
            # a count of steps above every budget: they never move
            state=self.layout.pack(zeros._replace(count=np.full(lanes, np.inf, dtype))),
            own=np.zeros((self.constants, lanes), dtype),
            # targets that no loss meets, and no first step at any
            goals=np.tile(np.repeat([[np.nan], [np.inf]], LEVELS, axis=0), lanes).astype(dtype),
            run=np.full(lanes, -1, np.int32),
            busy=np.int32(0),
            taken=np.int32(0),
            segments=np.int32(0),
            measured=self.measures.pack(
                jax.tree.map(lambda leaf: np.zeros((*leaf.shape, lanes), dtype), self.measured)
            ),
            paths=np.zeros((SEGMENT // 2, 2, self.n + 2, self.drawn), dtype),
            losses=np.zeros((SEGMENT // 2, 2, lanes), dtype),
        )

    def none_ended(self) -> Ended:
        """Room for what a call's runs end with."""
        columns = self.queue + 2 * self.lanes
        signature = self.step.signature
        rows = 4 + self.n + 3 * self.step.searches + 2 * bool(signature.held_out) + (signature.goal is not None)
        numbers, hits = (np.zeros((count, columns), self.dtype) for count in (rows, LEVELS))
        return Ended(numbers, hits, np.zeros(columns, np.int32), np.int32(0))

    def advance(
        self, lanes: Lanes, ended: Ended, queue: Queue, arguments: Arguments, pace: Pace, segments: Array, drain: Array
    ) -> tuple[Lanes, Ended]:
        """See `CompiledLoop`."""
        lanes = lanes._replace(taken=jnp.int32(0), segments=jnp.int32(0))
        ended = ended._replace(count=jnp.int32(0))

        def going(carry: tuple[Lanes, Ended]) -> Array:
            c, _ = carry
            over = (c.taken >= queue.length) & (c.busy < jnp.where(drain, 1, self.lanes))
            return ~over & (c.segments < segments)

        def body(carry: tuple[Lanes, Ended]) -> tuple[Lanes, Ended]:
            c, ended = carry
            wanted = (c.taken < queue.length) & (c.busy < self.lanes)
            c = lax.cond(wanted, lambda: self.refill(c, queue, arguments.shared), lambda: c)
            return self.segment(c, ended, queue.laddered, arguments, pace)

        return lax.while_loop(going, body, (lanes, ended))

    def refill(self, c: Lanes, queue: Queue, shared: Any) -> Lanes:
        """Start the next runs of the queue in the idle lanes."""

        def fresh(column: Array) -> Any:
            return self.step.fresh(column[: self.n], self.step.settings(list(column[self.n :]), shared)[0])

        idle = c.run < 0
        position = c.taken + ranks(idle)
        take = idle & (position < queue.length)
        column = jnp.minimum(position, self.queue - 1)
        new = queue.columns.at[:, column].get(mode="promise_in_bounds")
        started = self.layout.pack(jax.vmap(fresh, -1, -1)(new))

        def goals() -> Array:
            fresh = jnp.concatenate(
                [
                    queue.ladder.at[:, column].get(mode="promise_in_bounds"),
                    jnp.full((LEVELS, self.lanes), jnp.inf, self.dtype),
                ]
            )
            return jnp.where(take, fresh, c.goals)

        count = jnp.minimum(queue.length - c.taken, self.lanes - c.busy)
        return c._replace(
            state=jax.tree.map(lambda old, fresh: jnp.where(take, fresh, old), c.state, started),
            own=jnp.where(take, new[self.n :], c.own),
            goals=lax.cond(queue.laddered, goals, lambda: c.goals),
            run=jnp.where(take, queue.base + position, c.run),
            busy=c.busy + count,
            taken=c.taken + count,
        )

    def segment(self, c: Lanes, ended: Ended, laddered: Array, arguments: Arguments, pace: Pace) -> tuple[Lanes, Ended]:
        """One segment of every lane, then the bookkeeping, which so costs a 64th of what it would in each step.

        Where a target was crossed the segment is run again from its start, to see at which step. Losses are kept in
        this second pass only, for keeping them in every step would cost more than the step.
        """
        start, before = c.state, self.layout.unpack(c.state).count

        def crossed(new: Lanes) -> Array:
            return (self.layout.unpack(new.state).best <= c.goals[:LEVELS]) & jnp.isinf(c.goals[LEVELS:])

        def attempt(carry: tuple[Lanes, Array, Pace]) -> tuple[Lanes, Array, Pace]:
            new, _, pace = carry
            new = self.turns(new._replace(state=start), arguments, pace)
            again = lax.cond(laddered & (pace.pairs > 1), lambda: jnp.any(crossed(new)), lambda: jnp.bool_(False))
            return new, again, Pace(pace.turns * pace.pairs, jnp.ones_like(pace.pairs))

        c, _, _ = lax.while_loop(lambda carry: carry[1], attempt, (c, jnp.bool_(True), pace))
        goals = lax.cond(laddered, lambda: self.with_hits(c, crossed(c), before), lambda: c.goals)
        c = c._replace(goals=goals, segments=c.segments + 1)
        steps = (2 * pace.turns * pace.pairs).astype(self.dtype)
        done = (c.run >= 0) & (self.layout.unpack(c.state).count < before + steps)
        count = jnp.sum(done, dtype=jnp.int32)
        # to record and refill a few lanes costs as much as many: the first few wait for others, or for the last
        due = (count > 0) & ((count * WAITING >= self.lanes) | (count == c.busy))
        return lax.cond(due, lambda: self.record(c, ended, laddered, done, count), lambda: (c, ended))

    def turns(self, c: Lanes, arguments: Arguments, pace: Pace) -> Lanes:
        """The steps of a segment."""

        def pair(_: Any, carry: Any) -> Any:
            return self.advance_pair(carry[0], c.own, arguments)

        def turn(i: Array, carry: Any) -> Any:
            before, _, paths, losses = carry
            carry = (before, c.measured, before, c.measured)
            state, first, middle, second = lax.fori_loop(0, pace.pairs, pair, carry)
            drawn = jnp.stack([self.drawn_rows(before, first), self.drawn_rows(middle, second)])
            both = jnp.stack([self.measures.unpack(first).loss, self.measures.unpack(second).loss])
            update = lax.dynamic_update_index_in_dim
            return state, second, update(paths, drawn, i, 0), update(losses, both, i, 0)

        state, measured, paths, losses = lax.fori_loop(0, pace.turns, turn, (c.state, c.measured, c.paths, c.losses))
        return c._replace(state=state, measured=measured, paths=paths, losses=losses)

    def with_hits(self, c: Lanes, crossed: Array, before: Array) -> Array:
        """The lanes' goals with the first step at each target that was `crossed`."""
        met = c.losses.reshape(SEGMENT, 1, self.lanes) <= c.goals[:LEVELS][None]
        first = before + jnp.argmax(met, axis=0).astype(self.dtype)
        return jnp.concatenate([c.goals[:LEVELS], jnp.where(crossed, first, c.goals[LEVELS:])])

    def drawn_rows(self, state: Any, measured: Any) -> Array:
        """Iterate, loss and squared gradient norm `[n + 2, drawn]` of the first lanes."""
        lane, found = self.layout.unpack(state), self.measures.unpack(measured)
        return jnp.concatenate([lane.x, found.loss[None], _norm2(found.gradient)[None]])[:, : self.drawn]

    def advance_pair(self, state: Any, own: Array, arguments: Arguments) -> tuple[Any, Any, Any, Any]:
        """Two steps: the state after both, what was measured first, the state between, what was measured there.

        Two, because the states then take turns in two places; after a single step XLA would have to copy it back.
        """
        middle, first = self.advance_lanes(state, own, arguments)
        after, second = self.advance_lanes(middle, own, arguments)
        return after, first, middle, second

    def advance_lanes(self, state: Any, own: Array, arguments: Arguments) -> tuple[Any, Any]:
        """One step of every lane, and what was measured before it."""
        constants = list(own)
        measured = self.measures.map(self.step.measure, [(self.layout, state)], constants, arguments)
        # What is measured is computed once and kept. Without the barriers XLA computes it again for every row of the
        # state, and to see whether the run goes on: welcome for a sum, ruinous for the exponentials in a loss.
        measured = lax.optimization_barrier(measured)
        inputs = [(self.layout, state), (self.measures, measured)]
        going = lax.optimization_barrier(self.flags.map(self.step.going, inputs, constants, arguments))
        inputs.append((self.flags, going))
        return lax.optimization_barrier(self.layout.map(self.step, inputs, constants, arguments)), measured

    def record(self, c: Lanes, ended: Ended, laddered: Array, done: Array, count: Array) -> tuple[Lanes, Ended]:
        """Write the finished lanes' records behind those that are there, and set the lanes idle."""
        lane, found = self.layout.unpack(c.state), self.measures.unpack(c.measured)
        numbers = jnp.stack([lane.count, found.loss, lane.best, jnp.sqrt(_norm2(found.gradient))])
        # the finished lanes first; what follows them is overwritten by the next that finish
        lanes = jnp.arange(self.lanes, dtype=jnp.int32)
        place = jnp.where(done, ranks(done), self.lanes)
        order = jnp.zeros(self.lanes, jnp.int32).at[place].set(lanes, mode="drop", unique_indices=True)

        def written(old: Array, new: Array) -> Array:
            return lax.dynamic_update_slice_in_dim(
                old, new.at[..., order].get(mode="promise_in_bounds"), ended.count, -1
            )

        rows = [numbers, lane.x, *(() if lane.spent is None else (lane.spent.astype(self.dtype),))]
        if lane.watched is not None:
            rows.append(lane.watched)
        goal = self.step.signature.goal
        if goal is not None:
            rows.append(jax.vmap(goal, -1)(lane.x)[None].astype(self.dtype))
        ended = Ended(
            numbers=written(ended.numbers, jnp.concatenate(rows)),
            hits=lax.cond(laddered, lambda: written(ended.hits, c.goals[LEVELS:]), lambda: ended.hits),
            run=written(ended.run, c.run),
            count=ended.count + count,
        )
        return c._replace(busy=c.busy - count, run=jnp.where(done, -1, c.run)), ended


def _norm2(gradients: Array) -> Array:
    """The squared norm `[lanes]` of gradients `[n, lanes]`."""
    return jnp.sum(gradients * gradients, axis=0)


def ranks(mask: Array) -> Array:
    """The place of every True in `mask` `[lanes]` among the Trues, from 0.

    In two levels: bits counted within words of 32 lanes, and words before. `cumsum` is unrolled into a hundred
    operations, which took most of the compilation.
    """
    lanes = len(mask)
    bits = jnp.pad(mask, (0, -lanes % 32)).reshape(-1, 32).astype(jnp.uint32)
    words = lax.optimization_barrier(jnp.sum(bits << np.arange(32, dtype=np.uint32), axis=1, dtype=jnp.uint32))
    upto = (2 ** np.arange(1, 33, dtype=np.uint64) - 1).astype(np.uint32)
    within = lax.population_count(words[:, None] & upto)
    earlier = np.tri(len(bits), k=-1, dtype=np.uint32)
    before = jnp.sum(lax.population_count(words) * earlier, axis=1, dtype=jnp.uint32)
    return (within + before[:, None]).reshape(-1)[:lanes].astype(jnp.int32) - 1
