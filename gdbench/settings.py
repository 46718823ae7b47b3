"""Which settings of a specification go to which surface or solver, and the values of their axes."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from gdbench.axes import Axis
from gdbench.errors import SpecError, unknown
from gdbench.keywords import as_number, as_option
from gdbench.schedule_kinds import Schedules, is_number, is_scheduled
from gdbench.solvers.base import CONVENTION, PAPER, Solver
from gdbench.surfaces.base import Surface
from gdbench.sweep_spec import SweepSpec
from gdbench.things import UNDER_SURFACE

STARTS = {"start", "starts"}


@dataclass(frozen=True)
class Given:
    """The axis or schedules that a specification gives a setting, and the key path at which it stands."""

    axis: Any
    path: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The key path in words."""
        return ".".join(map(str, self.path))


def assign(
    things: Sequence[Surface | Solver], common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]], option: str
) -> list[dict[str, Given]]:
    """What each of `things` is given: of `common` settings (`NAME` or `THING.NAME`), and of its `own`, which win.

    `option` is "set" for solvers, "param" for surfaces. Raises `SpecError` for a name that fits none.
    """
    kind = "solver" if option == "set" else "surface"
    what = "hyperparameter" if option == "set" else "parameter"
    assigned: list[dict[str, Given]] = [{} for _ in things]
    names = [thing.name for thing in things]
    for key, axis in sorted(common.items(), key=lambda item: "." in item[0]):
        owner, _, name = key.rpartition(".")
        path = (option, key)
        chosen = [i for i, thing in enumerate(things) if owner in ("", thing.name)]
        takers = [i for i in chosen if name in settable(things[i])]
        if not owner and kind == "solver":
            # what is said to all is for those whose convention has it, though another convention of theirs may
            meant = [i for i in takers if name in _settings_in_force(things[i], common, own)]
            takers = meant or takers
        if option == "set" and name == "learning_rate" and is_scheduled(axis):
            takers = [i for i in chosen if _has_rate(things[i])]
        settings = {known for thing in things if isinstance(thing, Solver) for known in thing.known_settings}
        if not takers and is_number(name) and owner in settings:
            raise SpecError(f"'{key}': a number of a schedule stands within it: {owner}=KIND:{name}=..", path)
        if owner and owner not in names:
            raise SpecError(str(unknown(kind, owner, names, f"in '{option}', at '{key}'")), path)
        if not takers:
            if option == "set" and name == "learning_rate":
                raise SpecError(
                    "the learning rate has a key of its own: --learning-rate (learning_rate in a file), because fixing "
                    "it is what switches tuning off",
                    path,
                )
            known = sorted({known for i in chosen for known in settable(things[i])})
            owners = " and ".join(names[i] for i in chosen)
            if not known:
                raise SpecError(f"unknown {what} '{name}': {owners} {_has(chosen)} none to set", path)
            raise SpecError(str(unknown(what, name, known, f"of {owners}")), path)
        for i in takers:
            assigned[i][name] = Given(axis, path)
    for i, thing in enumerate(things):
        known = [*settable(thing), *(["learning_rate"] if _has_rate(thing) else [])]
        for name, value in own.get(thing.name, {}).items():
            if name in UNDER_SURFACE and kind == "surface":
                continue
            where: tuple[Any, ...] = (kind, thing.name, name)
            if name not in known:
                more = [*known, *UNDER_SURFACE] if kind == "surface" else known
                raise SpecError(str(unknown(what, name, more, f"of {kind} '{thing.name}'")), where)
            assigned[i][name] = Given(value, where)
    used = {item.path for given in assigned for item in given.values()}
    for key in common:
        if (option, key) not in used:
            name = key.rpartition(".")[2]
            own_of = [thing.name for thing, given in zip(things, assigned, strict=True) if name in given]
            whose = f"{kind} '{own_of[0]}' has its" if len(own_of) == 1 else f"{' and '.join(own_of)} have their"
            raise SpecError(f"'{option}.{key}' has no effect: {whose} own '{name}'", (option, key))
    return assigned


