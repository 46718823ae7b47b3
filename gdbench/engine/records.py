"""What runs end with: records, what one call did, trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

# targets that the compiled program keeps for every run
LEVELS = 8


@dataclass(frozen=True)
class Records:
    """What the runs of a program ended with; every array has one row per run.

    status : a `Status`; steps : updates made; hits : `[runs, targets]`, first step at each target, infinity
    where none; *_evals : evaluations that the solver asked for; held_out_loss, held_out_step : the lowest loss on
    held-out examples and its step, None without such; executed : steps that all lanes computed while this was
    the first of the programs in them.
    """

    status: np.ndarray
    steps: np.ndarray
    loss_start: np.ndarray
    loss_final: np.ndarray
    loss_best: np.ndarray
    grad_norm: np.ndarray
    x: np.ndarray
    hits: np.ndarray
    value_evals: np.ndarray
    grad_evals: np.ndarray
    hess_evals: np.ndarray
    held_out_loss: np.ndarray | None = None
    held_out_step: np.ndarray | None = None
    executed: int = 0

    @staticmethod
    def join(parts: Sequence[Records]) -> Records:
        """The records of consecutive slices of one program as one."""
        names = [item.name for item in fields(Records) if item.name != "executed"]
        given = [name for name in names if getattr(parts[0], name) is not None]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in given}
        return Records(**arrays, executed=sum(part.executed for part in parts))


@dataclass(frozen=True)
class Advance:
    """What one call of a compiled program did: how many runs `ended` in each `Status`, `[6]`.

    steps : useful steps of those runs; executed : steps computed by all lanes.
    """

    ended: np.ndarray
    steps: int
    executed: int


@dataclass(frozen=True)
class Trajectory:
    """Every iterate of one run: `x` `[steps + 1, n]`, `loss` and `grad_norm` `[steps + 1]`."""

    x: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
