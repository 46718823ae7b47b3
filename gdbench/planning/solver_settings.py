"""List what is tried of every solver: its settings fixed, swept or tuned, in each convention and schedule."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdbench.errors import SpecError
from gdbench.planning.axis_values import RATE, Setting, at_path, values_of
from gdbench.planning.schedule_settings import choices_of, number_names, number_values, require_possible, valued_names
from gdbench.planning.search_space import check_space, space_of, trial_points
from gdbench.planning.variants import solver_options, solver_variants
from gdbench.solvers import Solver
from gdbench.solvers.oracle import Oracle
from gdbench.spec.schedules import Schedules
from gdbench.spec.sweep import SweepSpec


@dataclass(frozen=True)
class SolverSettings:
    """A solver in one convention and under one schedule, with all that is tried of it.

    fixed : the hyperparameters that all runs share. axes : the swept ones, see `RunGrid`. options : every combination
    of those that are compiled in. schedules : the kinds of its schedules, by hyperparameter.
    """

    solver: Solver
    fixed: dict[str, float]
    axes: tuple[dict[str, np.ndarray], ...]
    options: list[dict[str, Any]]
    schedules: dict[str, str]


def settings_of_solvers(
    spec: SweepSpec, solvers: Sequence[Solver], assigned: Sequence[Mapping[str, Setting]]
) -> list[SolverSettings]:
    """Return what is tried of every solver, in each convention and under each schedule that it is `assigned`."""
    space = spec.tune.space if spec.tune is not None else {}
    variants = [solver_variants(solver, settings, space) for solver, settings in zip(solvers, assigned, strict=True)]
    if spec.tune is not None:
        for setting in (setting for settings in assigned for setting in settings.values()):
            if isinstance(setting.axis, Schedules) and len(setting.axis.choices) > 1:
                raise SpecError(f"'{setting.name}' has several schedules, but tune takes one", setting.path)
        values = {solver.name: valued_names(settings) for solver, settings in zip(solvers, assigned, strict=True)}
        numbers = {solver.name: number_names(settings) for solver, settings in zip(solvers, assigned, strict=True)}
        check_space([variant for several in variants for variant in several], space, values, numbers)
    tried = []
    for several, settings in zip(variants, assigned, strict=True):
        for variant in several:
            searched = [name for name in number_names(settings) if f"{variant.name}.{name}" in space or name in space]
            for plain, schedules in choices_of(variant, settings, searched):
                tried.append(_tried(spec, variant, plain, schedules, searched))
    return tried


def _tried(
    spec: SweepSpec,
    solver: Solver,
    settings: Mapping[str, Setting],
    schedules: dict[str, str],
    numbers: Collection[str],
) -> SolverSettings:
    """Return what is tried of a solver in one convention and under one schedule; tuning searches the `numbers` too."""
    tune = spec.tune
    space = space_of(solver, settings, spec.rates, tune.space, numbers) if tune is not None else {}
    fixed, swept = hyperparameters(solver, settings, spec.seed, space)
    for name, values in number_values(settings, spec.seed).items():
        if len(values) > 1:
            swept[name] = values
        else:
            fixed[name] = float(values[0])
    _require_positive_rates(swept, settings, schedules)
    points: dict[str, np.ndarray] = {}
    if tune is not None:
        _require_single_values(solver, settings)
        points = trial_points(solver, space, tune.trials, spec.seed)
    axes: tuple[dict[str, np.ndarray], ...] = tuple({name: values} for name, values in swept.items())
    if points:
        # Nothing else is swept but a given learning rate, with its single value.
        axes = ({name: np.repeat(values, len(points[next(iter(points))])) for name, values in swept.items()} | points,)
    require_possible(solver, schedules, fixed, axes, {name: setting.path for name, setting in settings.items()})
    return SolverSettings(solver, fixed, axes, list(solver_options(solver, settings)), schedules)


def hyperparameters(
    solver: Solver, settings: Mapping[str, Setting], seed: int, searched: Collection[str] = ()
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the hyperparameters that all runs share, and the swept ones; those that tuning has `searched` are neither.

    The learning rate is the first of the swept ones, also with a single value, so that every run of a solver is one
    program. Raises `SpecError` for a value that cannot be meant, or where one is missing.
    """
    fixed: dict[str, float] = {}
    swept: dict[str, np.ndarray] = {}
    for name in sorted(solver.hyperparameters, key=lambda name: name != RATE):
        default = solver.hyperparameters[name]
        if name in settings:
            values = values_of(settings[name], seed)
            at_path(settings[name].path, solver.require_possible, name=name, values=values)
            if len(values) > 1 or name == RATE:
                swept[name] = values
            else:
                fixed[name] = float(values[0])
        elif name in searched:
            continue
        elif default is not None:
            fixed[name] = float(default)
        else:
            raise SpecError(
                f"solver '{solver.name}' needs a value for '{name}': give set.{name} (--set {name}=VALUE)",
                ("solver", solver.name),
            )
    return fixed, swept


def _require_positive_rates(
    swept: Mapping[str, np.ndarray], settings: Mapping[str, Setting], schedules: Mapping[str, str]
) -> None:
    if RATE in swept and not (swept[RATE] > 0).all():
        rise = "; the schedule that rises from 0 is warmup" if RATE in schedules else ""
        raise SpecError(f"a learning rate must be above 0, not {swept[RATE].min():g}{rise}", settings[RATE].path)


def _require_single_values(solver: Solver, settings: Mapping[str, Setting]) -> None:
    """Raise `SpecError` where a setting of a tuned solver has several values."""
    for name, setting in settings.items():
        if setting.count > 1 and name in solver.options:
            raise SpecError(f"'{name}' has several values, but tune takes one of an option", setting.path)
        if setting.count > 1:
            raise SpecError(
                f"'{name}' has several values, but tune draws its own: give its range as tune.space.{name}",
                setting.path,
            )


def draws_at_random(solver: Solver, options: Mapping[str, Any]) -> bool:
    """Return whether a step of `solver` asks for a random key: trace one on x'x; true where it cannot be traced."""
    oracle = Oracle(lambda x: jnp.sum(x * x))

    def step(x: Any, settings: Mapping[str, Any]) -> Any:
        return solver.step(oracle, x, solver.initial_state(x, **settings, **options), **settings, **options)

    number = jax.ShapeDtypeStruct((), jnp.float32)
    try:
        jax.eval_shape(step, jax.ShapeDtypeStruct((2,), jnp.float32), dict.fromkeys(solver.hyperparameters, number))
    except Exception:  # A plug-in may raise anything; its runs will say so.
        return True
    return oracle.evaluations.key
