"""Which settings of a specification go to which surface or solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gdbench.errors import SpecError, unknown
from gdbench.planning.axis_values import Setting
from gdbench.planning.variants import own_settings
from gdbench.solvers.base import CONVENTION, PAPER, Solver
from gdbench.spec.axes import Axis
from gdbench.spec.entries import UNDER_SURFACE
from gdbench.spec.schedules import Schedules, is_number, is_scheduled
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface

STARTS = {"start", "starts"}


def assign(
    things: Sequence[Surface | Solver], common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]], option: str
) -> list[dict[str, Setting]]:
    """What each of `things` is given: of `common` settings (`NAME` or `THING.NAME`), and of its `own`, which win.

    `option` is "set" for solvers, "param" for surfaces. Raises `SpecError` for a name that fits none.
    """
    kind = "solver" if option == "set" else "surface"
    what = "hyperparameter" if option == "set" else "parameter"
    assigned: list[dict[str, Setting]] = [{} for _ in things]
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
            assigned[i][name] = Setting(axis, path)
    for i, thing in enumerate(things):
        known = [*settable(thing), *(["learning_rate"] if _has_rate(thing) else [])]
        for name, value in own.get(thing.name, {}).items():
            if name in UNDER_SURFACE and kind == "surface":
                continue
            where: tuple[Any, ...] = (kind, thing.name, name)
            if name not in known:
                more = [*known, *UNDER_SURFACE] if kind == "surface" else known
                raise SpecError(str(unknown(what, name, more, f"of {kind} '{thing.name}'")), where)
            assigned[i][name] = Setting(value, where)
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
    return {name for one in variants for name in (*own_settings(one), *one.optional)}


def require_effect(
    spec: SweepSpec, surfaces: Sequence[Surface], solvers: Sequence[Solver], given: Sequence[Mapping[str, Setting]]
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


def _takes_rate_of_all(spec: SweepSpec, own: Mapping[str, Setting]) -> bool:
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
