"""Program to records: feeds the lanes, sets every run's thresholds, and replays the runs that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import jax
import numpy as np

from gdbench.lanes import LEVELS, SEGMENT, Lanes, Queue, machine
from gdbench.program import Program
from gdbench.threshold import threshold

STATUSES = ("reached", "diverged", "stationary", "budget", "error")
REACHED, DIVERGED, STATIONARY, BUDGET, ERROR = range(5)
# a loss this many times above 1 + |loss at the start| counts as divergence
DIVERGENCE = 1e6


@dataclass(frozen=True)
class Records:
    """What the runs of a program ended with; every array has one row per run.

    status : index into `STATUSES`; steps : updates made; hits : `[runs, targets]`, first step at each target, infinity
    where none; *_evals : evaluations that the solver asked for.
    """

    status: np.ndarray
    steps: np.ndarray
    loss_start: np.ndarray
    loss_final: np.ndarray
    loss_best: np.ndarray
    grad_norm: np.ndarray
    x: np.ndarray
    hits: np.ndarray
    value_evals: np.ndarray
    grad_evals: np.ndarray
    hess_evals: np.ndarray
    executed: int = 0

    @staticmethod
    def join(parts: list[Records]) -> Records:
        """The records of consecutive slices of one program as one."""
        names = [item.name for item in fields(Records) if item.name != "executed"]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return Records(**arrays, executed=sum(part.executed for part in parts))


@dataclass(frozen=True)
class Trajectory:
    """Every iterate of one run: `x` `[steps + 1, n]`, `loss` and `grad_norm` `[steps + 1]`."""

    x: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray


@dataclass(frozen=True)
class _Thresholds:
    target: np.ndarray
    limit: np.ndarray
    ladder: np.ndarray


def _thresholds(program: Program, loss_start: np.ndarray) -> _Thresholds:
    dtype = np.dtype(program.dtype)
    gap = loss_start - program.f_star
    # from a start without a loss nothing can be reached
    gap = np.where(np.isfinite(gap), gap, np.nan)
    ladder = np.full((LEVELS, len(program)), np.nan)
    for level, rtol in enumerate(program.targets[:LEVELS]):
        ladder[level] = threshold(program.f_star, rtol * gap, dtype)
    with np.errstate(over="ignore"):
        # at most the largest number, so that an infinite loss is above it
        limit = np.minimum(DIVERGENCE * (1 + np.abs(loss_start)), float(np.finfo(dtype).max))
    return _Thresholds(threshold(program.f_star, program.atol + program.rtol * gap, dtype), limit, ladder)


def _columns(program: Program, thresholds: _Thresholds, rows: slice) -> np.ndarray:
    swept = program.swept
    parts = [
        program.starts[rows].T,
        *(swept[name][rows][None] for name in sorted(swept)),
        thresholds.target[rows][None],
        thresholds.limit[rows][None],
        program.seeds[rows][None],
        thresholds.ladder[:, rows],
        np.full((LEVELS, len(thresholds.target[rows])), np.inf),  # no target met yet
    ]
    with np.errstate(over="ignore"):
        return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts]).astype(program.dtype)


class _Feed:
    """One set of lanes working through the runs of a program."""

    def __init__(self, program: Program, thresholds: _Thresholds, budget: float, length: int = SEGMENT) -> None:
        self.program, self.thresholds, self.length = program, thresholds, length
        self.machine = machine(program.signature)
        dtype = np.dtype(program.dtype)
        self.arguments = (
            {name: np.asarray(value, dtype) for name, value in program.shared.items()},
            tuple(np.asarray(array, dtype) for array in program.data),
            np.asarray(budget, dtype),
            np.asarray(program.gtol, dtype) ** 2,
        )
        self.lanes: Lanes = self.machine.empty()
        self.fed = 0
        self.executed = 0

    def advance(self, *, segments: int = 2**31 - 1) -> Lanes:
        """Hand over the next runs and advance until lanes fall idle, or until all end when these are the last."""
        stop = min(self.fed + self.machine.queue, len(self.program))
        queued = stop - self.fed
        columns = np.zeros((self.machine.columns, self.machine.queue), self.program.dtype)
        columns[:, :queued] = _columns(self.program, self.thresholds, slice(self.fed, stop))
        queue = Queue(columns, np.int32(queued), np.int32(self.fed))
        length, drain = np.int32(self.length), np.bool_(stop == len(self.program))
        self.machine.compile_once(self.lanes, queue, self.arguments, length, np.int32(0), drain)
        self.lanes = self.machine.advance(self.lanes, queue, self.arguments, length, np.int32(segments), drain)
        self.fed += int(self.lanes.taken)
        self.executed += int(self.lanes.segments) * self.length * self.machine.lanes
        return self.lanes


def _exhaust(feed: _Feed, on_advance: Callable[[int], None] | None = None) -> np.ndarray:
    """Every run's record `[runs, rows]`: steps, final loss, best loss, gradient norm, iterate, hits."""
    table = np.empty((len(feed.program), 4 + feed.program.dimension + LEVELS))
    done = 0
    while done < len(feed.program):
        runs, records = finished(feed.advance())
        table[runs] = records.T
        done += len(runs)
        if on_advance is not None:
            on_advance(len(runs))
    return table


