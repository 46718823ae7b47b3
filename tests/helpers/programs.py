"""Programs from names, and what the tests read out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from gdbench.engine.program import Conditions, Program
from gdbench.engine.records import Records
from gdbench.engine.stream import execute, trace
from gdbench.engine.threads import Task, execute_tasks
from gdbench.solvers import SOLVERS, Solver
from gdbench.statuses import Status
from gdbench.surfaces import SURFACES, Surface
from gdbench.surfaces.facts import facts_of


def program_of(
    surface: str | Surface,
    solver: str | Solver,
    rates: float | Sequence[float] | np.ndarray = 1e-3,
    *,
    starts: Any = None,
    param: Mapping[str, Any] | None = None,
    known_minimum: bool = True,
    seeds: Any = 0.0,
    steps: int = 100,
    rtol: float = 0.0,
    atol: float = 0.0,
    gtol: float = 0.0,
    dtype: str = "float64",
    targets: tuple[float, ...] = (),
    **settings: Any,
) -> Program:
    """Runs of every rate from every start and seed (all broadcast), the learning rate swept as `plan` lays it out.

    `param` holds parameters, options and the dimension of the surface; `settings` the solver's; an array is swept.
    """
    surface = SURFACES[surface] if isinstance(surface, str) else surface
    solver = SOLVERS[solver] if isinstance(solver, str) else solver
    swept = {name: value for name, value in (param or {}).items() if isinstance(value, np.ndarray)}
    surface = surface.with_parameters(**{name: v for name, v in (param or {}).items() if name not in swept})
    points = np.atleast_2d(surface.start_point(surface.dimension) if starts is None else np.asarray(starts, float))
    rates = np.atleast_1d(np.asarray(rates, float))
    runs = max(len(points), len(rates), np.size(seeds), *(len(value) for value in swept.values()), 1)
    hyperparameters = {**solver.hyperparameters, **{k: v for k, v in settings.items() if k in solver.hyperparameters}}
    if "learning_rate" in hyperparameters:
        hyperparameters["learning_rate"] = np.broadcast_to(rates, runs).copy()
    return Program(
        surface=surface,
        solver=solver,
        conditions=Conditions(steps, rtol, atol, gtol, dtype, targets=targets),
        hyperparameters=hyperparameters,
        parameters={**surface.parameters, **swept},
        solver_options={**solver.options, **{k: v for k, v in settings.items() if k in solver.options}},
        surface_options=dict(surface.options),
        data=surface.data,
        starts=np.broadcast_to(points, (runs, surface.dimension)).copy(),
        seeds=np.broadcast_to(np.asarray(seeds, float), runs).copy(),
        f_star=np.full(runs, facts_of(surface).f_star if known_minimum else np.nan),
    )


def iterates(surface: str | Surface, solver: str | Solver, rate: float, steps: int = 100, **more: Any) -> np.ndarray:
    """The iterates `[steps + 1, n]` of one run that nothing stops early, by the compiled path itself."""
    path = trace(program_of(surface, solver, rate, steps=steps, known_minimum=False, **more))[0]
    assert len(path.x) == steps + 1
    return path.x


def assert_same_bits(found: Records, wanted: Records, rows: Any = slice(None)) -> None:
    """Every field of `found` is `wanted` at `rows`, bit for bit."""
    for item in fields(Records):
        if item.name != "executed" and getattr(wanted, item.name) is not None:
            np.testing.assert_array_equal(getattr(found, item.name), getattr(wanted, item.name)[rows], item.name)


def status_of(records: Records) -> list[str]:
    """The status of every run, as a word."""
    return [Status(status).word for status in records.status]


def steps_to_target(program: Program) -> float:
    """Of the first run: its steps where it reached the target, else infinity."""
    records = execute(program)
    return float(records.steps[0]) if status_of(records)[0] == "reached" else float("inf")


def execute_in_slices(program, sizes, *, threads):
    """The records of `program`, executed on threads in consecutive tasks of these sizes."""
    tasks = tasks_in_slices(program, sizes)
    found = dict(execute_tasks(tasks, threads=threads))
    arrays = [item.name for item in fields(Records) if getattr(found[0], item.name) is not None]
    parts = [found[index] for index in range(len(tasks))]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays if name != "executed"}
    return Records(**joined, executed=sum(part.executed for part in parts))


def tasks_in_slices(program, sizes):
    assert sum(sizes) == len(program)
    rows = np.split(np.arange(len(program)), np.cumsum(sizes)[:-1])
    return [Task(0, len(chosen), lambda chosen=chosen: program.take(chosen)) for chosen in rows]
