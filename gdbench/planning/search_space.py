"""The points at which a tuned solver is tried: seeded Sobol points over all its hyperparameters."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

import numpy as np

from gdbench.errors import SpecError, UsageError, unknown
from gdbench.solvers.base import DECAYS, Solver
from gdbench.spec.sweep import Range, Rates

USUAL = {name: Range(one_minus_log=(1e-3, 1.0)) for name in DECAYS} | {
    "eps": Range(log=(1e-12, 1e-3)),
    # a factor that shortens must stay below 1, and one that lengthens above it
    "gains.down": Range(one_minus_log=(0.005, 0.5)),
    "rprop.up": Range(linear=(1.01, 2.0)),
    "rprop.down": Range(linear=(0.1, 0.9)),
    "eta_plus": Range(linear=(1.01, 2.0)),
    "eta_minus": Range(linear=(0.1, 0.9)),
    "backtracking.shrink": Range(linear=(0.1, 0.9)),
    # a share, all of whose values make sense
    "qhadam.nu1": Range(linear=(0.0, 1.0)),
    "qhadam.nu2": Range(linear=(0.0, 1.0)),
    # RAdam's factor is defined above 4 only
    "radam.threshold": Range(log=(4.0, 40.0)),
    "optax:radam.threshold": Range(log=(4.0, 40.0)),
    # under a root, where it weighs as the square of eps
    "eps_root": Range(log=(1e-24, 1e-6)),
}
# around the default of any other hyperparameter
FACTOR = 10.0


def space_of(
    solver: Solver, fixed: Collection[str], rates: Rates, space: Mapping[str, Range], numbers: Collection[str] = ()
) -> dict[str, Range]:
    """The range of every hyperparameter that is searched: all but the `fixed` ones and those without a scale (0).

    `space` (`NAME` or `SOLVER.NAME`) replaces the usual range of a name. What has no default, and the `numbers` of
    schedules, are searched only if they are in it.
    """
    found: dict[str, Range] = {}
    for name, default in {**solver.hyperparameters, **dict.fromkeys(numbers)}.items():
        if name in fixed:
            continue
        chosen = space.get(f"{solver.name}.{name}", space.get(name))
        if chosen is None:
            if name == "learning_rate":
                chosen = Range(log=(rates.low, rates.high))
            elif default is None:
                continue
            elif f"{solver.name}.{name}" in USUAL or name in USUAL:
                chosen = USUAL.get(f"{solver.name}.{name}", USUAL.get(name))
            elif default > 0:
                chosen = Range(log=(default / FACTOR, default * FACTOR))
        if chosen is not None:
            found[name] = chosen
    return found


def check_space(
    solvers: Collection[Solver],
    space: Mapping[str, Range],
    given: Mapping[str, Collection[str]],
    numbers: Mapping[str, Collection[str]],
) -> None:
    """Raise `SpecError` for a name in `tune.space` that no solver has, or every one has been `given` a value for.

    numbers : by solver, those of its schedules.
    """
    by_name = {solver.name: solver for solver in solvers}
    for key, ends in space.items():
        path = ("tune", "space", key)
        owner, name = _owner(key, by_name, numbers)
        if owner and owner not in by_name:
            raise SpecError(str(unknown("solver", owner, by_name)), path)
        able = [solver for solver in solvers if owner in ("", solver.name)]
        known = {solver.name: (*solver.hyperparameters, *numbers[solver.name]) for solver in able}
        every = sorted({one for names in known.values() for one in names})
        if name not in every:
            raise SpecError(str(unknown("hyperparameter", name, every)), path)
        if all(name in given[solver.name] for solver in able if name in known[solver.name]):
            raise SpecError(f"'{name}' has a range here and a value elsewhere; remove one of them", path)
        # Sobol points come this close to 1
        reached = _spread(ends, np.array([0.0, 1 - 2.0**-30]))
        lowest = reached.min()
        for solver in able:
            if name in solver.hyperparameters:
                try:
                    solver.require_possible(name, reached)
                except UsageError as error:
                    raise SpecError(str(error), path) from None
        if name == "learning_rate" and lowest <= 0:
            raise SpecError(f"a learning rate must be above 0, and this range begins at {lowest:g}", path)


def _owner(key: str, solvers: Collection[str], numbers: Mapping[str, Collection[str]]) -> tuple[str, str]:
    """The solver that a key of `tune.space` names, "" for all, and the name of a hyperparameter or schedule's number.

    `momentum.end_value` may be a number of momentum's schedule, and `momentum.momentum` is the solver's momentum.
    """
    scheduled = {number.partition(".")[0] for own in numbers.values() for number in own}
    head, _, rest = key.partition(".")
    if not rest:
        return "", key
    if head in solvers and (rest in numbers[head] or "." in rest):
        return head, rest
    if any(key in own for own in numbers.values()) or (head in scheduled and head not in solvers):
        return "", key
    owner, _, name = key.rpartition(".")
    return owner, name


def trial_points(solver: Solver, space: Mapping[str, Range], trials: int, seed: int) -> dict[str, np.ndarray]:
    """`trials` settings, `[trials]` for each name in `space`: scrambled Sobol points, the same on every surface.

    Source: Sobol 1967; scrambled as in Owen 1998, by scipy.stats.qmc.
    """
    from scipy.stats import qmc

    if not space:
        return {}
    sobol = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng([seed, zlib.crc32(solver.name.encode())]))
    unit = sobol.random_base2(max(trials - 1, 0).bit_length())[:trials]
    return {name: _spread(ends, unit[:, i]) for i, (name, ends) in enumerate(space.items())}


def _spread(ends: Range, unit: np.ndarray) -> np.ndarray:
    """Points of the unit interval spread over a range."""
    if ends.linear is not None:
        low, high = ends.linear
        return low + (high - low) * unit
    low, high = ends.log or ends.one_minus_log or (1.0, 1.0)
    # in logs: high / low may be more than any number
    spread = np.clip(np.exp(np.log(low) + (np.log(high) - np.log(low)) * unit), low, high)
    return spread if ends.log is not None else 1 - spread
