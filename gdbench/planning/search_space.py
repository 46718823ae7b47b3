"""Draw the points at which a tuned solver is tried: seeded Sobol points over the ranges of its hyperparameters."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

import numpy as np

from gdbench.errors import SpecError, unknown
from gdbench.planning.axis_values import RATE, at_path
from gdbench.solvers.base import DECAYS, Solver
from gdbench.spec.sweep import Range, Rates

# Where the hyperparameters are searched that have no sensible range around their defaults.
USUAL = {name: Range(one_minus_log=(1e-3, 1.0)) for name in DECAYS} | {
    "eps": Range(log=(1e-12, 1e-3)),
    # A factor that shortens must stay below 1, and one that lengthens above it.
    "gains.down": Range(one_minus_log=(0.005, 0.5)),
    "rprop.up": Range(linear=(1.01, 2.0)),
    "rprop.down": Range(linear=(0.1, 0.9)),
    "eta_plus": Range(linear=(1.01, 2.0)),
    "eta_minus": Range(linear=(0.1, 0.9)),
    "backtracking.shrink": Range(linear=(0.1, 0.9)),
    # Every value of a share makes sense.
    "qhadam.nu1": Range(linear=(0.0, 1.0)),
    "qhadam.nu2": Range(linear=(0.0, 1.0)),
    # RAdam's factor is defined above 4 only.
    "radam.threshold": Range(log=(4.0, 40.0)),
    "optax:radam.threshold": Range(log=(4.0, 40.0)),
    # It stands under a root, and so is compared with the square of eps.
    "eps_root": Range(log=(1e-24, 1e-6)),
}
# Any other hyperparameter is searched from its default divided by this to its default times this.
FACTOR = 10.0


def space_of(
    solver: Solver, fixed: Collection[str], rates: Rates, space: Mapping[str, Range], numbers: Collection[str] = ()
) -> dict[str, Range]:
    """Return the ranges of all hyperparameters that are searched: not the `fixed` ones, nor those without a scale (0).

    `space` (`NAME` or `SOLVER.NAME`) replaces the usual range of a name. What has no default, and the `numbers` of
    schedules, are searched only if they are in it.
    """
    ranges: dict[str, Range] = {}
    for name, default in {**solver.hyperparameters, **dict.fromkeys(numbers)}.items():
        if name in fixed:
            continue
        qualified = f"{solver.name}.{name}"
        chosen = space.get(qualified, space.get(name))
        if chosen is None and name == RATE:
            chosen = Range(log=(rates.low, rates.high))
        elif chosen is None and default is not None:
            chosen = USUAL.get(qualified, USUAL.get(name))
            if chosen is None and default > 0:
                chosen = Range(log=(default / FACTOR, default * FACTOR))
        if chosen is not None:
            ranges[name] = chosen
    return ranges


def check_space(
    solvers: Collection[Solver],
    space: Mapping[str, Range],
    valued: Mapping[str, Collection[str]],
    numbers: Mapping[str, Collection[str]],
) -> None:
    """Raise `SpecError` for a name in `tune.space` that no solver has, or that every one has a value for.

    valued : by solver, the names that it has values for. numbers : by solver, those of its schedules.
    """
    by_name = {solver.name: solver for solver in solvers}
    for key, ends in space.items():
        path = ("tune", "space", key)
        owner, name = _owner(key, by_name, numbers)
        if owner and owner not in by_name:
            raise SpecError(str(unknown("solver", owner, by_name)), path)
        meant = [solver for solver in solvers if owner in ("", solver.name)]
        names = {solver.name: (*solver.hyperparameters, *numbers[solver.name]) for solver in meant}
        choices = sorted({choice for several in names.values() for choice in several})
        if name not in choices:
            raise SpecError(str(unknown("hyperparameter", name, choices)), path)
        if all(name in valued[solver.name] for solver in meant if name in names[solver.name]):
            raise SpecError(f"'{name}' has a range here and a value elsewhere; remove one of them", path)
        # Sobol points come this close to 1.
        reached = _spread(ends, np.array([0.0, 1 - 2.0**-30]))
        for solver in meant:
            if name in solver.hyperparameters:
                at_path(path, solver.require_possible, name=name, values=reached)
        if name == RATE and reached.min() <= 0:
            raise SpecError(f"a learning rate must be above 0, and this range begins at {reached.min():g}", path)


def _owner(key: str, solvers: Collection[str], numbers: Mapping[str, Collection[str]]) -> tuple[str, str]:
    """Split a key of `tune.space` into the solver that it names, "" for all, and a hyperparameter or schedule's number.

    `momentum.end_value` may be a number of momentum's schedule, and `momentum.momentum` is the solver's momentum.
    """
    scheduled = {number.partition(".")[0] for names in numbers.values() for number in names}
    head, _, rest = key.partition(".")
    if not rest:
        return "", key
    if head in solvers and (rest in numbers[head] or "." in rest):
        return head, rest
    if any(key in names for names in numbers.values()) or (head in scheduled and head not in solvers):
        return "", key
    owner, _, name = key.rpartition(".")
    return owner, name


def trial_points(solver: Solver, space: Mapping[str, Range], trials: int, seed: int) -> dict[str, np.ndarray]:
    """Draw `trials` settings, `[trials]` for each name in `space`: scrambled Sobol points, the same on every surface.

    Source: Sobol 1967; scrambled as in Owen 1998, by scipy.stats.qmc.
    """
    from scipy.stats import qmc

    if not space:
        return {}
    sobol = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng([seed, zlib.crc32(solver.name.encode())]))
    unit = sobol.random_base2(max(trials - 1, 0).bit_length())[:trials]
    return {name: _spread(ends, unit[:, i]) for i, (name, ends) in enumerate(space.items())}


def _spread(ends: Range, unit: np.ndarray) -> np.ndarray:
    """Spread points of the unit interval over a range."""
    if ends.linear is not None:
        low, high = ends.linear
        return low + (high - low) * unit
    low, high = ends.log or ends.one_minus_log or (1.0, 1.0)
    # The logs are subtracted because high / low may be more than any number.
    spread = np.clip(np.exp(np.log(low) + (np.log(high) - np.log(low)) * unit), low, high)
    return spread if ends.log is not None else 1 - spread