def finished(lanes: Lanes) -> tuple[np.ndarray, np.ndarray]:
    """The runs that ended in the last call, and their records `[rows, runs]`."""
    owner = np.asarray(lanes.record_runs)
    columns = np.flatnonzero(owner >= 0)
    return owner[columns], np.asarray(lanes.records)[:, columns]


def _loss_at_start(program: Program) -> np.ndarray:
    """The loss at every run's start, by the compiled program itself with a budget of no steps."""
    swept = program.swept
    names = sorted(name for name in swept if name.startswith("surface."))
    keys = np.concatenate([program.starts, *(swept[name][:, None] for name in names)], axis=1)
    if (keys == keys[0]).all():
        rows, inverse = np.zeros(1, np.int64), np.zeros(len(keys), np.int64)
    else:
        _, rows, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    distinct = program.take(rows)
    nothing = np.full(len(distinct), np.nan)
    never = _Thresholds(nothing, np.full(len(distinct), np.inf), np.full((LEVELS, len(distinct)), np.nan))
    table = _exhaust(_Feed(distinct, never, budget=0, length=1))
    return table[inverse.reshape(-1), 1]


def execute(program: Program, on_advance: Callable[[int], None] | None = None) -> Records:
    """Run every run of `program` to its end.

    A run does not depend on which other runs are there. `on_advance` hears how many runs ended after each call of the
    compiled program. Raises what a plug-in raises while it is traced.
    """
    with jax.enable_x64(True):
        loss_start = _loss_at_start(program)
        thresholds = _thresholds(program, loss_start)
        feed = _Feed(program, thresholds, program.steps)
        table = _exhaust(feed, on_advance)
    n = program.dimension
    steps, loss, best, norm = table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3]
    counts = feed.machine.evaluations
    with np.errstate(invalid="ignore"):
        status = np.select(
            [
                ~np.isfinite(loss),
                loss <= thresholds.target,
                ~(loss <= thresholds.limit),
                norm <= program.gtol,
                steps >= program.steps,
            ],
            [DIVERGED, REACHED, DIVERGED, STATIONARY, BUDGET],
            STATIONARY,
        )
    return Records(
        status=status,
        steps=steps,
        loss_start=loss_start,
        loss_final=loss,
        loss_best=best,
        grad_norm=norm,
        x=table[:, 4 : 4 + n],
        hits=table[:, 4 + n : 4 + n + len(program.targets)],
        value_evals=steps * counts.value,
        grad_evals=steps * counts.grad,
        hess_evals=steps * counts.hess,
        executed=feed.executed,
    )


def trace(program: Program) -> list[Trajectory]:
    """Every iterate of every run of `program`, by the same compiled program as `execute` and so bit for bit its runs.

    The compiled program keeps the first lanes' iterates of its last segment; this calls it one segment at a time.
    """
    paths: list[Trajectory] = []
    with jax.enable_x64(True):
        thresholds = _thresholds(program, _loss_at_start(program))
        drawn = machine(program.signature).drawn
        for first in range(0, len(program), drawn):
            rows = np.arange(first, min(first + drawn, len(program)))
            chosen = _Thresholds(thresholds.target[rows], thresholds.limit[rows], thresholds.ladder[:, rows])
            paths += _trace_lanes(_Feed(program.take(rows), chosen, program.steps))
    return paths


def _trace_lanes(feed: _Feed) -> list[Trajectory]:
    n, count = feed.program.dimension, len(feed.program)
    steps = np.zeros(count, np.int64)
    kept: list[np.ndarray] = []
    done = 0
    while done < count:
        lanes = feed.advance(segments=1)
        runs, records = finished(lanes)
        steps[runs] = records[0].astype(np.int64)
        done += len(runs)
        kept.append(np.asarray(lanes.paths)[:, :, :count].astype(np.float64))
    rows = np.concatenate(kept)
    # behind its last step a run's rows repeat
    own = [rows[: end + 1, :, run] for run, end in enumerate(steps)]
    return [Trajectory(part[:, :n], part[:, n], np.sqrt(part[:, n + 1])) for part in own]
