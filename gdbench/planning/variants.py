"""A surface at its options, a solver in its conventions, and the settings of both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from gdbench.errors import SpecError
from gdbench.planning.axis_values import Setting, _at, values_of
from gdbench.registry import as_number, as_option
from gdbench.solvers.base import CONVENTION, Solver
from gdbench.surfaces.base import Surface


def surface_variants(
    surface: Surface, given: Mapping[str, Setting], seed: int
) -> Iterator[tuple[Surface, dict[str, np.ndarray]]]:
    """`surface` at every combination of its options and dimension, each with its swept parameters `[problems]`.

    A parameter of one value is set in the surface itself.
    """
    swept: dict[str, np.ndarray] = {}
    static: dict[str, tuple[Any, ...]] = {}
    for name, item in given.items():
        if name in surface.parameters:
            values = values_of(item, seed)
            for value in (values[0], values.min(), values.max()):
                _at(item.path, surface.with_parameters, **{name: float(value)})
            if len(values) == 1:
                surface = surface.with_parameters(**{name: float(values[0])})
            else:
                swept[name] = values
        else:
            static[name] = _static_values(item)
    grids = np.meshgrid(*swept.values(), indexing="ij")
    parameters = {name: grid.reshape(-1) for name, grid in zip(swept, grids, strict=True)}
    for name, items in static.items():
        made_of = [_at(given[name].path, surface.with_parameters, **{name: value}) for value in items]
        _require_different(given[name], [of.dimension if name == "dimension" else of.options[name] for of in made_of])
    for combination in product(*static.values()):
        yield surface.with_parameters(**dict(zip(static, combination, strict=True))), parameters


def _static_values(given: Setting) -> tuple[Any, ...]:
    """The values of a setting that is compiled in: only a list makes sense."""
    if given.axis.spacing != "values":
        raise SpecError(f"'{given.name}' is compiled in: give its values as a list, not as a range", given.path)
    return given.axis.values


def variants_of(solver: Solver, given: Mapping[str, Setting], space: Collection[str] = ()) -> list[Solver]:
    """The solver under every convention that it is given; one that lacks a setting is refused.

    What may be absent is there where it is `given` a value, or a range in the `space` of tuning.
    """
    solver = solver.resolved([*given, *_ranged(solver, space)])
    if CONVENTION not in given or CONVENTION not in solver.options:
        chosen = [solver]
    else:
        item = given[CONVENTION]
        chosen = [_at(item.path, solver.variant, convention=str(value)) for value in _static_values(item)]
    for variant in chosen if solver.variants else []:
        for name, item in given.items():
            if name not in (*own_settings(variant), "learning_rate"):
                convention = variant.options[CONVENTION]
                having = [
                    one.options[CONVENTION] for one in (solver, *solver.variants.values()) if name in own_settings(one)
                ]
                raise SpecError(
                    f"'{solver.name}' has no '{name}' in the convention '{convention}', only in "
                    f"{' and '.join(repr(other) for other in having)}: set convention as well",
                    item.path,
                )
    return chosen


def own_settings(solver: Solver) -> list[str]:
    """What can be set of a solver in the convention that it is in."""
    return [*solver.hyperparameters, *solver.options]


def _ranged(solver: Solver, space: Collection[str]) -> list[str]:
    """The names that tuning has a range for, as `NAME` or `SOLVER.NAME`."""
    return [name for owner, _, name in (key.rpartition(".") for key in space) if owner in ("", solver.name)]


def solver_options(solver: Solver, given: Mapping[str, Setting]) -> Iterator[dict[str, Any]]:
    """Every combination of a solver's options."""
    chosen: dict[str, list[Any]] = {}
    for name, default in solver.options.items():
        if name not in given or name == CONVENTION:
            chosen[name] = [default]
            continue
        what = f"hyperparameter '{name}' of solver '{solver.name}'"
        chosen[name] = [
            _at(given[name].path, as_option, value=value, default=default, what=what)
            for value in _static_values(given[name])
        ]
        _require_different(given[name], chosen[name])
    for combination in product(*chosen.values()):
        yield dict(zip(chosen, combination, strict=True))


def _require_different(given: Setting, values: Sequence[Any]) -> None:
    if len(set(values)) < len(values):
        raise SpecError(f"'{given.name}': two of its {len(values)} values mean the same", given.path)


def hyperparameters(
    solver: Solver, given: Mapping[str, Setting], seed: int, space: Collection[str] = ()
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The hyperparameters that all runs share, and those that are swept; not the learning rate.

    What has neither a value nor a default needs a range in the `space` of tuning.
    """
    ranged = _ranged(solver, space)
    fixed: dict[str, float] = {}
    swept: dict[str, np.ndarray] = {}
    for name, default in solver.hyperparameters.items():
        if name == "learning_rate":
            continue
        if name in given:
            what = f"hyperparameter '{name}' of solver '{solver.name}'"
            if given[name].axis.spacing == "values":
                for value in given[name].axis.values:
                    _at(given[name].path, as_number, value=value, what=what)
            values = values_of(given[name], seed)
            _at(given[name].path, solver.require_possible, name=name, values=values)
            if len(values) > 1:
                swept[name] = values
            else:
                fixed[name] = float(values[0])
        elif default is not None:
            fixed[name] = float(default)
        elif name not in ranged:
            raise SpecError(
                f"solver '{solver.name}' needs a value for '{name}': give set.{name} (--set {name}=VALUE)",
                ("solver", solver.name),
            )
    return fixed, swept
