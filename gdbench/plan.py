"""Specification to programs: names are resolved, data read, starts drawn, and every run is laid out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdbench.config import RunSpec
from gdbench.errors import UsageError, describe, unknown
from gdbench.facts import Facts, facts_of
from gdbench.keywords import as_number, as_option
from gdbench.program import Program
from gdbench.solvers import SOLVERS, Solver
from gdbench.surfaces import SURFACES, Surface
from gdbench.surfaces.linear import regression

LADDER = tuple(10.0**-k for k in range(1, 9))


@dataclass(frozen=True)
class Block:
    """The runs of one solver on one surface.

    first_run : the number of its first run; start_index : `[runs]`, which of the surface's starts each run has;
    failure : why nothing here can run, for a plug-in that raises before its first step.
    """

    surface: Surface
    solver: Solver
    facts: Facts | None
    program: Program
    first_run: int
    start_index: np.ndarray
    failure: str = ""


@dataclass(frozen=True)
class Plan:
    """All runs of a specification, in the order of their numbers."""

    spec: RunSpec
    surfaces: list[Surface]
    solvers: list[Solver]
    blocks: list[Block]

    @property
    def runs(self) -> int:
        """How many runs are planned."""
        return sum(len(block.program) for block in self.blocks)


def make_plan(
    spec: RunSpec, surfaces: Sequence[Surface] | None = None, solvers: Sequence[Solver] | None = None
) -> Plan:
    """Lay out the runs of `spec`; `surfaces` and `solvers` may be given as objects instead of names.

    Raises `UsageError` for a name, number, start or file that is wrong.
    """
    if surfaces is None:
        surfaces = [SURFACES[name] for name in spec.surface]
    if solvers is None:
        solvers = [SOLVERS[name] for name in spec.solver]
    surfaces = [*surfaces, *data_surfaces(spec)]
    surfaces = [surface.with_parameters(**own) for surface, own in _assign(surfaces, spec.param, "param")]
    settings = [own for _, own in _assign(solvers, spec.set, "set")]
    blocks: list[Block] = []
    first = 0
    for surface in surfaces:
        starts = _starts(surface, spec)
        facts, failure = _facts(surface)
        for solver, own in zip(solvers, settings, strict=True):
            block = _block(spec, surface, solver, own, starts, facts, failure, first)
            blocks.append(block)
            first += len(block.program)
    return Plan(spec, list(surfaces), list(solvers), blocks)


def _facts(surface: Surface) -> tuple[Facts | None, str]:
    try:
        return facts_of(surface), ""
    except Exception as error:  # a plug-in may raise anything: its runs get a row that says so
        return None, describe(error) if isinstance(error, UsageError) else f"surface '{surface.name}' {describe(error)}"


def data_surfaces(spec: RunSpec) -> list[Surface]:
    """One error surface for each preprocessing of the table that `spec` names; none without a table."""
    if spec.data is None:
        return []
    from gdbench import data  # pandas and scipy load only for a table
    from gdbench import regression as solutions

    table = data.load(spec.data, spec.target, spec.model)
    made = []
    for how in spec.preprocess:
        prepared = data.preprocess(table, how)
        inputs, targets = data.design_matrix(prepared), prepared.target
        if spec.model == "linear":
            solution = solutions.linear_solution(inputs, targets)
            # without mini-batches the examples may be rotated into as many as there are weights: same E, far cheaper
            inputs, targets = solutions.reduce_examples(inputs, targets)
        else:
            solution = solutions.logistic_solution(inputs, targets)
        rows, columns = prepared.features.shape
        made.append(
            regression(
                f"{table.name}-{how}",
                spec.model,
                inputs,
                targets,
                solution.minimiser,
                labels=(*prepared.feature_names, "intercept"),
                summary=f"{spec.model.capitalize()} regression of {table.target_name} in {table.name}, {how} features.",
                source=f"{rows} examples, {columns} features and an intercept",
                note=solution.note,
            )
        )
    return made


def _assign(things: Sequence[Any], settings: Mapping[str, Any], option: str) -> list[tuple[Any, dict[str, Any]]]:
    """Which of `settings` (`NAME` or `THING.NAME`) go to which surface or solver; a name that fits none is refused."""
    kind = "hyperparameter" if option == "set" else "parameter"
    assigned: list[dict[str, Any]] = [{} for _ in things]
    for key, value in sorted(settings.items(), key=lambda item: "." in item[0]):
        owner, _, name = key.rpartition(".")
        names = [thing.name for thing in things]
        if owner and owner not in names:
            raise unknown("solver" if option == "set" else "surface", owner, names, f"in --{option} {key}")
        chosen = [i for i, thing in enumerate(things) if owner in ("", thing.name)]
        takers = [i for i in chosen if name in _names(things[i])]
        if not takers:
            if option == "set" and name == "learning_rate":
                raise UsageError("fix the learning rate with --learning-rate rather than --set: it switches tuning off")
            known = sorted({known for i in chosen for known in _names(things[i])})
            owners = " and ".join(names[i] for i in chosen)
            if not known:
                raise UsageError(f"unknown {kind} '{name}': {owners} has none to set")
            raise unknown(kind, name, known, f"of {owners}")
        for i in takers:
            assigned[i][name] = value
    return list(zip(things, assigned, strict=True))


def _names(thing: Surface | Solver) -> list[str]:
    if isinstance(thing, Surface):
        return [*thing.parameters, *thing.options, *(["dimension"] if thing.any_dimension else [])]
    # the learning rate has an option of its own, because fixing it is what switches tuning off
    return [name for name in (*thing.hyperparameters, *thing.options) if name != "learning_rate"]


def _starts(surface: Surface, spec: RunSpec) -> np.ndarray:
    n = surface.dimension
    if spec.starts is not None:
        low, high = surface.box_bounds(n)
        # of the seed and the surface alone, so that every solver and every selection of surfaces gets the same starts
        generator = np.random.default_rng([spec.seed, zlib.crc32(surface.name.encode())])
        return low + (high - low) * generator.random((spec.starts, n))
    if spec.start is None:
        return surface.start_point(n)[None]
    if len(spec.start) != n:
        more = "; set --param dimension=" + str(len(spec.start)) if surface.any_dimension else ""
        raise UsageError(f"the start has {len(spec.start)} numbers, but surface '{surface.name}' has {n} weights{more}")
    return np.asarray(spec.start, dtype=np.float64)[None]


def _hyperparameters(solver: Solver, own: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    numbers = {name: value for name, value in solver.hyperparameters.items() if name != "learning_rate"}
    options = dict(solver.options)
    for name, value in own.items():
        what = f"hyperparameter '{name}' of solver '{solver.name}'"
        if name in numbers:
            numbers[name] = as_number(value, what)
        else:
            options[name] = as_option(value, options[name], what)
    for name, number in numbers.items():
        if number is None:
            raise UsageError(f"solver '{solver.name}' needs a value for '{name}': give --set {name}=VALUE")
    return {name: float(number) for name, number in numbers.items() if number is not None}, options


def _block(
    spec: RunSpec,
    surface: Surface,
    solver: Solver,
    own: Mapping[str, Any],
    starts: np.ndarray,
    facts: Facts | None,
    failure: str,
    first: int,
) -> Block:
    numbers, options = _hyperparameters(solver, own)
    settings: dict[str, float | np.ndarray] = {}
    rates = np.full(1, np.nan)
    if "learning_rate" in solver.hyperparameters:
        rates = rates_of(spec)
    start_index = np.tile(np.arange(len(starts)), len(rates))
    if "learning_rate" in solver.hyperparameters:
        settings["learning_rate"] = np.repeat(rates, len(starts))
    runs = len(start_index)
    program = Program(
        surface=surface,
        solver=solver,
        hyperparameters={**settings, **numbers},
        parameters=dict(surface.parameters),
        solver_options=options,
        surface_options=dict(surface.options),
        data=surface.data,
        starts=starts[start_index],
        seeds=np.full(runs, float(spec.seed)),
        f_star=np.full(runs, facts.f_star if facts else np.nan),
        steps=spec.steps,
        rtol=spec.rtol,
        atol=spec.atol,
        gtol=spec.gtol,
        dtype=spec.dtype,
        targets=LADDER,
    )
    return Block(surface, solver, facts, program, first, start_index, failure)


def rates_of(spec: RunSpec) -> np.ndarray:
    """The learning rates that every solver is given: the fixed one, or the grid."""
    if spec.learning_rate is not None:
        return np.array([spec.learning_rate])
    grid = spec.rates
    return np.geomspace(grid.low, grid.high, grid.num)
