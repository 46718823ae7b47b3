"""Lay out the runs of one solver on one surface as axes: a million of them are a few short arrays."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gdbench.engine.program import Conditions, Program
from gdbench.engine.signature import NOISE, NOISE_DECAY
from gdbench.errors import UsageError, one_line
from gdbench.solvers.base import Solver
from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import Facts, facts_of


@dataclass(frozen=True)
class Problem:
    """A surface at its parameters, and what is true of it before any solver runs; `failure` says why it cannot run."""

    surface: Surface
    facts: Facts | None
    failure: str = ""


def problem_of(surface: Surface) -> Problem:
    """Return the problem of `surface` at its parameters; an exception of a plug-in is kept as its failure."""
    try:
        return Problem(surface, facts_of(surface))
    except Exception as error:  # a plug-in may raise anything: its runs get a row that says so
        sentence = one_line(error) if isinstance(error, UsageError) else f"surface '{surface.name}' {one_line(error)}"
        return Problem(surface, None, sentence)


# the problems of a surface, at what it is given, for all of its blocks; none holds the surface itself, which would
# then never be freed
_KNOWN: WeakKeyDictionary[Surface, dict[tuple[tuple[str, float], ...], Problem]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class RunGrid:
    """Runs of one solver on one surface, under the same conditions and options: one compiled program.

    Run `row` of a block is a cell of the array with the axes (problem, hyperparameter axes.., start, seed), the last
    one running fastest.

    parameters : swept parameters by name, each `[problems]`; `noise` and `noise_decay` are among them.
    axes : swept hyperparameters, each axis a mapping of names to arrays of its length: one name on a grid, all in a
    tuned search. fixed : the others.
    starts : `[starts, n]`, of which the last `len(starts) - tuning_starts` are held out where `tuning_starts` is not 0.
    seeds : `[seeds]`. noise, noise_decay : of all runs; None for exact gradients, for noise that stays, and where they
    are swept.
    swept_conditions : the conditions that have several values, and so belong to a problem's name.
    schedules : the kind of schedule by hyperparameter; its base is the hyperparameter, its other numbers are among the
    hyperparameters as `NAME.NUMBER`.
    """

    surface: Surface
    solver: Solver
    options: Mapping[str, Any]
    conditions: Conditions
    parameters: Mapping[str, np.ndarray]
    axes: tuple[Mapping[str, np.ndarray], ...]
    fixed: Mapping[str, float]
    starts: np.ndarray
    seeds: np.ndarray
    first_run: int
    tuning_starts: int = 0
    noise: float | None = None
    noise_decay: float | None = None
    swept_conditions: Mapping[str, Any] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        problems = len(next(iter(self.parameters.values()))) if self.parameters else 1
        return (problems, *(len(next(iter(axis.values()))) for axis in self.axes), len(self.starts), len(self.seeds))

    def __len__(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def problems(self) -> list[Problem]:
        """The surface at each of its parameters; blocks of the same surface share them, for their facts take time."""
        names = [name for name in self.parameters if name not in (NOISE, NOISE_DECAY)]
        keys = list(zip(*(self.parameters[name].tolist() for name in names), strict=True)) or [()] * self.shape[0]
        known = _KNOWN.setdefault(self.surface, {})
        for key in keys:
            settings = tuple(zip(names, key, strict=True))
            if settings not in known:
                known[settings] = problem_of(self.surface.with_parameters(**dict(settings)))
        return [known[tuple(zip(names, key, strict=True))] for key in keys]

    @property
    def failure(self) -> str:
        """The reason why nothing here can run, "" if it can."""
        return next((problem.failure for problem in self.problems if problem.failure), "")

    @property
    def is_stochastic(self) -> bool:
        """True if gradients are noisy or of mini-batches."""
        examples = len(self.surface.data[0]) if self.surface.data else 0
        return self.noise is not None or NOISE in self.parameters or 0 < self.conditions.batch_size < examples

    @property
    def facts(self) -> Facts | None:
        """The facts of the first problem, which is the only one unless parameters are swept."""
        return self.problems[0].facts

    def problem_index(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the problem that each of `rows` belongs to."""
        return rows // (len(self) // self.shape[0])

    def start_index(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the start that each of `rows` has."""
        return rows // len(self.seeds) % len(self.starts)

    def settings_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the swept hyperparameters of `rows`."""
        cells = np.unravel_index(rows, self.shape)
        settings: dict[str, np.ndarray] = {}
        for axis, cell in zip(self.axes, cells[1:-2], strict=True):
            settings |= {name: values[cell] for name, values in axis.items()}
        return settings

    def take(self, rows: np.ndarray, *, measured: bool = True) -> Program:
        """Return the program of `rows`; all programs of a block compile to the same XLA program.

        measured : whether to find out what is known of the surface, and so the minimum that its runs are told.
        """
        rows = np.asarray(rows, dtype=np.int64)
        problem = self.problem_index(rows)
        parameters: dict[str, Any] = {**self.surface.parameters, NOISE: self.noise, NOISE_DECAY: self.noise_decay}
        parameters |= {name: values[problem] for name, values in self.parameters.items()}
        noise = {name: parameters.pop(name) for name in (NOISE, NOISE_DECAY)}
        f_star = np.full(self.shape[0], np.nan)
        if measured:
            f_star = np.array([item.facts.f_star if item.facts else np.nan for item in self.problems])
        return Program(
            surface=self.surface,
            solver=self.solver,
            conditions=self.conditions,
            hyperparameters={**self.settings_of(rows), **self.fixed},
            parameters=parameters,
            solver_options=dict(self.options),
            surface_options=dict(self.surface.options),
            data=self.surface.data,
            starts=self.starts[self.start_index(rows)],
            seeds=self.seeds[rows % len(self.seeds)].astype(np.float64),
            f_star=f_star[problem],
            schedules=self.schedules,
            **noise,
        )

    @cached_property
    def program(self) -> Program:
        """The program of all runs, for a small block."""
        return self.take(np.arange(len(self)))

    @cached_property
    def group(self) -> Hashable:
        """Blocks with the same group run in the same lanes: one compiled program, called with the same scalars."""
        one = self.take(np.zeros(1, np.int64))
        return one.signature, one.common
