"""Decide how a run ended: the losses that end it, and the status that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gdbench.engine.carry import Final
from gdbench.engine.program import Program
from gdbench.engine.records import LEVELS
from gdbench.statuses import Status

# A loss this many times above 1 + |loss at the start| counts as divergence.
DIVERGENCE = 1e6


@dataclass(frozen=True)
class Thresholds:
    """The losses that end a run or count as a target, in the program's type."""

    target: Float[np.ndarray, " runs"]
    limit: Float[np.ndarray, " runs"]
    ladder: Float[np.ndarray, "levels runs"]

    @staticmethod
    def of(program: Program, loss_start: Float[np.ndarray, " runs"]) -> Thresholds:
        """Compute the thresholds from the loss at every run's start."""
        conditions = program.conditions
        dtype = np.dtype(conditions.dtype)
        gap = loss_start - program.f_star
        # Without a finite loss at the start no target can be reached.
        gap = np.where(np.isfinite(gap), gap, np.nan)
        ladder = np.full((LEVELS, len(program)), np.nan)
        for level, rtol in enumerate(conditions.targets[:LEVELS]):
            ladder[level] = threshold(program.f_star, rtol * gap, dtype)
        with np.errstate(over="ignore"):
            # At most the largest number, so that an infinite loss is above it.
            limit = np.minimum(DIVERGENCE * (1 + np.abs(loss_start)), float(np.finfo(dtype).max))
        target = threshold(program.f_star, conditions.atol + conditions.rtol * gap, dtype)
        return Thresholds(target, limit, ladder)

    @staticmethod
    def never(runs: int) -> Thresholds:
        """Return thresholds that no loss meets."""
        nothing = np.full(runs, np.nan)
        return Thresholds(nothing, np.full(runs, np.inf), np.full((LEVELS, runs), np.nan))


def statuses_of(
    program: Program,
    thresholds: Thresholds,
    loss_start: Float[np.ndarray, " runs"],
    rows: Int[np.ndarray, " rows"],
    final: Final,
) -> Int[np.ndarray, " rows"]:
    """Decide how the runs `rows` ended, each with a `Status`.

    final : the numbers that these runs ended with, the row as last axis. NaN is an error if no overflow can have made
    it: in the loss at the start, or in the iterate after one step. Later the run has diverged, as with an infinity.
    """
    conditions, steps, loss = program.conditions, final.steps, final.loss
    never = np.zeros(len(rows), bool)
    goal = never if final.goal is None else final.goal > 0
    stopped = never
    if conditions.patience and final.held_out is not None:
        _, best_step = final.held_out
        stopped = steps - best_step >= conditions.patience
    broken = np.isnan(loss_start[rows])
    once = np.flatnonzero(steps == 1)
    broken[once] |= np.isnan(final.x[:, once]).any(axis=0)
    status = np.full(len(rows), Status.STATIONARY)
    with np.errstate(invalid="ignore"):
        # A later row of this list counts more than the rows before it.
        for ends, how in (
            (steps >= conditions.steps, Status.BUDGET),
            (stopped, Status.STOPPED),
            ((final.grad_norm <= conditions.gtol) & (conditions.gtol > 0), Status.STATIONARY),
            (~(loss <= thresholds.limit[rows]), Status.DIVERGED),
            ((loss <= thresholds.target[rows]) | goal, Status.REACHED),
            (~np.isfinite(loss), Status.DIVERGED),
            (broken, Status.ERROR),
        ):
            status[ends] = how
    return status


def threshold(
    f_star: Float[np.ndarray, " runs"], tolerance: Float[np.ndarray, " runs"], dtype: np.dtype
) -> Float[np.ndarray, " runs"]:
    """Find the largest number `t` of `dtype` with `t - f_star <= tolerance`; NaN if either is unknown.

    A lane then compares its loss with one number, and the comparison agrees exactly with the definition of the target.
    """

    def meets(numbers: Float[np.ndarray, " runs"]) -> Bool[np.ndarray, " runs"]:
        met: np.ndarray = numbers - f_star <= tolerance
        return met

    with np.errstate(over="ignore", invalid="ignore"):
        guess: np.ndarray = (f_star + tolerance).astype(dtype)
        for _ in range(2):
            guess = np.where(guess - f_star > tolerance, np.nextafter(guess, dtype.type(-np.inf)), guess)
        for _ in range(2):
            above = np.nextafter(guess, dtype.type(np.inf))
            guess = np.where(meets(above), above, guess)
        above = np.nextafter(guess, dtype.type(np.inf))
        if np.any((guess - f_star > tolerance) | (meets(above) & (above > guess))):
            # The tolerance cancels f_star, and the difference is rounded far more coarsely than the sum: bisect.
            low, high = (np.full(guess.shape, end) for end in _places(np.array([-np.inf, np.inf], dtype)))
            for _ in range(8 * dtype.itemsize):
                middle = (low >> 1) + (high >> 1) + (low & high & 1)
                met = meets(_number(middle, dtype))
                low, high = np.where(met, middle, low), np.where(met, high, middle)
            guess = np.where(np.isnan(guess), guess, _number(low, dtype))
    return guess


def _places(numbers: Float[np.ndarray, " runs"]) -> Int[np.ndarray, " runs"]:
    """Return the place of every number in the order of all numbers of its type."""
    bits = numbers.view(f"i{numbers.itemsize}").astype(np.int64)
    return np.where(bits < 0, np.iinfo(f"i{numbers.itemsize}").min - bits, bits)


def _number(places: Int[np.ndarray, " runs"], dtype: np.dtype) -> Float[np.ndarray, " runs"]:
    """Return the numbers at the places that `_places` gives."""
    kind = f"i{dtype.itemsize}"
    bits = np.where(places < 0, np.iinfo(kind).min - places, places).astype(kind)
    numbers: np.ndarray = bits.view(dtype)
    return numbers