def _settings_in_force(
    thing: Surface | Solver, common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """The settings of a solver in the conventions that it is given."""
    assert isinstance(thing, Solver)
    axis = own.get(thing.name, {}).get(CONVENTION, common.get(f"{thing.name}.{CONVENTION}", common.get(CONVENTION)))
    named = axis.values if isinstance(axis, Axis) else (PAPER,)
    variants = [thing.variants.get(str(value), thing) for value in named]
    return {name for one in variants for name in (*_own(one), *one.optional)}


def require_effect(
    spec: SweepSpec, surfaces: Sequence[Surface], solvers: Sequence[Solver], given: Sequence[Mapping[str, Given]]
) -> None:
    """Raise `SpecError` for a rate or start of all that every solver or surface replaces by its own."""
    rated = [own for solver, own in zip(solvers, given, strict=True) if _has_rate(solver)]
    if spec.learning_rate is not None and rated and not any(_takes_rate_of_all(spec, own) for own in rated):
        raise SpecError("'learning_rate' has no effect: every solver sets its own", ("learning_rate",))
    for key, own in (("start", STARTS), ("starts", STARTS), ("batch_size", {"batch_size"})):
        if getattr(spec, key) is not None and all(
            own & set(spec.surface.get(surface.name, {})) for surface in surfaces
        ):
            raise SpecError(f"'{key}' has no effect: every surface sets its own", (key,))


def _takes_rate_of_all(spec: SweepSpec, own: Mapping[str, Given]) -> bool:
    item = own.get("learning_rate")
    if item is None or item.axis is spec.learning_rate:
        return True
    # a schedule without a base takes the rate of all for it
    return isinstance(item.axis, Schedules) and item.axis.lack_base and not isinstance(spec.learning_rate, Schedules)


def _has(chosen: Sequence[int]) -> str:
    return "has" if len(chosen) == 1 else "have"


def _has_rate(thing: Surface | Solver) -> bool:
    return isinstance(thing, Solver) and "learning_rate" in thing.hyperparameters


def settable(thing: Surface | Solver) -> list[str]:
    """The settings of a surface or solver, but for the learning rate, which has a key of its own."""
    if isinstance(thing, Surface):
        return [*thing.parameters, *thing.options, *(["dimension"] if thing.any_dimension else [])]
    return [name for name in thing.known_settings if name != "learning_rate"]


def values_of(given: Given, seed: int) -> np.ndarray:
    """The values `[length]` of an axis of numbers; random ones follow from the seed and the key path alone.

    Raises `SpecError` where one is no number, or two are equal: two runs of one name would count twice.
    """
    values = _values_of(given, seed)
    if len(np.unique(values)) < len(values):
        raise SpecError(f"'{given.name}': two of its {len(values)} values are the same number", given.path)
    return values


def _values_of(given: Given, seed: int) -> np.ndarray:
    axis = given.axis
    if axis.spacing == "values":
        for value in axis.values:
            if isinstance(value, bool):
                raise SpecError(f"'{given.name}' must be a number, not {value!r}", given.path)
        return np.array([_at(given.path, as_number, value=value, what=f"'{given.name}'") for value in axis.values])
    if axis.spacing == "log":
        return np.geomspace(axis.low, axis.high, axis.num)
    if axis.spacing == "linear":
        return np.linspace(axis.low, axis.high, axis.num)
    generator = np.random.default_rng([seed, zlib.crc32("/".join(map(str, given.path)).encode())])
    if axis.spacing == "normal":
        return generator.normal(axis.low, axis.high, axis.num)
    uniform = generator.random(axis.num)
    if axis.spacing == "log_uniform":
        low, high = np.log(axis.low), np.log(axis.high)
        return np.clip(np.exp(low + (high - low) * uniform), axis.low, axis.high)
    return axis.low + (axis.high - axis.low) * uniform


def surface_variants(
    surface: Surface, given: Mapping[str, Given], seed: int
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


def _at(path: tuple[Any, ...], call: Any, **values: Any) -> Any:
    try:
        return call(**values)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(str(error), path) from None


def _static_values(given: Given) -> tuple[Any, ...]:
    """The values of a setting that is compiled in: only a list makes sense."""
    if given.axis.spacing != "values":
        raise SpecError(f"'{given.name}' is compiled in: give its values as a list, not as a range", given.path)
    return given.axis.values


def variants_of(solver: Solver, given: Mapping[str, Given], space: Collection[str] = ()) -> list[Solver]:
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
            if name not in (*_own(variant), "learning_rate"):
                convention = variant.options[CONVENTION]
                having = [one.options[CONVENTION] for one in (solver, *solver.variants.values()) if name in _own(one)]
                raise SpecError(
                    f"'{solver.name}' has no '{name}' in the convention '{convention}', only in "
                    f"{' and '.join(repr(other) for other in having)}: set convention as well",
                    item.path,
                )
    return chosen


def _own(solver: Solver) -> list[str]:
    return [*solver.hyperparameters, *solver.options]


def _ranged(solver: Solver, space: Collection[str]) -> list[str]:
    """The names that tuning has a range for, as `NAME` or `SOLVER.NAME`."""
    return [name for owner, _, name in (key.rpartition(".") for key in space) if owner in ("", solver.name)]


def solver_options(solver: Solver, given: Mapping[str, Given]) -> Iterator[dict[str, Any]]:
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


def _require_different(given: Given, values: Sequence[Any]) -> None:
    if len(set(values)) < len(values):
        raise SpecError(f"'{given.name}': two of its {len(values)} values mean the same", given.path)


def hyperparameters(
    solver: Solver, given: Mapping[str, Given], seed: int, space: Collection[str] = ()
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
