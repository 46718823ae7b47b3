"""The schedules of a solver's hyperparameters: their kinds, their numbers as settings of their own, and what may be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from gdbench.errors import SpecError, UsageError
from gdbench.planning.axis_values import RATE, Setting, values_of
from gdbench.solvers.base import Solver
from gdbench.spec.axes import Axis, AxisError
from gdbench.spec.schedule_parsing import schedules_of
from gdbench.spec.schedules import ABSENT, NEEDED, Schedule, Schedules

# what numbers of a schedule must be, whatever they are the schedule of
ABOVE_0 = re.compile(r"(decay|transition|warmup)_steps|timescale|decay_rate")
FROM_0 = re.compile(r"transition_begin|alpha|exponent|power|boundary\d+|scale\d+")


def with_schedules(solver: Solver, given: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return a solver's settings, with schedules in the place of texts that stand for them."""
    numbers = {name for one in (solver, *solver.variants.values()) for name in one.resolved(given).hyperparameters}
    found = dict(given)
    for name in [name for name in found if name in numbers]:
        item = found[name]
        try:
            found[name] = replace(item, axis=schedules_of(item.axis) or item.axis)
        except AxisError as problem:
            raise SpecError(f"'{item.name}': {problem}", (*item.path, *problem.path)) from None
    return found


def choices_of(
    solver: Solver, given: Mapping[str, Setting], searched: Collection[str] = ()
) -> Iterator[tuple[dict[str, Setting], dict[str, str]]]:
    """Every combination of the schedules that a solver is given: plain settings, and the kinds by hyperparameter.

    The base of a schedule stands under the hyperparameter's own name, where it is given; its other numbers as
    `NAME.NUMBER`, with their defaults. Those `searched` need no value. Raises `SpecError`.
    """
    several: dict[str, tuple[Schedule, ...]] = {}
    for name, item in given.items():
        if isinstance(item.axis, Schedules):
            if name not in solver.hyperparameters:
                raise SpecError(f"'{item.name}' is compiled in, and cannot follow a schedule", item.path)
            several[name] = item.axis.choices
    for combination in product(*several.values()):
        own = {name: item for name, item in given.items() if name not in several}
        for name, schedule in zip(several, combination, strict=True):
            own |= _settings(name, schedule, given[name], searched)
        yield own, {name: schedule.kind for name, schedule in zip(several, combination, strict=True)}


def _settings(name: str, schedule: Schedule, item: Setting, searched: Collection[str]) -> dict[str, Setting]:
    """The numbers of a schedule as settings."""
    here = (*item.path, schedule.kind)
    found: dict[str, Setting] = {}
    if schedule.base in schedule.numbers:
        found[name] = Setting(schedule.numbers[schedule.base], (*here, schedule.base))
    elif item.base is not None:
        found[name] = item.base
    for number, default in schedule.others.items():
        key = f"{name}.{number}"
        if number in schedule.numbers:
            found[key] = Setting(schedule.numbers[number], (*here, number))
        elif key in searched or default == ABSENT:
            continue
        elif default == NEEDED:
            raise SpecError(f"the schedule '{schedule.kind}' of '{name}' needs '{number}'", here)
        else:
            found[key] = Setting(Axis("values", (default,)), (*here, number))
    return found


def named(given: Mapping[str, Setting]) -> set[str]:
    """The names of what a solver is given values for, the numbers of schedules among them."""
    found = set()
    for name, item in given.items():
        if not isinstance(item.axis, Schedules):
            found.add(name)
            continue
        found |= set() if item.axis.lack_base and item.base is None else {name}
        found |= {f"{name}.{key}" for one in item.axis.choices for key in one.numbers if key != one.base}
    return found


def number_names(given: Mapping[str, Setting]) -> list[str]:
    """The names of all numbers besides the bases that the schedules of a solver take."""
    found: dict[str, None] = {}
    for name, item in given.items():
        for choice in item.axis.choices if isinstance(item.axis, Schedules) else ():
            found |= dict.fromkeys(f"{name}.{key}" for key in choice.others)
    return list(found)


