"""Programs to records: streams their runs through the lanes, and replays the runs that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from gdbench.lanes import EVERY, FULL, LEAST, QUEUE, Ended, Lanes, Pace, Queue, machine
from gdbench.program import Program
from gdbench.records import (
    BUDGET,
    DIVERGED,
    DIVERGENCE,
    ERROR,
    LEVELS,
    REACHED,
    STATIONARY,
    STATUSES,
    Advance,
    Records,
    Thresholds,
    Trajectory,
    statuses,
)

__all__ = [
    "BUDGET",
    "DIVERGED",
    "DIVERGENCE",
    "ERROR",
    "REACHED",
    "STATIONARY",
    "STATUSES",
    "Advance",
    "Records",
    "Stream",
    "Trajectory",
    "execute",
    "trace",
]

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
    table: np.ndarray  # [runs, rows]: steps, final loss, best loss, gradient norm, iterate, hits
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

    def write(self, rows: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Keep the records of the runs `rows`, and say how they ended."""
        self.table[rows] = table
        self.status[rows] = statuses(self.program, self.thresholds, self.loss_start, rows, table)
        self.left -= len(rows)
        return self.status[rows]

    def records(self, stream: Stream) -> Records:
        """The records, once all runs have ended."""
        table, n, counts = self.table, self.program.dimension, stream.machine.evaluations
        steps = table[:, 0].astype(np.int64)
        return Records(
            status=self.status,
            steps=steps,
            loss_start=self.loss_start,
            loss_final=table[:, 1],
            loss_best=table[:, 2],
            grad_norm=table[:, 3],
            x=table[:, 4 : 4 + n],
            hits=table[:, 4 + n : 4 + n + len(self.program.targets)],
            value_evals=steps * counts.value,
            grad_evals=steps * counts.grad,
            hess_evals=steps * counts.hess,
            executed=self.executed,
        )


