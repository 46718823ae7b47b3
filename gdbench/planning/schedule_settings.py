"""Turn the schedules of a solver's hyperparameters into kinds, and a setting for each of their numbers."""

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

# The bounds of a schedule's numbers, whatever hyperparameter it is for.
ABOVE_0 = re.compile(r"(decay|transition|warmup)_steps|timescale|decay_rate")
FROM_0 = re.compile(r"transition_begin|alpha|exponent|power|boundary\d+|scale\d+")


def with_schedules(solver: Solver, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return a solver's settings, with schedules in the place of texts that stand for them."""
    variants = (solver, *solver.variants.values())
    numbers = {name for variant in variants for name in variant.resolved(settings).hyperparameters}
    parsed = dict(settings)
    for name, setting in settings.items():
        if name not in numbers:
            continue
        try:
            parsed[name] = replace(setting, axis=schedules_of(setting.axis) or setting.axis)
        except AxisError as problem:
            raise SpecError(f"'{setting.name}': {problem}", (*setting.path, *problem.path)) from None
    return parsed


def choices_of(
    solver: Solver, settings: Mapping[str, Setting], searched: Collection[str] = ()
) -> Iterator[tuple[dict[str, Setting], dict[str, str]]]:
    """Yield every combination of a solver's schedules: plain settings, and the kinds by hyperparameter.

    The base of a schedule stands under the hyperparameter's own name, where it is given; its other numbers as
    `NAME.NUMBER`, with their defaults. Those `searched` need no value. Raises `SpecError`.
    """
    schedules: dict[str, tuple[Schedule, ...]] = {}
    for name, setting in settings.items():
        if isinstance(setting.axis, Schedules):
            if name not in solver.hyperparameters:
                raise SpecError(f"'{setting.name}' is compiled in, and cannot follow a schedule", setting.path)
            schedules[name] = setting.axis.choices
    for combination in product(*schedules.values()):
        plain = {name: setting for name, setting in settings.items() if name not in schedules}
        for name, schedule in zip(schedules, combination, strict=True):
            plain |= _number_settings(name, schedule, settings[name], searched)
        yield plain, {name: schedule.kind for name, schedule in zip(schedules, combination, strict=True)}


def _number_settings(name: str, schedule: Schedule, setting: Setting, searched: Collection[str]) -> dict[str, Setting]:
    """Return the numbers of a schedule as settings; `setting` is that of the hyperparameter."""
    path = (*setting.path, schedule.kind)
    numbers: dict[str, Setting] = {}
    if schedule.base in schedule.numbers:
        numbers[name] = Setting(schedule.numbers[schedule.base], (*path, schedule.base))
    elif setting.base is not None:
        numbers[name] = setting.base
    for number, default in schedule.others.items():
        key = f"{name}.{number}"
        if number in schedule.numbers:
            numbers[key] = Setting(schedule.numbers[number], (*path, number))
        elif key in searched or default == ABSENT:
            continue
        elif default == NEEDED:
            raise SpecError(f"the schedule '{schedule.kind}' of '{name}' needs '{number}'", path)
        else:
            numbers[key] = Setting(Axis("values", (default,)), (*path, number))
    return numbers


def valued_names(settings: Mapping[str, Setting]) -> set[str]:
    """Return the names of what a solver is given values for, the numbers of schedules among them."""
    names = set()
    for name, setting in settings.items():
        if not isinstance(setting.axis, Schedules):
            names.add(name)
            continue
        names |= set() if setting.axis.lack_base and setting.base is None else {name}
        names |= {
            f"{name}.{key}" for schedule in setting.axis.choices for key in schedule.numbers if key != schedule.base
        }
    return names


def number_names(settings: Mapping[str, Setting]) -> list[str]:
    """Return the names of all numbers besides the bases that the schedules of a solver take."""
    names: dict[str, None] = {}
    for name, setting in settings.items():
        for schedule in setting.axis.choices if isinstance(setting.axis, Schedules) else ():
            names |= dict.fromkeys(f"{name}.{key}" for key in schedule.others)
    return list(names)


def number_values(settings: Mapping[str, Setting], seed: int) -> dict[str, np.ndarray]:
    """Return the values of the numbers besides the bases, by their names with a dot."""
    return {name: values_of(setting, seed) for name, setting in settings.items() if "." in name}


def require_possible(
    solver: Solver,
    kinds: Mapping[str, str],
    fixed: Mapping[str, float],
    axes: Sequence[Mapping[str, np.ndarray]],
    paths: Mapping[str, tuple[Any, ...]],
) -> None:
    """Raise `SpecError` where a schedule cannot be meant, or leads a hyperparameter where it cannot be.

    kinds : the schedules by hyperparameter. fixed, axes : the values of all hyperparameters and numbers, as a `RunGrid`
    has them. paths : where those stand that are not tuned.
    """
    values = {name: np.array([value]) for name, value in fixed.items()}
    values |= {name: column for axis in axes for name, column in axis.items()}
    paths = {name: paths.get(name, ("tune", "space", name)) for name in values}
    for name, kind in kinds.items():
        numbers = {key.removeprefix(f"{name}."): values[key] for key in values if key.startswith(f"{name}.")}
        _require_bounds(name, numbers, paths)
        _require_order(name, numbers, paths)
        for pick in (np.min, np.max):
            extremes = {number: float(pick(column)) for number, column in numbers.items()}
            for number, value in _ends(kind, float(pick(values[name])), extremes):
                _require_allowed(solver, name, value, paths.get(f"{name}.{number}", ()))


def _require_bounds(name: str, numbers: Mapping[str, np.ndarray], paths: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise `SpecError` where a number of the schedule of `name` is too small."""
    for number, column in numbers.items():
        bound = "above 0" if ABOVE_0.fullmatch(number) else "at least 0" if FROM_0.fullmatch(number) else ""
        lowest = column.min()
        if bound and (lowest < 0 or (lowest == 0 and bound == "above 0")):
            key = f"{name}.{number}"
            raise SpecError(f"'{key}' must be {bound}, not {lowest:g}", paths[key])


def _require_order(name: str, numbers: Mapping[str, np.ndarray], paths: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise `SpecError` unless jumps ascend, and a decay ends after the warm-up that is part of it."""
    pairs = [(f"boundary{index}", f"boundary{index + 1}") for index in range(1, len(numbers) // 2)]
    pairs += [("warmup_steps", "decay_steps")] if "warmup_steps" in numbers else []
    for first, second in pairs:
        if second in numbers and not numbers[first].max() < numbers[second].min():
            key = f"{name}.{second}"
            raise SpecError(
                f"'{key}' must be above '{name}.{first}', but is {numbers[second].min():g} where that is "
                f"{numbers[first].max():g}",
                paths[key],
            )


def _ends(kind: str, base: float, numbers: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return where a schedule starts, turns and leads, besides its base, each with the number that says so.

    All its values lie between these and the base.
    """
    ends = [(number, numbers[number]) for number in ("init_value", "end_value") if number in numbers]
    if kind == "cosine":
        ends.append(("alpha", numbers["alpha"] * base))
    elif kind in ("exponential", "staircase") and "end_value" not in numbers:
        ends.append(("decay_rate", np.inf if numbers["decay_rate"] > 1 else 0.0))
    elif kind == "piecewise":
        scales = [numbers[f"scale{index}"] for index in range(1, len(numbers) // 2 + 1)]
        ends += [(f"scale{index}", base * scale) for index, scale in enumerate(np.cumprod(scales), start=1)]
    return ends


def _require_allowed(solver: Solver, name: str, value: float, path: tuple[Any, ...]) -> None:
    """Raise `SpecError` where a schedule leads a hyperparameter to a value that it cannot have; a rate may be 0."""
    if name == RATE and value < 0:
        raise SpecError(f"a learning rate must be at least 0, but its schedule leads to {value:g}", path)
    try:
        solver.require_possible(name, [value])
    except UsageError as error:
        raise SpecError(f"{error}, where its schedule leads", path) from None
