"""Decide which settings of a specification go to which surface or solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gdbench.errors import SpecError, unknown
from gdbench.planning.axis_values import RATE, Setting
from gdbench.planning.schedule_settings import with_schedules
from gdbench.planning.variants import setting_names
from gdbench.solvers.base import CONVENTION, PAPER, Solver
from gdbench.spec.axes import Axis
from gdbench.spec.entries import UNDER_SURFACE
from gdbench.spec.schedules import Schedules, is_number, is_scheduled
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface

STARTS = {"start", "starts"}
Settings = dict[str, Setting]


def assign_parameters(spec: SweepSpec, surfaces: Sequence[Surface]) -> list[Settings]:
    """Return the parameters and options that `spec` gives each of the `surfaces`; see `assign`."""
    assigned = assign(surfaces, spec.param, spec.surface, "param")
    if spec.data is not None:
        from gdbench.planning.data import give_to_data

        give_to_data(spec, surfaces, assigned)
    return assigned


def assign_hyperparameters(spec: SweepSpec, solvers: Sequence[Solver]) -> list[Settings]:
    """Return the hyperparameters and options that `spec` gives each of the `solvers`, the learning rate among them.

    The learning rate of all solvers, or else the grid of `rates`, goes to those without one of their own, and stands
    for the base of a schedule that is written without one. `tune` draws the rates instead of that grid.
    """
    grid = Axis("log", low=spec.rates.low, high=spec.rates.high, num=spec.rates.num)
    usual = Setting(grid, ("rates",)) if spec.tune is None else None
    common = Setting(spec.learning_rate, (RATE,), usual) if spec.learning_rate is not None else usual
    base = usual if isinstance(spec.learning_rate, Schedules) else common
    assigned = []
    for solver, own in zip(solvers, assign(solvers, spec.set, spec.solver, "set"), strict=True):
        settings = with_schedules(solver, own)
        if RATE in settings:
            settings[RATE] = replace(settings[RATE], base=base)
        elif _has_rate(solver) and common is not None:
            settings[RATE] = common
        assigned.append(settings)
    return assigned


def assign(
    targets: Sequence[Surface | Solver], common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]], option: str
) -> list[Settings]:
    """Return the settings of each of `targets`: the `common` ones (`NAME` or `TARGET.NAME`), and its `own`, which win.

    `option` is "set" for solvers, "param" for surfaces. Raises `SpecError` for a name that fits none.
    """
    assigned: list[Settings] = [{} for _ in targets]
    # TARGET.NAME comes after NAME, which it replaces.
    for key, axis in sorted(common.items(), key=lambda item: "." in item[0]):
        for index in _takers(targets, key, axis, common, own, option):
            assigned[index][key.rpartition(".")[2]] = Setting(axis, (option, key))
    for target, settings in zip(targets, assigned, strict=True):
        settings |= _own_settings(target, own.get(target.name, {}))
    used = {setting.path for settings in assigned for setting in settings.values()}
    for key in common:
        if (option, key) not in used:
            name = key.rpartition(".")[2]
            owners = [target.name for target, settings in zip(targets, assigned, strict=True) if name in settings]
            kind = _KINDS[option]
            whose = f"{kind} '{owners[0]}' has its" if len(owners) == 1 else f"{' and '.join(owners)} have their"
            raise SpecError(f"'{option}.{key}' has no effect: {whose} own '{name}'", (option, key))
    return assigned


_KINDS = {"set": "solver", "param": "surface"}
_WORDS = {"set": "hyperparameter", "param": "parameter"}


def _takers(
    targets: Sequence[Surface | Solver],
    key: str,
    axis: Any,
    common: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    option: str,
) -> list[int]:
    """Return the indices of the `targets` that the common setting `key` is for; raise `SpecError` if there is none."""
    owner, _, name = key.rpartition(".")
    meant = [index for index, target in enumerate(targets) if owner in ("", target.name)]
    takers = [index for index in meant if name in settable(targets[index])]
    if not owner and option == "set":
        # A setting for all goes to solvers that have it in their convention, and only if there are none to others.
        takers = [index for index in takers if name in _settings_in_force(targets[index], common, own)] or takers
    if option == "set" and name == RATE and is_scheduled(axis):
        takers = [index for index in meant if _has_rate(targets[index])]
    if not takers:
        raise SpecError(_why_nobody_takes(targets, [targets[index] for index in meant], key, option), (option, key))
    return takers


def _why_nobody_takes(
    targets: Sequence[Surface | Solver], meant: Sequence[Surface | Solver], key: str, option: str
) -> str:
    """Say why none of the `meant` targets takes the common setting `key`."""
    owner, _, name = key.rpartition(".")
    names = [target.name for target in targets]
    hyperparameters = {known for target in targets if isinstance(target, Solver) for known in target.known_settings}
    if is_number(name) and owner in hyperparameters:
        return f"'{key}': a number of a schedule stands within it: {owner}=KIND:{name}=.."
    if owner and owner not in names:
        return str(unknown(_KINDS[option], owner, names, f"in '{option}', at '{key}'"))
    if option == "set" and name == RATE:
        return (
            "the learning rate has a key of its own: --learning-rate (learning_rate in a file), because fixing "
            "it is what switches tuning off"
        )
    choices = sorted({choice for target in meant for choice in settable(target)})
    owners = " and ".join(target.name for target in meant)
    if not choices:
        return f"unknown {_WORDS[option]} '{name}': {owners} {'has' if len(meant) == 1 else 'have'} none to set"
    return str(unknown(_WORDS[option], name, choices, f"of {owners}"))


def _own_settings(target: Surface | Solver, block: Mapping[str, Any]) -> Settings:
    """Return what stands below a surface or solver in a specification; raise `SpecError` for a name that is unknown."""
    option = "set" if isinstance(target, Solver) else "param"
    kind = _KINDS[option]
    conditions = UNDER_SURFACE if option == "param" else ()
    choices = [*settable(target), *([RATE] if _has_rate(target) else [])]
    settings: Settings = {}
    for name, axis in block.items():
        if name in conditions:
            continue
        if name not in choices:
            problem = unknown(_WORDS[option], name, [*choices, *conditions], f"of {kind} '{target.name}'")
            raise SpecError(str(problem), (kind, target.name, name))
        settings[name] = Setting(axis, (kind, target.name, name))
    return settings


def _settings_in_force(
    solver: Surface | Solver, common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Return the names of the settings that a solver has in the conventions that it is given."""
    assert isinstance(solver, Solver)
    name = solver.name
    axis = own.get(name, {}).get(CONVENTION, common.get(f"{name}.{CONVENTION}", common.get(CONVENTION)))
    conventions = axis.values if isinstance(axis, Axis) else (PAPER,)
    variants = [solver.variants.get(str(convention), solver) for convention in conventions]
    return {setting for variant in variants for setting in (*setting_names(variant), *variant.optional)}