def number_values(given: Mapping[str, Setting], seed: int) -> dict[str, np.ndarray]:
    """The values of the numbers besides the bases, by their names with a dot."""
    return {name: values_of(item, seed) for name, item in given.items() if "." in name}


def require_possible(
    solver: Solver,
    kinds: Mapping[str, str],
    fixed: Mapping[str, float],
    axes: Sequence[Mapping[str, np.ndarray]],
    given: Mapping[str, tuple[Any, ...]],
) -> None:
    """Raise `SpecError` where a schedule cannot be meant, or leads a hyperparameter where it cannot be.

    fixed, axes : the values of all hyperparameters and numbers, as a block has them; given : where those stand that are
    not tuned.
    """
    values = {name: np.array([value]) for name, value in fixed.items()} | {
        name: found for axis in axes for name, found in axis.items()
    }
    paths = {name: given.get(name, ("tune", "space", name)) for name in values}
    for name, kind in kinds.items():
        own = {key.removeprefix(f"{name}."): found for key, found in values.items() if key.startswith(f"{name}.")}
        for number, found in own.items():
            bound = "above 0" if ABOVE_0.fullmatch(number) else "at least 0" if FROM_0.fullmatch(number) else ""
            lowest = found.min()
            if bound and (lowest < 0 or (lowest == 0 and bound == "above 0")):
                key = f"{name}.{number}"
                raise SpecError(f"'{key}' must be {bound}, not {lowest:g}", paths[key])
        _require_order(name, own, paths)
        for pick in (np.min, np.max):
            numbers = {number: float(pick(found)) for number, found in own.items()}
            for number, value in _ends(kind, float(pick(values[name])), numbers):
                _require_allowed(solver, name, value, paths.get(f"{name}.{number}", ()))


def _require_order(name: str, own: Mapping[str, np.ndarray], paths: Mapping[str, tuple[Any, ...]]) -> None:
    """Jumps ascend, and a decay ends after the warm-up that is part of it."""
    pairs = [(f"boundary{number}", f"boundary{number + 1}") for number in range(1, len(own) // 2)]
    pairs += [("warmup_steps", "decay_steps")] if "warmup_steps" in own else []
    for first, second in pairs:
        if second in own and not own[first].max() < own[second].min():
            after = f"{name}.{second}"
            raise SpecError(
                f"'{after}' must be above '{name}.{first}', but is {own[second].min():g} where that is "
                f"{own[first].max():g}",
                paths[after],
            )


def _ends(kind: str, base: float, numbers: Mapping[str, float]) -> list[tuple[str, float]]:
    """Where a schedule starts, turns and leads, besides its base, each with the number that says so.

    All its values lie between these and the base.
    """
    ends = [(number, numbers[number]) for number in ("init_value", "end_value") if number in numbers]
    if kind == "cosine":
        ends.append(("alpha", numbers["alpha"] * base))
    elif kind in ("exponential", "staircase") and "end_value" not in numbers:
        ends.append(("decay_rate", np.inf if numbers["decay_rate"] > 1 else 0.0))
    elif kind == "piecewise":
        scales = [numbers[f"scale{number}"] for number in range(1, len(numbers) // 2 + 1)]
        ends += [(f"scale{number}", base * product_) for number, product_ in enumerate(np.cumprod(scales), start=1)]
    return ends


def _require_allowed(solver: Solver, name: str, value: float, path: tuple[Any, ...]) -> None:
    """Raise `SpecError` where a schedule's value is none that the hyperparameter may have; a rate may be 0."""
    if name == RATE and value < 0:
        raise SpecError(f"a learning rate must be at least 0, but its schedule leads to {value:g}", path)
    try:
        solver.require_possible(name, [value])
    except UsageError as error:
        raise SpecError(f"{error}, where its schedule leads", path) from None
