"""Describe what one compiled program is made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jax import Array
from jaxtyping import Bool, Float

from gdbench.columns import PARAMETER
from gdbench.solvers.base import Solver

NOISE, NOISE_DECAY = "noise", "noise_decay"


@dataclass(frozen=True)
class Signature:
    """The inputs that decide one compiled program; two programs with equal signatures share it.

    swept, shared : settings that differ from lane to lane, and those that do not; all are traced arguments,
    hyperparameters under their own name and parameters as `surface.NAME`.
    noisy : the parameters `noise` and `noise_decay` belong to the gradient, not to the surface.
    batch_size : 0 for all examples. held_out : the last arrays of the data, which only early stopping looks at.
    schedules : pairs of a hyperparameter and a kind.
    """

    surface_name: str
    function: Callable[..., Any]
    solver: Solver
    surface_options: tuple[tuple[str, Any], ...]
    solver_options: tuple[tuple[str, Any], ...]
    swept: tuple[str, ...]
    shared: tuple[str, ...]
    data_shapes: tuple[tuple[int, ...], ...]
    dimension: int
    dtype: str
    noisy: bool = False
    batch_size: int = 0
    shuffled: bool = True
    held_out: int = 0
    goal: Callable[[Float[Array, " n"]], Bool[Array, ""]] | None = None
    bounds: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    schedules: tuple[tuple[str, str], ...] = ()


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate hyperparameters from parameters, and take the prefix off the parameters."""
    parameters = {name.removeprefix(PARAMETER): v for name, v in settings.items() if name.startswith(PARAMETER)}
    return {name: v for name, v in settings.items() if not name.startswith(PARAMETER)}, parameters