def _has_rate(target: Surface | Solver) -> bool:
    return isinstance(target, Solver) and RATE in target.hyperparameters


def settable(target: Surface | Solver) -> list[str]:
    """Return the names that `set` or `param` may give a value; the learning rate has a key of its own."""
    if isinstance(target, Surface):
        return [*target.parameters, *target.options, *(["dimension"] if target.any_dimension else [])]
    return [name for name in target.known_settings if name != RATE]


def require_effect(
    spec: SweepSpec, surfaces: Sequence[Surface], hyperparameters: Sequence[Mapping[str, Setting]]
) -> None:
    """Raise `SpecError` for a rate or start of all that every solver or surface replaces by its own."""
    rates = [settings[RATE] for settings in hyperparameters if RATE in settings]
    if spec.learning_rate is not None and rates and not any(_takes_common(rate) for rate in rates):
        raise SpecError(f"'{RATE}' has no effect: every solver sets its own", (RATE,))
    for key, own in (("start", STARTS), ("starts", STARTS), ("batch_size", {"batch_size"})):
        if getattr(spec, key) is not None and all(
            own & set(spec.surface.get(surface.name, {})) for surface in surfaces
        ):
            raise SpecError(f"'{key}' has no effect: every surface sets its own", (key,))


def _takes_common(rate: Setting) -> bool:
    """Return whether a solver's learning rate is that of all solvers, or a schedule that starts from it."""
    if rate.path == (RATE,):
        return True
    lacks_base = isinstance(rate.axis, Schedules) and rate.axis.lack_base
    return lacks_base and rate.base is not None and rate.base.path == (RATE,)
