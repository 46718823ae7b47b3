"""What is tried of every solver: its settings fixed, swept or tuned, in each convention and under each schedule."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdbench.errors import SpecError
from gdbench.planning.axis_values import Setting, values_of
from gdbench.planning.schedule_settings import choices_of, named, number_names, number_values, require_possible
from gdbench.planning.search_space import check_space, space_of, trial_points
from gdbench.planning.variants import hyperparameters, solver_options, variants_of
from gdbench.solvers import Solver
from gdbench.solvers.oracle import Oracle
from gdbench.spec.axes import Axis
from gdbench.spec.schedules import Schedules
from gdbench.spec.sweep import SweepSpec, Tune


@dataclass(frozen=True)
class SolverSettings:
    """The settings of a solver, in one convention: fixed ones, the axes of swept ones, the combinations of options;
    and the kinds of its schedules, by hyperparameter.
    """

    solver: Solver
    fixed: dict[str, float]
    axes: tuple[dict[str, np.ndarray], ...]
    options: list[dict[str, Any]]
    schedules: dict[str, str]


def searches_of(
    spec: SweepSpec, solvers: Sequence[Solver], given: Sequence[Mapping[str, Setting]]
) -> list[SolverSettings]:
    """What is tried of every solver, in each of the conventions that it is given, under each of its schedules."""
    space = spec.tune.space if spec.tune is not None else {}
    several = [variants_of(solver, own, space) for solver, own in zip(solvers, given, strict=True)]
    if spec.tune is not None:
        of_all = [variant for variants in several for variant in variants]
        for item in (item for own in given for item in own.values() if isinstance(item.axis, Schedules)):
            if len(item.axis.choices) > 1:
                raise SpecError(f"'{item.name}' has several schedules, but tune takes one", item.path)
        numbers = {solver.name: number_names(own) for solver, own in zip(solvers, given, strict=True)}
        check_space(of_all, space, _rates_and_own(spec, solvers, given), numbers)
    found = []
    for variants, own in zip(several, given, strict=True):
        for variant in variants:
            searched = [name for name in number_names(own) if f"{variant.name}.{name}" in space or name in space]
            for chosen, schedules in choices_of(variant, own, searched):
                found.append(_search(spec, variant, chosen, schedules, searched))
    return found


def _search(
    spec: SweepSpec, solver: Solver, given: Mapping[str, Setting], schedules: dict[str, str], numbers: Collection[str]
) -> SolverSettings:
    own = dict(given)
    if "learning_rate" not in own and isinstance(spec.learning_rate, Axis):
        own["learning_rate"] = Setting(spec.learning_rate, ("learning_rate",))
    fixed, swept = hyperparameters(solver, own, spec.seed, spec.tune.space if spec.tune is not None else {})
    for name, values in number_values(own, spec.seed).items():
        if len(values) > 1:
            swept[name] = values
        else:
            fixed[name] = float(values[0])
    rates: dict[str, np.ndarray] = {}
    if "learning_rate" in solver.hyperparameters:
        rates["learning_rate"] = (
            values_of(own["learning_rate"], spec.seed) if "learning_rate" in own else _rates_of(spec)
        )
        if not (rates["learning_rate"] > 0).all():
            lowest = rates["learning_rate"].min()
            rise = "; the schedule that rises from 0 is warmup" if "learning_rate" in schedules else ""
            raise SpecError(f"a learning rate must be above 0, not {lowest:g}{rise}", own["learning_rate"].path)
    axes: tuple[dict[str, np.ndarray], ...]
    if spec.tune is not None:
        fixed, axes = _tuned(spec, spec.tune, solver, own, fixed, rates, numbers)
    else:
        axes = tuple({name: values} for name, values in {**rates, **swept}.items())
    require_possible(solver, schedules, fixed, axes, {name: item.path for name, item in own.items()})
    return SolverSettings(solver, fixed, axes, list(solver_options(solver, own)), schedules)


def _rates_and_own(
    spec: SweepSpec, solvers: Sequence[Solver], given: Sequence[Mapping[str, Setting]]
) -> dict[str, set[str]]:
    """By solver, the names of what it is given a value for."""
    rate = {"learning_rate"} if isinstance(spec.learning_rate, Axis) else set()
    return {solver.name: {*named(own), *rate} for solver, own in zip(solvers, given, strict=True)}


def _tuned(
    spec: SweepSpec,
    tune: Tune,
    solver: Solver,
    own: Mapping[str, Setting],
    fixed: dict[str, float],
    rates: Mapping[str, np.ndarray],
    numbers: Collection[str],
) -> tuple[dict[str, float], tuple[dict[str, np.ndarray], ...]]:
    """The trial points of a tuned solver as one axis; what is given a single value stays fixed."""
    for name, item in own.items():
        if len(item.axis) > 1 and name in solver.options:
            raise SpecError(f"'{name}' has several values, but tune takes one of an option", item.path)
        if len(item.axis) > 1:
            raise SpecError(
                f"'{name}' has several values, but tune draws its own: give its range as tune.space.{name}", item.path
            )
    # a rate is an array of its own even where it is fixed, so that every run of a solver is one program
    constant = {"learning_rate": rates["learning_rate"]} if "learning_rate" in own else {}
    space = space_of(solver, own, spec.rates, tune.space, numbers)
    points = trial_points(solver, space, tune.trials, spec.seed)
    if not points:
        return fixed, tuple({name: values} for name, values in rates.items())
    constant = {name: np.repeat(values, tune.trials) for name, values in constant.items()}
    return {name: value for name, value in fixed.items() if name not in points}, ({**constant, **points},)


def _rates_of(spec: SweepSpec) -> np.ndarray:
    """The grid of learning rates that every solver is given unless one is fixed."""
    return np.geomspace(spec.rates.low, spec.rates.high, spec.rates.num)


def draws_at_random(solver: Solver, options: Mapping[str, Any]) -> bool:
    """Whether a step of `solver` asks for a random key, found by tracing one on x'x; true where it cannot be traced."""
    oracle = Oracle(lambda x: jnp.sum(x * x))

    def step(x: Any, settings: Mapping[str, Any]) -> Any:
        return solver.step(oracle, x, solver.initial_state(x, **settings, **options), **settings, **options)

    number = jax.ShapeDtypeStruct((), jnp.float32)
    try:
        jax.eval_shape(step, jax.ShapeDtypeStruct((2,), jnp.float32), dict.fromkeys(solver.hyperparameters, number))
    except Exception:  # a plug-in may raise anything; its runs will say so
        return True
    return oracle.evaluations.key
