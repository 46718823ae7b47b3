"""List a surface at each of its options, and a solver in each of its conventions and options."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from gdbench.errors import SpecError
from gdbench.planning.axis_values import RATE, Setting, at_path, values_of
from gdbench.registry import as_option
from gdbench.solvers.base import CONVENTION, Solver
from gdbench.surfaces.base import Surface


def surface_variants(
    surface: Surface, settings: Mapping[str, Setting], seed: int
) -> Iterator[tuple[Surface, dict[str, np.ndarray]]]:
    """Yield `surface` at every combination of its options and dimension, each with its swept parameters `[problems]`.

    A parameter of one value is set in the surface itself.
    """
    swept: dict[str, np.ndarray] = {}
    static: dict[str, tuple[Any, ...]] = {}
    for name, setting in settings.items():
        if name in surface.parameters:
            values = values_of(setting, seed)
            for value in (values[0], values.min(), values.max()):
                at_path(setting.path, surface.with_parameters, **{name: float(value)})
            if len(values) == 1:
                surface = surface.with_parameters(**{name: float(values[0])})
            else:
                swept[name] = values
        else:
            static[name] = _static_values(setting)
    grids = np.meshgrid(*swept.values(), indexing="ij")
    parameters = {name: grid.reshape(-1) for name, grid in zip(swept, grids, strict=True)}
    for name, choices in static.items():
        variants = [at_path(settings[name].path, surface.with_parameters, **{name: choice}) for choice in choices]
        read = [variant.dimension if name == "dimension" else variant.options[name] for variant in variants]
        _require_different(settings[name], read)
    for combination in product(*static.values()):
        yield surface.with_parameters(**dict(zip(static, combination, strict=True))), parameters


def _static_values(setting: Setting) -> tuple[Any, ...]:
    """Return the values of a setting that is compiled in: only a list makes sense."""
    if setting.axis.spacing != "values":
        raise SpecError(f"'{setting.name}' is compiled in: give its values as a list, not as a range", setting.path)
    return setting.axis.values


def _require_different(setting: Setting, values: Sequence[Any]) -> None:
    if len(set(values)) < len(values):
        raise SpecError(f"'{setting.name}': two of its {len(values)} values mean the same", setting.path)


def solver_variants(solver: Solver, settings: Mapping[str, Setting], space: Collection[str] = ()) -> list[Solver]:
    """Return the solver under every convention that its `settings` name; refuse one that lacks another of them.

    Optional settings are added if they have a value, or a range in the `space` of tuning.
    """
    ranges = [name for owner, _, name in (key.rpartition(".") for key in space) if owner in ("", solver.name)]
    solver = solver.resolved([*settings, *ranges])
    if CONVENTION not in settings or CONVENTION not in solver.options:
        variants = [solver]
    else:
        setting = settings[CONVENTION]
        variants = [at_path(setting.path, solver.variant, convention=str(value)) for value in _static_values(setting)]
    for variant in variants if solver.variants else []:
        for name, setting in settings.items():
            # A convention without a learning rate ignores the one that all solvers are given.
            if name not in (*setting_names(variant), RATE):
                convention = variant.options[CONVENTION]
                every = (solver, *solver.variants.values())
                able = [other.options[CONVENTION] for other in every if name in setting_names(other)]
                raise SpecError(
                    f"'{solver.name}' has no '{name}' in the convention '{convention}', only in "
                    f"{' and '.join(repr(other) for other in able)}: set convention as well",
                    setting.path,
                )
    return variants


def setting_names(solver: Solver) -> list[str]:
    """Return the names of what can be set of a solver in the convention that it is in."""
    return [*solver.hyperparameters, *solver.options]


def solver_options(solver: Solver, settings: Mapping[str, Setting]) -> Iterator[dict[str, Any]]:
    """Yield every combination of a solver's options."""
    lists: dict[str, list[Any]] = {}
    for name, default in solver.options.items():
        if name not in settings or name == CONVENTION:
            lists[name] = [default]
            continue
        setting = settings[name]
        what = f"hyperparameter '{name}' of solver '{solver.name}'"
        lists[name] = [
            at_path(setting.path, as_option, value=value, default=default, what=what)
            for value in _static_values(setting)
        ]
        _require_different(setting, lists[name])
    for combination in product(*lists.values()):
        yield dict(zip(lists, combination, strict=True))
