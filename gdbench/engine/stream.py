"""Stream the runs of programs through the lanes, and replay the runs that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int

from gdbench.columns import PARAMETER
from gdbench.engine.carry import EVERY, FULL, HALF, LEAST, Constants, Final, Pace, Queue, Waiting
from gdbench.engine.compiled_loop import CompiledLoop, machine
from gdbench.engine.program import Program
from gdbench.engine.records import LEVELS, Advance, Records, Trajectory
from gdbench.engine.status import Thresholds, statuses_of
from gdbench.engine.step import Arguments
from gdbench.statuses import Status

# Runs of fewer steps than this, on average, get segments of half the length: a lane waits half a segment on average for
# the end of its last one, which must stay short beside the run.
SHORT = 640

# A run's number in its lane is its place in the stream modulo this, so that no stream is too long for an int32.
RING = 2**30


@dataclass
class _Open:
    """A program whose runs are in the stream, and what is known of them so far.

    first : the place of its first run in the stream. numbers : a `Final` for every run, packed. left : runs that have
    not ended.
    """

    key: int
    program: Program
    machine: CompiledLoop
    thresholds: Thresholds
    loss_start: Float[np.ndarray, " runs"]
    first: int
    numbers: Float[np.ndarray, "rows runs"]
    hits: Float[np.ndarray, "targets runs"]
    status: Int[np.ndarray, " runs"]
    left: int
    executed: int = 0

    @property
    def end(self) -> int:
        """The place after its last run."""
        return self.first + len(self.program)

    def columns(self, rows: slice) -> Float[np.ndarray, "rows runs"]:
        """Pack the runs `rows` for the queue."""
        program, thresholds = self.program, self.thresholds
        target = thresholds.target[rows]
        constants = Constants(
            swept={name: values[rows] for name, values in program.swept.items()},
            # An unknown target becomes one that no loss is above or at.
            target=np.where(np.isnan(target), -np.inf, target),
            limit=thresholds.limit[rows],
            seed=program.seeds[rows],
        )
        with np.errstate(over="ignore"):
            packed: np.ndarray = self.machine.waiting.pack(Waiting(program.starts[rows].T, constants))
        return packed

    def write(
        self,
        rows: Int[np.ndarray, " rows"],
        numbers: Float[np.ndarray, "numbers rows"],
        hits: Float[np.ndarray, "levels rows"],
    ) -> Int[np.ndarray, " rows"]:
        """Keep what the runs `rows` ended with (see `carry.Ended`), and return their statuses."""
        self.numbers[:, rows] = numbers
        self.hits[:, rows] = hits[: len(self.hits)]
        final: Final = self.machine.final.unpack(numbers)
        status = statuses_of(self.program, self.thresholds, self.loss_start, rows, final)
        self.status[rows] = status
        self.left -= len(rows)
        return status

    def records(self) -> Records:
        """Return the records, once all runs have ended."""
        final: Final = self.machine.final.unpack(self.numbers)
        counts, steps = self.machine.evaluations, final.steps
        value, grad, hess = (0, 0, 0) if final.looped is None else final.looped
        held_out_loss, held_out_step = (None, None) if final.held_out is None else final.held_out
        return Records(
            status=self.status,
            steps=steps,
            loss_start=self.loss_start,
            loss_final=final.loss,
            loss_best=final.best,
            grad_norm=final.grad_norm,
            x=final.x.T,
            hits=self.hits.T,
            value_evals=steps * counts.value + value,
            grad_evals=steps * counts.grad + grad,
            hess_evals=steps * counts.hess + hess,
            held_out_loss=held_out_loss,
            held_out_step=held_out_step,
            executed=self.executed,
        )


class Stream:
    """One set of lanes through which the runs of many programs pass, one program after the other without a gap.

    The programs share a signature and the numbers that all lanes share: see `fits`. Use it within
    `jax.enable_x64(True)`. Raises what a plug-in raises while it is traced.
    """

    def __init__(self, program: Program, *, budget: float | None = None, pace: Pace | None = None) -> None:
        self.machine = machine(program.signature)
        self.signature, self.pace = program.signature, pace
        conditions = program.conditions
        dtype = np.dtype(conditions.dtype)
        arguments = (
            {name: np.asarray(value, dtype) for name, value in program.shared.items()},
            tuple(np.asarray(array, dtype) for array in program.all_data),
            np.asarray(conditions.steps if budget is None else budget, dtype),
            np.asarray(conditions.gtol**2 if conditions.gtol else -1.0, dtype),
            np.asarray(conditions.patience or np.inf, dtype),
        )
        self.like = program
        # What is the same in every call is moved to the device once.
        self.arguments = Arguments(*jax.device_put(arguments))
        self.no_ladder = jax.device_put(np.full((LEVELS, self.machine.queue), np.nan, dtype))
        self.lanes, self.ended = self.machine.empty()
        self.open: list[_Open] = []
        # Runs added to the stream, and those of them handed to the lanes.
        self.added = self.fed = 0
        self.ended_runs = self.ended_steps = 0

    def fits(self, program: Program) -> bool:
        """Decide whether the runs of `program` may follow in these lanes."""
        ours = self.like
        return (
            program.common == ours.common
            and program.signature == self.signature
            and all(
                a is b or np.array_equal(a, b, equal_nan=True)
                for a, b in zip(program.all_data, ours.all_data, strict=True)
            )
        )

    @property
    def hungry(self) -> bool:
        """True if fewer runs wait than one call can take."""
        return self.added - self.fed < self.machine.queue

    def add(
        self,
        key: int,
        program: Program,
        thresholds: Thresholds | None = None,
        loss_start: Float[np.ndarray, " runs"] | None = None,
    ) -> None:
        """Queue the runs of `program` (see `fits`). `advance` returns its records under `key`."""
        if loss_start is None:
            loss_start = _loss_at_start(program)
        if thresholds is None:
            thresholds = Thresholds.of(program, loss_start)
        runs = len(program)
        self.open.append(
            _Open(
                key=key,
                program=program,
                machine=self.machine,
                thresholds=thresholds,
                loss_start=loss_start,
                first=self.added,
                numbers=np.empty((self.machine.final.rows, runs)),
                hits=np.empty((min(len(program.conditions.targets), LEVELS), runs)),
                status=np.empty(runs, np.int64),
                left=runs,
            )
        )
        self.added += runs

    def advance(self, *, drain: bool = True, segments: int = 2**31 - 1) -> tuple[Advance, list[tuple[int, Records]]]:
        """Hand over the next runs and advance until a lane is idle.

        With `drain`, and when all runs are handed over, advance until all lanes are idle. Returns what was done, and
        the records of the programs that have no run left, each with its key.
        """
        stop = min(self.fed + self.machine.queue, self.added)
        queue, last = self._queue(stop), np.bool_(drain and stop == self.added)
        pace = self.pace or (HALF if self.ended_steps < SHORT * self.ended_runs else FULL)
        arguments = (queue, self.arguments, pace)
        lanes, ended = self.machine.compile_once(self.lanes, self.ended, *arguments, np.int32(0), last)
        self.lanes, self.ended = self.machine.advance(lanes, ended, *arguments, np.int32(segments), last)
        count = int(self.ended.count)
        numbers = np.asarray(self.ended.numbers)[:, :count].astype(np.float64)
        hits = np.asarray(self.ended.hits)[:, :count]
        runs = np.asarray(self.ended.run)[:count].astype(np.int64)
        executed = int(self.lanes.segments) * pace.steps * self.machine.lanes
        self.fed += int(self.lanes.taken)
        # The places of those runs in the stream: the last ones with these numbers.
        places = self.fed - 1 - (self.fed - 1 - runs) % RING
        statuses = np.zeros(len(Status), np.int64)
        if self.open:
            self.open[0].executed += executed
        owners = np.searchsorted([item.first for item in self.open], places, side="right") - 1
        for owner in np.unique(owners):
            item, columns = self.open[owner], slice(None) if len(self.open) == 1 else np.flatnonzero(owners == owner)
            status = item.write(places[columns] - item.first, numbers[:, columns], hits[:, columns])
            statuses += np.bincount(status, minlength=len(Status))
        done = [(item.key, item.records()) for item in self.open if not item.left]
        self.open = [item for item in self.open if item.left]
        steps = int(self.machine.final.unpack(numbers).steps.sum())
        self.ended_runs += count
        self.ended_steps += steps
        return Advance(statuses, steps, executed), done

    def _queue(self, stop: int) -> Queue:
        """Lay out the runs at the places from `fed` to `stop`."""
        columns = np.zeros((self.machine.waiting.rows, self.machine.queue), self.signature.dtype)
        laddered = any(item.program.conditions.targets for item in self.open)
        ladder = np.full(self.no_ladder.shape, np.nan, self.signature.dtype) if laddered else self.no_ladder
        for item in self.open:
            low, high = max(item.first, self.fed), min(item.end, stop)
            if low < high:
                rows, place = slice(low - item.first, high - item.first), slice(low - self.fed, high - self.fed)
                columns[:, place] = item.columns(rows)
                if item.program.conditions.targets:
                    ladder[:, place] = item.thresholds.ladder[:, rows]
        return Queue(columns, ladder, np.bool_(laddered), np.int32(stop - self.fed), np.int32(self.fed % RING))


def _loss_at_start(program: Program) -> Float[np.ndarray, " runs"]:
    """Compute the loss at every run's start, by the compiled program itself with a budget of no steps."""
    swept = program.swept
    names = sorted(name for name in swept if name.startswith(PARAMETER))
    rows, inverse = distinct_rows(np.concatenate([program.starts, *(swept[name][:, None] for name in names)], axis=1))
    distinct = program if len(rows) == len(program) else program.take(rows)
    stream = Stream(distinct, budget=0, pace=LEAST)
    stream.add(0, distinct, Thresholds.never(len(distinct)), np.zeros(len(distinct)))
    losses: np.ndarray = _exhaust(stream).loss_final[inverse]
    return losses