class Stream:
    """One set of lanes through which the runs of many programs pass, one program behind the other without a gap.

    The programs share a signature and the arguments that are no lane's own: see `fits`. Use it within
    `jax.enable_x64(True)`. Raises what a plug-in raises while it is traced.
    """

    def __init__(self, program: Program, *, budget: float | None = None, pace: Pace = FULL) -> None:
        self.machine = machine(program.signature)
        self.signature, self.pace = program.signature, pace
        dtype = np.dtype(program.dtype)
        self.arguments = (
            {name: np.asarray(value, dtype) for name, value in program.shared.items()},
            tuple(np.asarray(array, dtype) for array in program.data),
            np.asarray(program.steps if budget is None else budget, dtype),
            np.asarray(program.gtol, dtype) ** 2,
        )
        self.like = program
        self.no_ladder = np.full((LEVELS, QUEUE), np.nan, dtype)
        self.lanes: Lanes = self.machine.empty()
        self.open: list[_Open] = []
        self.added = 0  # runs
        self.fed = 0

    def fits(self, program: Program) -> bool:
        """Whether the runs of `program` may follow in these lanes."""
        ours = self.like
        same = (program.steps, program.gtol, program.shared) == (ours.steps, ours.gtol, ours.shared)
        return (
            same
            and program.signature == self.signature
            and all(
                a is b or np.array_equal(a, b, equal_nan=True) for a, b in zip(program.data, ours.data, strict=True)
            )
        )

    @property
    def hungry(self) -> bool:
        """Whether fewer runs wait than one call can take."""
        return self.added - self.fed < QUEUE

    def add(
        self, key: int, program: Program, thresholds: Thresholds | None = None, loss_start: np.ndarray | None = None
    ) -> None:
        """Let the runs of `program`, which `fits`, follow; its records will be told by `key`."""
        if loss_start is None:
            loss_start = _loss_at_start(program)
        if thresholds is None:
            thresholds = Thresholds.of(program, loss_start)
        runs = len(program)
        table, status = np.empty((runs, 4 + program.dimension + LEVELS)), np.empty(runs, np.int64)
        self.open.append(_Open(key, program, thresholds, loss_start, self.added, table, status, runs))
        self.added += runs

    def advance(self, *, drain: bool = True, segments: int = 2**31 - 1) -> tuple[Advance, list[tuple[int, Records]]]:
        """Hand over the next runs and advance until a lane is idle, or, when all are handed over and `drain`, all are.

        Returns what was done and the records of the programs whose last run has ended.
        """
        stop = min(self.fed + QUEUE, self.added)
        queue, last = self._queue(stop), np.bool_(drain and stop == self.added)
        self.machine.compile_once(self.lanes, queue, self.arguments, self.pace, np.int32(0), last)
        self.lanes, found = self.machine.advance(self.lanes, queue, self.arguments, self.pace, np.int32(segments), last)
        runs, table = _table(found)
        executed = int(self.lanes.segments) * self.pace.steps * self.machine.lanes
        self.fed += int(self.lanes.taken)
        # the places of those runs: the last ones with these numbers
        places = self.fed - 1 - (self.fed - 1 - runs) % RING
        ended = np.zeros(len(STATUSES), np.int64)
        if self.open:
            self.open[0].executed += executed
        owners = np.searchsorted([item.first for item in self.open], places, side="right") - 1
        for owner in np.unique(owners):
            mine, item = owners == owner, self.open[owner]
            ended += np.bincount(item.write(places[mine] - item.first, table[mine]), minlength=len(STATUSES))
        done = [(item.key, item.records(self)) for item in self.open if not item.left]
        self.open = [item for item in self.open if item.left]
        return Advance(ended, int(table[:, 0].sum()), executed), done

    def _queue(self, stop: int) -> Queue:
        """The runs at the places from `fed` to `stop`."""
        columns = np.zeros((self.machine.columns, QUEUE), self.signature.dtype)
        laddered = any(item.program.targets for item in self.open)
        ladder = np.full((LEVELS, QUEUE), np.nan, self.signature.dtype) if laddered else self.no_ladder
        for item in self.open:
            low, high = max(item.first, self.fed), min(item.end, stop)
            if low < high:
                rows, place = slice(low - item.first, high - item.first), slice(low - self.fed, high - self.fed)
                columns[:, place] = item.columns(rows)
                if item.program.targets:
                    ladder[:, place] = item.thresholds.ladder[:, rows]
        return Queue(columns, ladder, np.bool_(laddered), np.int32(stop - self.fed), np.int32(self.fed % RING))


def _table(ended: Ended) -> tuple[np.ndarray, np.ndarray]:
    """The runs that ended in a call, and their records `[runs, rows]`."""
    count = int(ended.count)
    columns = [np.asarray(part)[:, :count] for part in (ended.numbers, ended.hits)]
    return np.asarray(ended.run)[:count].astype(np.int64), np.concatenate(columns).T.astype(np.float64)


def _loss_at_start(program: Program) -> np.ndarray:
    """The loss at every run's start, by the compiled program itself with a budget of no steps."""
    swept = program.swept
    names = sorted(name for name in swept if name.startswith("surface."))
    rows, inverse = _distinct(np.concatenate([program.starts, *(swept[name][:, None] for name in names)], axis=1))
    distinct = program.take(rows)
    stream = Stream(distinct, budget=0, pace=LEAST)
    stream.add(0, distinct, Thresholds.never(len(distinct)), np.zeros(len(distinct)))
    return _exhaust(stream).loss_final[inverse]


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first place of every distinct row of `keys` `[rows, columns]`, and for every row the number of its own.

    Rows count as equal bit for bit. They are sorted by a hash: `np.unique` by whole rows takes longer than the runs.
    """
    bits = np.ascontiguousarray(keys, np.float64).view(np.uint64)
    if (bits == bits[0]).all():
        return np.zeros(1, np.int64), np.zeros(len(bits), np.int64)
    hashes = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        hashes = (hashes ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    _, rows, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if (bits[rows][inverse] != bits).any():  # two rows with one hash
        return np.arange(len(bits)), np.arange(len(bits))
    return rows, inverse


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
