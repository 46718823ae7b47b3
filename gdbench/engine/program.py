"""Describe a program: all runs that share one compiled XLA program, and the conditions that they are made under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gdbench.columns import PARAMETER
from gdbench.engine.schedules import CONSTANT
from gdbench.engine.signature import NOISE, NOISE_DECAY, Signature
from gdbench.errors import UsageError
from gdbench.solvers.base import Solver
from gdbench.surfaces.base import Surface

Number = float | Float[np.ndarray, " runs"]


@dataclass(frozen=True)
class Conditions:
    """The conditions that a run is made under.

    steps : the budget. rtol, atol, gtol : tolerances of the target and of the gradient's norm.
    batch_size : how many examples of the data the solver sees in a step, 0 for all. shuffle : whether every epoch
    shuffles the examples anew, or takes them in turn as they stand.
    patience : steps without a lower loss on the held-out examples that end a run, 0 to go on.
    targets : a ladder of values of rtol; the first step at each is recorded.
    """

    steps: int
    rtol: float
    atol: float
    gtol: float
    dtype: str
    batch_size: int = 0
    shuffle: bool = True
    patience: int = 0
    targets: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Program:
    """Runs of one solver on one surface, with the same options and dimension; run `i` is row `i` of every array.

    hyperparameters, parameters : a float shared by all runs, or an array if swept.
    f_star : the global minimum at each run's parameters, NaN if unknown.
    data : the arguments of the surface's function after `x`.
    noise : the standard deviation of the noise added to each component of the gradients that the solver gets; None
    leaves them exact.
    noise_decay : γ of annealed noise, noise (1 + t)^(-γ/2) at step t from 0 (Neelakantan et al. 2015,
    arXiv:1511.06807, where η is the square of `noise`); None for noise that stays.
    schedules : the kind of schedule that a hyperparameter follows, by its name; see `schedules.values_at`.
    Raises `UsageError` for a noise or batch size that is wrong or does not fit the surface.
    """

    surface: Surface
    solver: Solver
    conditions: Conditions
    hyperparameters: Mapping[str, Number]
    parameters: Mapping[str, Number]
    solver_options: Mapping[str, Any]
    surface_options: Mapping[str, Any]
    data: tuple[np.ndarray, ...]
    starts: Float[np.ndarray, "runs n"]
    seeds: Float[np.ndarray, " runs"]
    f_star: Float[np.ndarray, " runs"]
    noise: Number | None = None
    noise_decay: Number | None = None
    schedules: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name, examples, batch_size = self.surface.name, self.examples, self.conditions.batch_size
        if self.noise is not None and not np.all((np.asarray(self.noise) >= 0) & np.isfinite(self.noise)):
            raise UsageError("the noise must be a number from 0 up")
        if self.noise_decay is not None and self.noise is None:
            raise UsageError("noise_decay needs noise, which it lets decay")
        if self.conditions.patience and not self.surface.held_out:
            raise UsageError("patience needs held-out examples: give holdout (--holdout)")
        if batch_size < 0:
            raise UsageError(f"the batch size must be 0 (all examples) or more, not {batch_size}")
        if batch_size and not examples:
            raise UsageError(f"surface '{name}' has no examples to draw a mini-batch from: leave its batch size at 0")
        if self.batched and any(array.shape[:1] != (examples,) for array in self.data):
            shapes = " and ".join(str(array.shape) for array in self.data)
            raise UsageError(f"surface '{name}' has data of shapes {shapes}: a mini-batch needs one number of examples")

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def dimension(self) -> int:
        """The length n of the weight vector."""
        return int(self.starts.shape[1])

    @property
    def all_data(self) -> tuple[np.ndarray, ...]:
        """The data of the training examples, then those of the held-out ones."""
        return (*self.data, *self.surface.held_out)

    @property
    def examples(self) -> int:
        """The number of examples in the surface's data, 0 without data."""
        return self.data[0].shape[0] if self.data and self.data[0].ndim else 0

    @property
    def batched(self) -> bool:
        """True if a step sees fewer than all examples."""
        return 0 < self.conditions.batch_size < self.examples

    @property
    def stochastic(self) -> bool:
        """True if the gradients that the solver gets are random, so that no rate of convergence exists."""
        return self.noise is not None or self.batched

    @property
    def scheduled(self) -> bool:
        """True if a hyperparameter changes from step to step."""
        return any(kind != CONSTANT for kind in self.schedules.values())

    @property
    def swept(self) -> dict[str, Float[np.ndarray, " runs"]]:
        """The swept settings: a hyperparameter under its own name, a parameter as `surface.NAME`."""
        return {name: value for name, value in self.settings.items() if isinstance(value, np.ndarray)}

    @property
    def shared(self) -> dict[str, float]:
        """The settings that all runs share, named as in `swept`."""
        return {name: value for name, value in self.settings.items() if not isinstance(value, np.ndarray)}

    @property
    def settings(self) -> dict[str, Number]:
        """Every hyperparameter under its own name, every parameter as `surface.NAME`, the noise as `surface.noise`."""
        noise = {NOISE: self.noise, NOISE_DECAY: self.noise_decay}
        parameters = {**self.parameters, **{name: value for name, value in noise.items() if value is not None}}
        return {**self.hyperparameters, **{PARAMETER + name: value for name, value in parameters.items()}}

    @property
    def signature(self) -> Signature:
        """The signature that this program is compiled for."""
        return Signature(
            surface_name=self.surface.name,
            function=self.surface.function,
            solver=self.solver,
            surface_options=tuple(sorted(self.surface_options.items())),
            solver_options=tuple(sorted(self.solver_options.items())),
            swept=tuple(sorted(self.swept)),
            shared=tuple(sorted(self.shared)),
            data_shapes=tuple(array.shape for array in self.all_data),
            dimension=self.dimension,
            dtype=self.conditions.dtype,
            noisy=self.noise is not None,
            batch_size=self.conditions.batch_size if self.batched else 0,
            shuffled=self.conditions.shuffle or not self.batched,
            held_out=len(self.surface.held_out),
            goal=self.surface.goal,
            bounds=self.surface.bounds_of(self.dimension),
            schedules=tuple(sorted(self.schedules.items())),
        )

    @property
    def common(self) -> tuple[object, ...]:
        """The numbers that all runs in the same lanes share."""
        conditions = self.conditions
        return conditions.steps, conditions.gtol, conditions.patience, tuple(sorted(self.shared.items()))

    def under(self, **conditions: Any) -> Program:
        """Return this program under other conditions, the fields of `Conditions` by name."""
        return replace(self, conditions=replace(self.conditions, **conditions))

    def take(self, rows: Int[np.ndarray, " rows"]) -> Program:
        """Return the program of the chosen runs alone; it compiles to the same XLA program."""

        def pick(settings: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value[rows] if isinstance(value, np.ndarray) else value for name, value in settings.items()}

        return replace(
            self,
            hyperparameters=pick(self.hyperparameters),
            parameters=pick(self.parameters),
            starts=self.starts[rows],
            seeds=self.seeds[rows],
            f_star=self.f_star[rows],
            **pick({NOISE: self.noise, NOISE_DECAY: self.noise_decay}),
        )