def _exhaust(stream: Stream, on_advance: Callable[[int], None] | None = None) -> Records:
    """Advance until the only program in `stream` has ended, and return its records."""
    while True:
        advance, done = stream.advance()
        if on_advance is not None:
            on_advance(int(advance.ended.sum()))
        if done:
            return done[0][1]


def execute(program: Program, on_advance: Callable[[int], None] | None = None) -> Records:
    """Run every run of `program` to its end.

    A run does not depend on which other runs are there. `on_advance` gets how many runs ended, after each call of the
    compiled program. Raises what a plug-in raises while it is traced.
    """
    with jax.enable_x64(True):
        stream = Stream(program)
        stream.add(0, program)
        return _exhaust(stream, on_advance)


def trace(program: Program) -> list[Trajectory]:
    """Return every iterate of every run of `program`, bit for bit as `execute` makes them.

    The compiled program keeps the iterates of the first lanes in its last segment; this calls it one segment at a time.
    """
    with jax.enable_x64(True):
        drawn = machine(program.signature).drawn
        firsts = range(0, len(program), drawn)
        return [path for first in firsts for path in _trace(program.take(np.arange(len(program))[first:][:drawn]))]


def _trace(program: Program) -> list[Trajectory]:
    n = program.dimension
    stream = Stream(program, pace=EVERY)
    stream.add(0, program)
    kept: list[np.ndarray] = []
    done: list[tuple[int, Records]] = []
    while not done:
        _, done = stream.advance(segments=1)
        kept.append(np.asarray(stream.lanes.paths).reshape(-1, n + 2, stream.machine.drawn).astype(np.float64))
    rows = np.concatenate(kept)
    # After its last step a run's rows repeat.
    paths = [rows[: end + 1, :, run] for run, end in enumerate(done[0][1].steps)]
    return [Trajectory(path[:, :n], path[:, n], np.sqrt(path[:, n + 1])) for path in paths]


def distinct_rows(
    keys: Float[np.ndarray, "rows columns"],
) -> tuple[Int[np.ndarray, " distinct"], Int[np.ndarray, " rows"]]:
    """Find the first place of every distinct row of `keys`, and for every row the number of its distinct row.

    Rows are equal if all their bits are. They are sorted by a hash: `np.unique` by whole rows takes longer than the
    runs. If a sample of the rows holds none twice, all rows count as distinct.
    """
    bits = np.ascontiguousarray(keys, np.float64).view(np.uint64)
    every = np.arange(len(bits))
    if (bits == bits[0]).all():
        return every[:1], np.zeros_like(every)
    hashes = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        hashes = (hashes ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    sample = np.unique(np.random.default_rng(0).integers(len(bits), size=1024))
    if len(np.unique(hashes[sample])) == len(sample):
        return every, every
    _, rows, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if (bits[rows][inverse] != bits).any():  # Two different rows have one hash.
        return every, every
    return rows, inverse
