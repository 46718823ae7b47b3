"""What one compiled program is made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gdbench.solvers.base import Solver

PARAMETER = "surface."

NOISE, NOISE_DECAY = "noise", "noise_decay"


@dataclass(frozen=True)
class Signature:
    """What one compiled program is made for; two programs with equal signatures share it.

    `swept` settings differ from lane to lane, `shared` ones are scalars; both are traced arguments, hyperparameters
    under their own name and parameters as `surface.NAME`. Where the gradient is `noisy`, the parameters `noise` and
    `noise_decay` are not the surface's; a `batch_size` of 0 means all examples. Of the arrays of data, the last
    `held_out` are those of the examples that only the watch over early stopping sees. `schedules` are pairs of a
    hyperparameter and a kind.
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
    goal: Callable[[Any], Any] | None = None
    bounds: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    schedules: tuple[tuple[str, str], ...] = ()


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters and parameters apart, the parameters without their prefix."""
    parameters = {name.removeprefix(PARAMETER): v for name, v in settings.items() if name.startswith(PARAMETER)}
    return {name: v for name, v in settings.items() if not name.startswith(PARAMETER)}, parameters
