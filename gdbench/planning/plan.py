"""Lay out the runs of a specification: resolve names, read data, draw starts, and place every run on the axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from gdbench.errors import SpecError, UsageError
from gdbench.planning.assignment import assign_hyperparameters, assign_parameters, require_effect
from gdbench.planning.axis_values import Setting
from gdbench.planning.conditions import conditions_on, with_noise
from gdbench.planning.limits import require_few, require_memory
from gdbench.planning.run_grid import NOISE, NOISE_DECAY, RunGrid
from gdbench.planning.solver_settings import SolverSettings, draws_at_random, settings_of_solvers
from gdbench.planning.starts import starts_on
from gdbench.planning.variants import surface_variants
from gdbench.solvers import SOLVERS, Solver
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces import SURFACES, Surface
from gdbench.surfaces.data.holdout import with_held_out


@dataclass(frozen=True)
class Plan:
    """All runs of a specification, in the order of their numbers."""

    spec: SweepSpec
    surfaces: list[Surface]
    solvers: list[Solver]
    blocks: list[RunGrid]

    @property
    def runs(self) -> int:
        """The number of planned runs."""
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
    surfaces = _with_data(spec, _named(SURFACES, "surface", spec, surfaces or ()))
    solvers = _named(SOLVERS, "solver", spec, solvers or ())
    parameters = assign_parameters(spec, surfaces)
    hyperparameters = assign_hyperparameters(spec, solvers)
    require_few(spec, surfaces, solvers, parameters, hyperparameters)
    tried = settings_of_solvers(spec, solvers, hyperparameters)
    require_effect(spec, surfaces, hyperparameters)
    grids = [
        list(_grids_on(surface, settings, tried, spec)) for surface, settings in zip(surfaces, parameters, strict=True)
    ]
    blocks = _in_sequence([grid for several in grids for grid in several], tried)
    require_memory(blocks)
    return Plan(spec, [several[0].surface for several in grids], solvers, blocks)


def _named(registry: Any, kind: str, spec: SweepSpec, objects: Sequence[Any]) -> list[Any]:
    """Return the surfaces or solvers that `spec` names, from among the `objects` or else from the `registry`."""
    by_name = {item.name: item for item in objects}
    named = []
    for index, name in enumerate(getattr(spec, kind)):
        try:
            named.append(by_name[name] if name in by_name else registry[name])
        except UsageError as error:
            key = name if any(getattr(spec, kind).values()) else index
            raise SpecError(str(error), (kind, key)) from None
    return named


def _with_data(spec: SweepSpec, surfaces: list[Surface]) -> list[Surface]:
    """Return `surfaces`, followed by those that are made of the table that `spec` names."""
    if spec.data is None:
        return surfaces
    from gdbench.planning.data import data_surfaces

    made = data_surfaces(spec)
    names = {surface.name for surface in surfaces}
    for name in (surface.name for surface in made):
        if name in names:
            raise SpecError(
                f"surface '{name}' is made of the data, and named already; rename the table's file or the other",
                ("surface", name),
            )
    return [*surfaces, *made]


def _grids_on(
    surface: Surface,
    settings: Mapping[str, Setting],
    tried: Sequence[SolverSettings],
    spec: SweepSpec,
) -> Iterator[RunGrid]:
    """Yield the grids of a surface: each of its variants, under all conditions, with all that is tried of the solvers.

    Each has all seeds, and starts with run 0; see `_in_sequence`.
    """
    programs = [(solver, options) for solver in tried for options in solver.options]
    seeds = np.array(spec.seed_list)
    for variant, parameters in surface_variants(surface, settings, spec.seed):
        # The options come first, because they may decide the examples.
        variant = _held_out(variant, spec)
        starts, tuning_starts = starts_on(variant, spec)
        parameters, noise = with_noise(parameters, spec)
        for (conditions, naming), (solver, options) in product(conditions_on(variant, spec), programs):
            yield RunGrid(
                surface=variant,
                solver=solver.solver,
                options=options,
                conditions=conditions,
                parameters=parameters,
                axes=solver.axes,
                fixed=solver.fixed,
                starts=starts,
                seeds=seeds,
                first_run=0,
                tuning_starts=tuning_starts,
                noise=noise[NOISE],
                noise_decay=noise[NOISE_DECAY],
                swept_conditions=naming,
                schedules=solver.schedules,
            )


def _in_sequence(grids: Sequence[RunGrid], tried: Sequence[SolverSettings]) -> list[RunGrid]:
    """Number the runs of all `grids` through, and leave one seed where nothing is random.

    There all seeds would be the same run, counted many times. But if one solver draws, all keep their seeds: statistics
    count a seed that only some solvers ran as a failure of the others.
    """
    several = any(len(grid.seeds) > 1 for grid in grids)
    drawing = several and any(draws_at_random(one.solver, options) for one in tried for options in one.options)
    numbered: list[RunGrid] = []
    first = 0
    for grid in grids:
        random = drawing or bool(grid.noise) or NOISE in grid.parameters or grid.conditions.batch_size > 0
        numbered.append(replace(grid, seeds=grid.seeds if random else grid.seeds[:1], first_run=first))
        first += len(numbered[-1])
    return numbered


def _held_out(surface: Surface, spec: SweepSpec) -> Surface:
    """Hold out the share of a surface's examples that `spec` wants; a surface made of the data has done so already."""
    if spec.holdout is None or surface.held_out:
        return surface
    if not surface.data:
        raise SpecError(f"surface '{surface.name}' has no examples to hold out", ("holdout",))
    try:
        return with_held_out(surface, spec.holdout, spec.seed)
    except UsageError as error:
        raise SpecError(f"surface '{surface.name}': {error}", ("holdout",)) from None
