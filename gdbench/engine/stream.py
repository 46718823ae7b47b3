"""Programs to records: streams their runs through the lanes, and replays the runs that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from gdbench.engine.carry import EVERY, FULL, HALF, LEAST, Pace, Queue
from gdbench.engine.compiled_loop import machine
from gdbench.engine.program import Program
from gdbench.engine.records import LEVELS, Advance, Records, Trajectory
from gdbench.engine.status import Thresholds, held_out_of, statuses_of
from gdbench.engine.step import Arguments
from gdbench.statuses import Status

# Runs of fewer steps than this, on average, get segments of half the length: a lane waits for the end of a segment half
# a segment on average, which must stay little beside the run.
SHORT = 640

# a run's number in its lane is its place in the stream modulo this, so that no stream is too long for an int32
RING = 2**30


@dataclass
class _Open:
    """A program whose runs are in the stream, and what is known of them so far."""

    key: int
    program: Program
    thresholds: Thresholds
    loss_start: np.ndarray
    first: int  # the place of its first run in the stream
    numbers: np.ndarray  # as in `carry.Ended`, [.., runs]
    hits: np.ndarray  # [targets, runs]
    status: np.ndarray
    left: int
    executed: int = 0

    @property
    def end(self) -> int:
        """The place behind its last run."""
        return self.first + len(self.program)

    def columns(self, rows: slice) -> np.ndarray:
        """The queue's columns of the runs `rows`."""
        program, thresholds = self.program, self.thresholds
        target, limit = thresholds.target[rows], thresholds.limit[rows]
        settings = [program.swept[name][rows] for name in program.signature.swept]
        with np.errstate(over="ignore"):
            # an unknown target is one that no loss is above or at
            numbers = [*program.starts[rows].T, *settings, np.where(np.isnan(target), -np.inf, target), limit]
            return np.stack([*numbers, program.seeds[rows]]).astype(program.dtype)

    def write(self, rows: np.ndarray, numbers: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Keep what the runs `rows` ended with (see `lanes.Ended`), and say how they ended."""
        self.numbers[:, rows] = numbers
        self.hits[:, rows] = hits[: len(self.hits)]
        status = statuses_of(self.program, self.thresholds, self.loss_start, rows, numbers)
        self.status[rows] = status
        self.left -= len(rows)
        return status

    def records(self, stream: Stream) -> Records:
        """The records, once all runs have ended."""
        numbers, counts, n = self.numbers, stream.machine.evaluations, self.program.dimension
        steps = numbers[0].astype(np.int64)
        looped = np.zeros((3, 1), np.int64)
        if counts.looped is not None:
            looped = numbers[4 + n : 7 + n].astype(np.int64)
        held_out = held_out_of(self.program, numbers) if self.program.surface.held_out else (None, None)
        return Records(
            status=self.status,
            steps=steps,
            loss_start=self.loss_start,
            loss_final=numbers[1],
            loss_best=numbers[2],
            grad_norm=numbers[3],
            x=numbers[4 : 4 + n].T,
            hits=self.hits.T,
            value_evals=steps * counts.value + looped[0],
            grad_evals=steps * counts.grad + looped[1],
            hess_evals=steps * counts.hess + looped[2],
            held_out_loss=held_out[0],
            held_out_step=held_out[1],
            executed=self.executed,
        )


class Stream:
    """One set of lanes through which the runs of many programs pass, one program behind the other without a gap.

    The programs share a signature and the arguments that are no lane's own: see `fits`. Use it within
    `jax.enable_x64(True)`. Raises what a plug-in raises while it is traced.
    """

    def __init__(self, program: Program, *, budget: float | None = None, pace: Pace | None = None) -> None:
        self.machine = machine(program.signature)
        self.signature, self.pace = program.signature, pace
        dtype = np.dtype(program.dtype)
        arguments = Arguments(
            {name: np.asarray(value, dtype) for name, value in program.shared.items()},
            tuple(np.asarray(array, dtype) for array in program.all_data),
            np.asarray(program.steps if budget is None else budget, dtype),
            np.asarray(program.gtol**2 if program.gtol else -1.0, dtype),
            np.asarray(program.patience or np.inf, dtype),
        )
        self.like = program
        # what is the same in every call is handed over once
        self.arguments, self.no_ladder = jax.device_put(
            (arguments, np.full((LEVELS, self.machine.queue), np.nan, dtype))
        )
        self.lanes, self.ended = self.machine.empty()
        self.open: list[_Open] = []
        self.added = 0  # runs
        self.fed = 0
        self.ended_runs = self.ended_steps = 0

    def fits(self, program: Program) -> bool:
        """Whether the runs of `program` may follow in these lanes."""
        ours = self.like
        same = [(one.steps, one.gtol, one.patience, one.shared) for one in (program, ours)]
        return (
            same[0] == same[1]
            and program.signature == self.signature
            and all(
                a is b or np.array_equal(a, b, equal_nan=True)
                for a, b in zip(program.all_data, ours.all_data, strict=True)
            )
        )

    @property
    def hungry(self) -> bool:
        """Whether fewer runs wait than one call can take."""
        return self.added - self.fed < self.machine.queue

    def add(
        self, key: int, program: Program, thresholds: Thresholds | None = None, loss_start: np.ndarray | None = None
    ) -> None:
        """Let the runs of `program`, which `fits`, follow; its records will be told by `key`."""
        if loss_start is None:
            loss_start = _loss_at_start(program)
        if thresholds is None:
            thresholds = Thresholds.of(program, loss_start)
        runs = len(program)
        rows = self.ended.numbers.shape[0]
        numbers, hits = np.empty((rows, runs)), np.empty((min(len(program.targets), LEVELS), runs))
        status = np.empty(runs, np.int64)
        self.open.append(_Open(key, program, thresholds, loss_start, self.added, numbers, hits, status, runs))
        self.added += runs

    def advance(self, *, drain: bool = True, segments: int = 2**31 - 1) -> tuple[Advance, list[tuple[int, Records]]]:
        """Hand over the next runs and advance until a lane is idle, or, when all are handed over and `drain`, all are.

        Returns what was done and the records of the programs whose last run has ended.
        """
        stop = min(self.fed + self.machine.queue, self.added)
        queue, last = self._queue(stop), np.bool_(drain and stop == self.added)
        pace = self.pace or (HALF if self.ended_steps < SHORT * self.ended_runs else FULL)
        given = (queue, self.arguments, pace)
        lanes, ended = self.machine.compile_once(self.lanes, self.ended, *given, np.int32(0), last)
        self.lanes, self.ended = self.machine.advance(lanes, ended, *given, np.int32(segments), last)
        count = int(self.ended.count)
        numbers = np.asarray(self.ended.numbers)[:, :count].astype(np.float64)
        hits = np.asarray(self.ended.hits)[:, :count]
        runs = np.asarray(self.ended.run)[:count].astype(np.int64)
        executed = int(self.lanes.segments) * pace.steps * self.machine.lanes
        self.fed += int(self.lanes.taken)
        # the places of those runs: the last ones with these numbers
        places = self.fed - 1 - (self.fed - 1 - runs) % RING
        statuses = np.zeros(len(Status), np.int64)
        if self.open:
            self.open[0].executed += executed
        owners = np.searchsorted([item.first for item in self.open], places, side="right") - 1
        for owner in np.unique(owners):
            item, mine = self.open[owner], slice(None) if len(self.open) == 1 else np.flatnonzero(owners == owner)
            status = item.write(places[mine] - item.first, numbers[:, mine], hits[:, mine])
            statuses += np.bincount(status, minlength=len(Status))
        done = [(item.key, item.records(self)) for item in self.open if not item.left]
        self.open = [item for item in self.open if item.left]
        steps = int(numbers[0].sum())
        self.ended_runs += count
        self.ended_steps += steps
        return Advance(statuses, steps, executed), done

    def _queue(self, stop: int) -> Queue:
        """The runs at the places from `fed` to `stop`."""
        columns = np.zeros((self.machine.columns, self.machine.queue), self.signature.dtype)
        laddered = any(item.program.targets for item in self.open)
        ladder = np.full(self.no_ladder.shape, np.nan, self.signature.dtype) if laddered else self.no_ladder
        for item in self.open:
            low, high = max(item.first, self.fed), min(item.end, stop)
            if low < high:
                rows, place = slice(low - item.first, high - item.first), slice(low - self.fed, high - self.fed)
                columns[:, place] = item.columns(rows)
                if item.program.targets:
                    ladder[:, place] = item.thresholds.ladder[:, rows]
        return Queue(columns, ladder, np.bool_(laddered), np.int32(stop - self.fed), np.int32(self.fed % RING))


def _loss_at_start(program: Program) -> np.ndarray:
    """The loss at every run's start, by the compiled program itself with a budget of no steps."""
    swept = program.swept
    names = sorted(name for name in swept if name.startswith("surface."))
    rows, inverse = distinct_rows(np.concatenate([program.starts, *(swept[name][:, None] for name in names)], axis=1))
    distinct = program if len(rows) == len(program) else program.take(rows)
    stream = Stream(distinct, budget=0, pace=LEAST)
    stream.add(0, distinct, Thresholds.never(len(distinct)), np.zeros(len(distinct)))
    return _exhaust(stream).loss_final[inverse]


def _exhaust(stream: Stream, on_advance: Callable[[int], None] | None = None) -> Records:
    """The records of the only program in `stream`."""
    while True:
        advance, done = stream.advance()
        if on_advance is not None:
            on_advance(int(advance.ended.sum()))
        if done:
            return done[0][1]


def execute(program: Program, on_advance: Callable[[int], None] | None = None) -> Records:
    """Run every run of `program` to its end.

    A run does not depend on which other runs are there. `on_advance` hears how many runs ended after each call of the
    compiled program. Raises what a plug-in raises while it is traced.
    """
    with jax.enable_x64(True):
        stream = Stream(program)
        stream.add(0, program)
        return _exhaust(stream, on_advance)


def trace(program: Program) -> list[Trajectory]:
    """Every iterate of every run of `program`, by the same compiled program as `execute` and so bit for bit its runs.

    The compiled program keeps the first lanes' iterates of its last segment; this calls it one segment at a time.
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
    # behind its last step a run's rows repeat
    own = [rows[: end + 1, :, run] for run, end in enumerate(done[0][1].steps)]
    return [Trajectory(part[:, :n], part[:, n], np.sqrt(part[:, n + 1])) for part in own]


def distinct_rows(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first place of every distinct row of `keys` `[rows, columns]`, and for every row the number of its own.

    Rows count as equal bit for bit. They are sorted by a hash: `np.unique` by whole rows takes longer than the runs.
    Where a sample of them holds no row twice, no row counts as another's equal.
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
    if (bits[rows][inverse] != bits).any():  # two rows with one hash
        return every, every
    return rows, inverse
