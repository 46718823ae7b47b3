"""Specification to blocks: names are resolved, data read, starts drawn, and every run has its place on the axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from gdbench.engine.program import Conditions
from gdbench.errors import SpecError, UsageError
from gdbench.planning.assignment import assign, require_effect
from gdbench.planning.axis_values import Setting, values_of
from gdbench.planning.limits import require_few, require_memory
from gdbench.planning.run_grid import NOISE, NOISE_DECAY, RunGrid
from gdbench.planning.schedule_settings import with_schedules
from gdbench.planning.solver_settings import draws_at_random, searches_of
from gdbench.planning.starts import starts_on
from gdbench.planning.variants import surface_variants
from gdbench.solvers import SOLVERS, Solver
from gdbench.spec.axes import Axis
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces import SURFACES, Surface
from gdbench.surfaces.data.holdout import with_held_out

# the keys of a specification whose values are the conditions of a run
CONDITIONS = ("steps", "rtol", "atol", "gtol", "dtype", "batch_size", "patience")
WHOLE = ("steps", "batch_size", "patience")


@dataclass(frozen=True)
class Plan:
    """All runs of a specification, in the order of their numbers."""

    spec: SweepSpec
    surfaces: list[Surface]
    solvers: list[Solver]
    blocks: list[RunGrid]

    @property
    def runs(self) -> int:
        """How many runs are planned."""
        return sum(len(block) for block in self.blocks)


def make_plan(
    spec: SweepSpec,
    surfaces: Sequence[Surface] | None = None,
    solvers: Sequence[Solver] | None = None,
) -> Plan:
    """Lay out the runs of a specification: no array here is longer than an axis.

    `surfaces` and `solvers` are objects that stand for their names; other names are looked up.
    Raises `SpecError`, which knows the key path, or another `UsageError`.
    """
    surfaces = _named(SURFACES, "surface", spec, surfaces or ())
    solvers = _named(SOLVERS, "solver", spec, solvers or ())
    for made in _of_data(spec):
        if any(made.name == surface.name for surface in surfaces):
            raise SpecError(
                f"surface '{made.name}' is made of the data, and named already; rename the table's file or the other",
                ("surface", made.name),
            )
        surfaces.append(made)
    given_surfaces = assign(surfaces, spec.param, spec.surface, "param")
    if spec.data is not None:
        from gdbench.planning.data import give_to_data

        give_to_data(spec, surfaces, given_surfaces)
    given_solvers = [
        with_schedules(solver, own, spec.learning_rate)
        for solver, own in zip(solvers, assign(solvers, spec.set, spec.solver, "set"), strict=True)
    ]
    of_surfaces, of_solvers = (
        [{name: item.axis for name, item in given.items()} for given in several]
        for several in (given_surfaces, given_solvers)
    )
    require_few(spec, surfaces, solvers, of_surfaces, of_solvers, CONDITIONS)
    searches = searches_of(spec, solvers, given_solvers)
    require_effect(spec, surfaces, solvers, given_solvers)
    seeds = np.array(spec.seed_list)
    # every solver or none: statistics count a seed that only some solvers ran as a failure of the others
    random = len(seeds) > 1 and any(
        draws_at_random(search.solver, options) for search in searches for options in search.options
    )
    blocks: list[RunGrid] = []
    first = 0
    resolved = []
    for surface, given in zip(surfaces, given_surfaces, strict=True):
        own = spec.surface.get(surface.name, {})
        conditions = list(_conditions(spec, spec.ladder, own))
        for number, (variant, parameters) in enumerate(surface_variants(surface, given, spec.seed)):
            # after the options, which may decide the examples
            variant = _held_out(variant, spec)
            if not number:
                resolved.append(variant)
            starts, tuning_starts = starts_on(variant, spec)
            parameters, noise = _with_noise(parameters, spec)
            noisy = bool(noise[NOISE]) or NOISE in parameters
            for condition, swept in conditions:
                _require_examples(variant, condition, "batch_size" in own)
                for search in searches:
                    for options in search.options:
                        block = RunGrid(
                            surface=variant,
                            solver=search.solver,
                            options=options,
                            conditions=condition,
                            parameters=parameters,
                            axes=search.axes,
                            fixed=search.fixed,
                            starts=starts,
                            # without anything random all seeds would be the same run, counted many times
                            seeds=seeds if random or noisy or condition.batch_size else seeds[:1],
                            first_run=first,
                            tuning_starts=tuning_starts,
                            noise=noise[NOISE],
                            noise_decay=noise[NOISE_DECAY],
                            swept_conditions=swept,
                            schedules=search.schedules,
                        )
                        first += len(block)
                        blocks.append(block)
    require_memory(blocks)
    return Plan(spec, resolved, list(solvers), blocks)


def _named(registry: Any, kind: str, spec: SweepSpec, objects: Sequence[Any]) -> list[Any]:
    """The surfaces or solvers that `spec` names: of the `objects`, or of the `registry`."""
    by_name = {item.name: item for item in objects}
    found = []
    for index, name in enumerate(getattr(spec, kind)):
        try:
            found.append(by_name[name] if name in by_name else registry[name])
        except UsageError as error:
            at = name if any(getattr(spec, kind).values()) else index
            raise SpecError(str(error), (kind, at)) from None
    return found


def _conditions(
    spec: SweepSpec, targets: tuple[float, ...], own: Mapping[str, Any]
) -> Iterator[tuple[Conditions, dict[str, Any]]]:
    """Every combination of conditions, of which a surface may have its `own`, and those of them that are swept."""
    axes: dict[str, Axis] = {name: own.get(name) or getattr(spec, name) or Axis("values", (0,)) for name in CONDITIONS}
    lists: dict[str, list[Any]] = {}
    for name, axis in axes.items():
        numbers = axis.values if name == "dtype" else values_of(Setting(axis, (name,)), spec.seed)
        lists[name] = [value.item() if isinstance(value, np.generic) else value for value in numbers]
    for combination in product(*lists.values()):
        chosen = dict(zip(lists, combination, strict=True))
        swept = {name: chosen[name] for name in lists if len(lists[name]) > 1}
        chosen |= {name: int(chosen[name]) for name in WHOLE}
        # what makes gradients or their end random is told, also where it has one value
        swept |= {name: chosen[name] for name in WHOLE if name in swept or (name != "steps" and chosen[name])}
        if not spec.shuffle and chosen["batch_size"]:
            swept["shuffle"] = False
        if spec.holdout is not None:
            swept["holdout"] = spec.holdout
        yield Conditions(targets=targets, shuffle=spec.shuffle, **chosen), swept


def _with_noise(
    parameters: Mapping[str, np.ndarray], spec: SweepSpec
) -> tuple[dict[str, np.ndarray], dict[str, float | None]]:
    """The swept parameters, with noise and its decay among them where they have several values, and those of one."""
    crossed, single = dict(parameters), dict.fromkeys((NOISE, NOISE_DECAY))
    for name in single:
        axis = getattr(spec, name)
        if axis is None:
            continue
        values = values_of(Setting(axis, (name,)), spec.seed)
        if len(values) == 1:
            single[name] = float(values[0])
            continue
        problems = len(next(iter(crossed.values()))) if crossed else 1
        crossed = {known: np.repeat(column, len(values)) for known, column in crossed.items()}
        crossed[name] = np.tile(values, problems)
    return crossed, single


def _require_examples(surface: Surface, conditions: Conditions, own: bool) -> None:
    path = ("surface", surface.name, "batch_size") if own else ("batch_size",)
    if conditions.batch_size and not surface.data:
        raise SpecError(f"surface '{surface.name}' has no examples to draw mini-batches from", path)


def _held_out(surface: Surface, spec: SweepSpec) -> Surface:
    """`surface` with the share of its examples held out that `spec` wants; one made of the data has it already."""
    if spec.holdout is None or surface.held_out:
        return surface
    if not surface.data:
        raise SpecError(f"surface '{surface.name}' has no examples to hold out", ("holdout",))
    try:
        return with_held_out(surface, spec.holdout, spec.seed)
    except UsageError as error:
        raise SpecError(f"surface '{surface.name}': {error}", ("holdout",)) from None


def _of_data(spec: SweepSpec) -> list[Surface]:
    """The surfaces that are made of the table that `spec` names; none without one."""
    if spec.data is None:
        return []
    from gdbench.planning.data import data_surfaces

    return data_surfaces(spec)
