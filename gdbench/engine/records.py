"""What a run ends with, and the definitions that decide how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gdbench.engine.program import Program
from gdbench.engine.threshold import threshold

STATUSES = ("reached", "diverged", "stationary", "budget", "error", "stopped")
REACHED, DIVERGED, STATIONARY, BUDGET, ERROR, STOPPED = range(6)
# a loss this many times above 1 + |loss at the start| counts as divergence
DIVERGENCE = 1e6
# targets that the compiled program keeps for every run
LEVELS = 8


@dataclass(frozen=True)
class Records:
    """What the runs of a program ended with; every array has one row per run.

    status : index into `STATUSES`; steps : updates made; hits : `[runs, targets]`, first step at each target, infinity
    where none; *_evals : evaluations that the solver asked for; held_out_loss, held_out_step : the lowest loss on
    held-out examples and its step, None without such; executed : steps that all lanes computed while this was
    the first of the programs in them.
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
    held_out_loss: np.ndarray | None = None
    held_out_step: np.ndarray | None = None
    executed: int = 0

    @staticmethod
    def join(parts: Sequence[Records]) -> Records:
        """The records of consecutive slices of one program as one."""
        names = [item.name for item in fields(Records) if item.name != "executed"]
        given = [name for name in names if getattr(parts[0], name) is not None]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in given}
        return Records(**arrays, executed=sum(part.executed for part in parts))


@dataclass(frozen=True)
class Advance:
    """What one call of a compiled program did: how many runs `ended` in each status, `[6]` by index into `STATUSES`.

    steps : useful steps of those runs; executed : steps computed by all lanes.
    """

    ended: np.ndarray
    steps: int
    executed: int


@dataclass(frozen=True)
class Trajectory:
    """Every iterate of one run: `x` `[steps + 1, n]`, `loss` and `grad_norm` `[steps + 1]`."""

    x: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray


@dataclass(frozen=True)
class Thresholds:
    """The losses that end a run or count as a target, in the program's type: `[runs]`, the ladder `[LEVELS, runs]`."""

    target: np.ndarray
    limit: np.ndarray
    ladder: np.ndarray

    @staticmethod
    def of(program: Program, loss_start: np.ndarray) -> Thresholds:
        """Those of the definitions, from the loss `[runs]` at every run's start."""
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
        return Thresholds(threshold(program.f_star, program.atol + program.rtol * gap, dtype), limit, ladder)

    @staticmethod
    def never(runs: int) -> Thresholds:
        """Those that no loss meets."""
        nothing = np.full(runs, np.nan)
        return Thresholds(nothing, np.full(runs, np.inf), np.full((LEVELS, runs), np.nan))


def statuses_of(
    program: Program, thresholds: Thresholds, loss_start: np.ndarray, rows: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """How the runs `rows` ended, as indices into `STATUSES`.

    numbers : see `carry.Ended`. NaN is an error where no overflow can have made it: in the loss at the start, or in the
    iterate after one step. Later it has diverged, like an infinity.
    """
    steps, loss, _, norm = numbers[:4]
    never = np.zeros(len(rows), bool)
    goal = numbers[-1] > 0 if program.surface.goal is not None else never
    waited = steps - held_out_of(program, numbers)[1] >= program.patience if program.patience else never
    broken = np.isnan(loss_start[rows])
    once = np.flatnonzero(steps == 1)
    broken[once] |= np.isnan(numbers[4 : 4 + program.dimension, once]).any(axis=0)
    status = np.full(len(rows), STATIONARY)
    with np.errstate(invalid="ignore"):
        # what counts before another comes after it
        for ends, how in (
            (steps >= program.steps, BUDGET),
            (waited, STOPPED),
            ((norm <= program.gtol) & (program.gtol > 0), STATIONARY),
            (~(loss <= thresholds.limit[rows]), DIVERGED),
            ((loss <= thresholds.target[rows]) | goal, REACHED),
            (~np.isfinite(loss), DIVERGED),
            (broken, ERROR),
        ):
            status[ends] = how
    return status


def held_out_of(program: Program, numbers: np.ndarray) -> np.ndarray:
    """The lowest held-out loss and its step `[2, rows]` among `numbers` (see `carry.Ended`)."""
    end = len(numbers) - (program.surface.goal is not None)
    return numbers[end - 2 : end]
