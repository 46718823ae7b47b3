"""Trace the loop that is compiled: lanes advance side by side and are refilled as their runs end.

One call of the compiled program runs segments of at most `SEGMENT` steps in a `while_loop`. At the start of a segment
idle lanes take the next runs of the queue; at its end the records of finished runs are written out. A lane is finished
when it did not advance through the whole segment. Nothing here depends on how many runs there are, so a single run
and a sweep of a million get the same bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from gdbench.engine.carry import DRAWN, SEGMENT, Constants, Ended, Final, Lanes, Pace, Queue, Waiting
from gdbench.engine.lane_count import lane_count, queue_length
from gdbench.engine.packing import Layout
from gdbench.engine.records import LEVELS
from gdbench.engine.signature import Signature
from gdbench.engine.step import Arguments, Lane, Measured, Step

# One in this many lanes may wait for the others with a run that has ended.
WAITING = 32


class Loop:
    """The loop over segments, as traced; `compiled_loop.machine` compiles its `advance`."""

    def __init__(self, signature: Signature) -> None:
        self.step = Step(signature)
        self.n, self.dtype = signature.dimension, jnp.dtype(signature.dtype)
        self.lanes = lane_count(self.n, signature.dtype, self.step.held())
        self.queue = queue_length(self.n, self.lanes)
        self.drawn = min(DRAWN, self.lanes)
        template, constants = self.step.template, self.step.constants
        self.layout = Layout(template, self.dtype)
        number = jax.ShapeDtypeStruct((), self.dtype)
        self.measured = Measured(number, template.x, number if signature.held_out else None)
        self.measures = Layout(self.measured, self.dtype, self.layout.packed)
        self.flags = Layout(number, self.dtype, self.layout.packed)
        self.constants = Layout(constants, self.dtype, True)
        self.waiting = Layout(Waiting(template.x, constants), self.dtype, True)
        self.final = Layout(self._final(), self.dtype, True)

    def _final(self) -> Final:
        """Describe a `Final`, with the types that the records have."""
        number = jax.ShapeDtypeStruct((), np.float64)
        return Final(
            steps=jax.ShapeDtypeStruct((), np.int64),
            loss=number,
            best=number,
            grad_norm=number,
            x=jax.ShapeDtypeStruct((self.n,), np.float64),
            looped=None if self.step.template.spent is None else jax.ShapeDtypeStruct((3,), np.int64),
            held_out=jax.ShapeDtypeStruct((2,), np.float64) if self.step.signature.held_out else None,
            goal=None if self.step.signature.goal is None else number,
        )

    def empty(self) -> Lanes:
        """Return idle lanes."""
        lanes, dtype = self.lanes, self.dtype
        zeros = jax.tree.map(lambda leaf: np.zeros((*leaf.shape, lanes), leaf.dtype), self.step.template)
        return Lanes(
            # A count of steps above every budget: idle lanes never move.
            state=self.layout.pack(zeros._replace(count=np.full(lanes, np.inf, dtype))),
            constants=np.zeros((self.constants.rows, lanes), dtype),
            # No loss meets these targets, and there is no first step at any.
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
        """Return room for what the runs of a call end with."""
        room = self.queue + 2 * self.lanes
        numbers, hits = (np.zeros((rows, room), self.dtype) for rows in (self.final.rows, LEVELS))
        return Ended(numbers, hits, np.zeros(room, np.int32), np.int32(0))

    def advance(
        self,
        lanes: Lanes,
        ended: Ended,
        queue: Queue,
        arguments: Arguments,
        pace: Pace,
        segments: Int[Array, ""],
        drain: Bool[Array, ""],
    ) -> tuple[Lanes, Ended]:
        """Run segments and refill lanes, as `CompiledLoop` says."""
        lanes = lanes._replace(taken=jnp.int32(0), segments=jnp.int32(0))
        ended = ended._replace(count=jnp.int32(0))

        def going(carry: tuple[Lanes, Ended]) -> Array:
            c, _ = carry
            over = (c.taken >= queue.length) & (c.busy < jnp.where(drain, 1, self.lanes))
            on: Array = ~over & (c.segments < segments)
            return on

        def body(carry: tuple[Lanes, Ended]) -> tuple[Lanes, Ended]:
            c, ended = carry
            wanted = (c.taken < queue.length) & (c.busy < self.lanes)
            c = lax.cond(wanted, lambda: self.refill(c, queue, arguments.shared), lambda: c)
            return self.segment(c, ended, queue.laddered, arguments, pace)

        return lax.while_loop(going, body, (lanes, ended))

    def refill(self, c: Lanes, queue: Queue, shared: Any) -> Lanes:
        """Start the next runs of the queue in the idle lanes."""

        def fresh(run: Waiting) -> Lane:
            return self.step.fresh(run.x, self.step.settings(run.constants, shared)[0])

        idle = c.run < 0
        position = c.taken + ranks(idle)
        take = idle & (position < queue.length)
        column = jnp.minimum(position, self.queue - 1)
        runs: Waiting = self.waiting.unpack(queue.columns.at[:, column].get(mode="promise_in_bounds"))
        started = self.layout.pack(jax.vmap(fresh, -1, -1)(runs))

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
            constants=jnp.where(take, self.constants.pack(runs.constants), c.constants),
            goals=lax.cond(queue.laddered, goals, lambda: c.goals),
            run=jnp.where(take, queue.base + position, c.run),
            busy=c.busy + count,
            taken=c.taken + count,
        )

    def segment(
        self, c: Lanes, ended: Ended, laddered: Bool[Array, ""], arguments: Arguments, pace: Pace
    ) -> tuple[Lanes, Ended]:
        """Run one segment of every lane, then the bookkeeping, which so costs a 64th of what it would in each step.

        If a target was crossed, the segment is run again from its start to see at which step. Losses are kept in this
        second pass only: keeping them in every step would cost more than the step.
        """
        start, before = c.state, self.layout.unpack(c.state).count

        def crossed(new: Lanes) -> Bool[Array, "levels lanes"]:
            lane: Lane = self.layout.unpack(new.state)
            below: Array = (lane.best <= c.goals[:LEVELS]) & jnp.isinf(c.goals[LEVELS:])
            return below

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
        # Recording and refilling a few lanes costs as much as many: the first few wait for others, or for the last.
        due = (count > 0) & ((count * WAITING >= self.lanes) | (count == c.busy))
        after: tuple[Lanes, Ended] = lax.cond(
            due, lambda: self.record(c, ended, laddered, done, count), lambda: (c, ended)
        )
        return after

    def turns(self, c: Lanes, arguments: Arguments, pace: Pace) -> Lanes:
        """Run the steps of a segment."""

        def pair(_: Any, carry: Any) -> Any:
            return self.advance_pair(carry[0], c.constants, arguments)

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

    def with_hits(
        self, c: Lanes, crossed: Bool[Array, "levels lanes"], before: Float[Array, " lanes"]
    ) -> Float[Array, "2*levels lanes"]:
        """Return the lanes' goals with the first step at each target that was `crossed`."""
        met = c.losses.reshape(SEGMENT, 1, self.lanes) <= c.goals[:LEVELS][None]
        first = before + jnp.argmax(met, axis=0).astype(self.dtype)
        return jnp.concatenate([c.goals[:LEVELS], jnp.where(crossed, first, c.goals[LEVELS:])])

    def drawn_rows(self, state: Any, measured: Any) -> Float[Array, "n+2 drawn"]:
        """Return iterate, loss and squared gradient norm of the first lanes."""
        lane, tests = self.layout.unpack(state), self.measures.unpack(measured)
        return jnp.concatenate([lane.x, tests.loss[None], _norm2(tests.gradient)[None]])[:, : self.drawn]

    def advance_pair(
        self, state: Any, constants: Float[Array, "constants lanes"], arguments: Arguments
    ) -> tuple[Any, Any, Any, Any]:
        """Take two steps: the state after both, what was measured first, the state between, what was measured there.

        The two states take turns in two places; after a single step XLA would have to copy the state back.
        """
        middle, first = self.advance_lanes(state, constants, arguments)
        after, second = self.advance_lanes(middle, constants, arguments)
        return after, first, middle, second

    def advance_lanes(
        self, state: Any, packed: Float[Array, "constants lanes"], arguments: Arguments
    ) -> tuple[Any, Any]:
        """Take one step in every lane; return the new state and what was measured before the step."""
        constants: Constants = self.constants.split(packed)
        measured = self.measures.map(self.step.measure, [(self.layout, state)], constants, arguments)
        # What is measured is computed once and kept. Without the barriers XLA computes it again for every row of the
        # state and to see whether the run goes on: cheap for a sum, ruinous for the exponentials in a loss.
        measured = lax.optimization_barrier(measured)
        inputs = [(self.layout, state), (self.measures, measured)]
        going = lax.optimization_barrier(self.flags.map(self.step.going, inputs, constants, arguments))
        inputs.append((self.flags, going))
        return lax.optimization_barrier(self.layout.map(self.step, inputs, constants, arguments)), measured

    def record(
        self,
        c: Lanes,
        ended: Ended,
        laddered: Bool[Array, ""],
        done: Bool[Array, " lanes"],
        count: Int[Array, ""],
    ) -> tuple[Lanes, Ended]:
        """Write the finished lanes' records behind those that are there, and set the lanes idle."""
        lane, tests = self.layout.unpack(c.state), self.measures.unpack(c.measured)
        goal = self.step.signature.goal
        final = Final(
            steps=lane.count,
            loss=tests.loss,
            best=lane.best,
            grad_norm=jnp.sqrt(_norm2(tests.gradient)),
            x=lane.x,
            looped=lane.spent,
            held_out=lane.watched,
            goal=None if goal is None else jax.vmap(goal, -1)(lane.x),
        )
        # The finished lanes come first; what follows them is overwritten by the next that finish.
        lanes = jnp.arange(self.lanes, dtype=jnp.int32)
        place = jnp.where(done, ranks(done), self.lanes)
        order = jnp.zeros(self.lanes, jnp.int32).at[place].set(lanes, mode="drop", unique_indices=True)

        def written(old: Array, new: Array) -> Array:
            return lax.dynamic_update_slice_in_dim(
                old, new.at[..., order].get(mode="promise_in_bounds"), ended.count, -1
            )

        ended = Ended(
            numbers=written(ended.numbers, self.final.pack(final)),
            hits=lax.cond(laddered, lambda: written(ended.hits, c.goals[LEVELS:]), lambda: ended.hits),
            run=written(ended.run, c.run),
            count=ended.count + count,
        )
        return c._replace(busy=c.busy - count, run=jnp.where(done, -1, c.run)), ended


def _norm2(gradients: Float[Array, "n lanes"]) -> Float[Array, " lanes"]:
    """Compute the squared norm of every gradient."""
    return jnp.sum(gradients * gradients, axis=0)


def ranks(mask: Bool[Array, " lanes"]) -> Int[Array, " lanes"]:
    """Count, for every True in `mask`, the Trues before it.

    It counts bits within words of 32 lanes, and adds those of the words before. `cumsum` is unrolled into a hundred
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
