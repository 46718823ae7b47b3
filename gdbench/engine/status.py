"""Decide how a run ended: the losses that end it, and the status that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gdbench.engine.program import Program
from gdbench.engine.records import LEVELS
from gdbench.statuses import Status

# a loss this many times above 1 + |loss at the start| counts as divergence
DIVERGENCE = 1e6


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
    """How the runs `rows` ended, each a `Status`.

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
    status = np.full(len(rows), Status.STATIONARY)
    with np.errstate(invalid="ignore"):
        # what counts before another comes after it
        for ends, how in (
            (steps >= program.steps, Status.BUDGET),
            (waited, Status.STOPPED),
            ((norm <= program.gtol) & (program.gtol > 0), Status.STATIONARY),
            (~(loss <= thresholds.limit[rows]), Status.DIVERGED),
            ((loss <= thresholds.target[rows]) | goal, Status.REACHED),
            (~np.isfinite(loss), Status.DIVERGED),
            (broken, Status.ERROR),
        ):
            status[ends] = how
    return status


def held_out_of(program: Program, numbers: np.ndarray) -> np.ndarray:
    """The lowest held-out loss and its step `[2, rows]` among `numbers` (see `carry.Ended`)."""
    end = len(numbers) - (program.surface.goal is not None)
    return numbers[end - 2 : end]


def threshold(f_star: np.ndarray, tolerance: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The largest number `t` of `dtype` with `t - f_star <= tolerance`; NaN where either is unknown.

    A lane then compares its loss with one number, and the comparison agrees exactly with the definition of the target.
    """

    def meets(numbers: np.ndarray) -> np.ndarray:
        return numbers - f_star <= tolerance

    with np.errstate(over="ignore", invalid="ignore"):
        guess = (f_star + tolerance).astype(dtype)
        for _ in range(2):
            guess = np.where(guess - f_star > tolerance, np.nextafter(guess, dtype.type(-np.inf)), guess)
        for _ in range(2):
            above = np.nextafter(guess, dtype.type(np.inf))
            guess = np.where(meets(above), above, guess)
        above = np.nextafter(guess, dtype.type(np.inf))
        if np.any((guess - f_star > tolerance) | (meets(above) & (above > guess))):
            # the tolerance cancels f_star, and the difference is rounded far more coarsely than the sum: bisect
            low, high = (np.full(guess.shape, end) for end in _places(np.array([-np.inf, np.inf], dtype)))
            for _ in range(8 * dtype.itemsize):
                middle = (low >> 1) + (high >> 1) + (low & high & 1)
                met = meets(_number(middle, dtype))
                low, high = np.where(met, middle, low), np.where(met, high, middle)
            guess = np.where(np.isnan(guess), guess, _number(low, dtype))
    return guess


def _places(numbers: np.ndarray) -> np.ndarray:
    """The place of every number in the order of all numbers of its type, as an integer."""
    bits = numbers.view(f"i{numbers.itemsize}").astype(np.int64)
    return np.where(bits < 0, np.iinfo(f"i{numbers.itemsize}").min - bits, bits)


def _number(places: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The inverse of `_places`."""
    kind = f"i{dtype.itemsize}"
    return np.where(places < 0, np.iinfo(kind).min - places, places).astype(kind).view(dtype)
