"""A program: all runs that share one compiled XLA program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gdbench.solvers.base import Solver
from gdbench.step import PARAMETER, Signature
from gdbench.surfaces.base import Surface

Setting = float | np.ndarray


@dataclass(frozen=True, eq=False)
class Program:
    """Runs of one solver on one surface, with the same options and dimension; run `i` is row `i` of every array.

    hyperparameters, parameters : a float where all runs share it, an array `[runs]` where it is swept.
    starts : `[runs, n]`; seeds : `[runs]`.
    f_star : the global minimum `[runs]` at each run's parameters, NaN where it is not known.
    data : what the surface's function gets after `x`.
    """

    surface: Surface
    solver: Solver
    hyperparameters: Mapping[str, Setting]
    parameters: Mapping[str, Setting]
    solver_options: Mapping[str, Any]
    surface_options: Mapping[str, Any]
    data: tuple[np.ndarray, ...]
    starts: np.ndarray
    seeds: np.ndarray
    f_star: np.ndarray
    steps: int
    rtol: float
    atol: float
    gtol: float
    dtype: str
    targets: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def dimension(self) -> int:
        """The length n of the weight vector."""
        return int(self.starts.shape[1])

    @property
    def swept(self) -> dict[str, np.ndarray]:
        """The swept settings `[runs]`: a hyperparameter under its own name, a parameter as `surface.NAME`."""
        return {name: value for name, value in self.settings.items() if isinstance(value, np.ndarray)}

    @property
    def shared(self) -> dict[str, float]:
        """The settings that all runs share, named as in `swept`."""
        return {name: value for name, value in self.settings.items() if not isinstance(value, np.ndarray)}

    @property
    def settings(self) -> dict[str, Setting]:
        """Every hyperparameter under its own name and every parameter as `surface.NAME`."""
        return {**self.hyperparameters, **{PARAMETER + name: value for name, value in self.parameters.items()}}

    @property
    def signature(self) -> Signature:
        """What this program is compiled for."""
        return Signature(
            surface_name=self.surface.name,
            function=self.surface.function,
            solver=self.solver,
            surface_options=tuple(sorted(self.surface_options.items())),
            solver_options=tuple(sorted(self.solver_options.items())),
            swept=tuple(sorted(self.swept)),
            shared=tuple(sorted(self.shared)),
            data_shapes=tuple(array.shape for array in self.data),
            dimension=self.dimension,
            dtype=self.dtype,
        )

    def take(self, rows: np.ndarray) -> Program:
        """The program of the chosen runs alone; it compiles to the same XLA program."""

        def pick(settings: Mapping[str, Setting]) -> dict[str, Setting]:
            return {name: value[rows] if isinstance(value, np.ndarray) else value for name, value in settings.items()}

        return replace(
            self,
            hyperparameters=pick(self.hyperparameters),
            parameters=pick(self.parameters),
            starts=self.starts[rows],
            seeds=self.seeds[rows],
            f_star=self.f_star[rows],
        )
