"""Define what runs end with: records, the outcome of one call, trajectories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# The compiled program keeps this many targets for every run.
LEVELS = 8


@dataclass(frozen=True)
class Records:
    """The results of the runs of a program.

    status : a `Status` each. steps : updates made. hits : the first step at each target, infinity if there is none.
    *_evals : evaluations that the solver asked for. held_out_loss, held_out_step : the lowest loss on held-out examples
    and its step, None without such examples. executed : steps computed by all lanes, idle ones too, while this program
    was the oldest in the stream.
    """

    status: Int[np.ndarray, " runs"]
    steps: Int[np.ndarray, " runs"]
    loss_start: Float[np.ndarray, " runs"]
    loss_final: Float[np.ndarray, " runs"]
    loss_best: Float[np.ndarray, " runs"]
    grad_norm: Float[np.ndarray, " runs"]
    x: Float[np.ndarray, "runs n"]
    hits: Float[np.ndarray, "runs targets"]
    value_evals: Int[np.ndarray, " runs"]
    grad_evals: Int[np.ndarray, " runs"]
    hess_evals: Int[np.ndarray, " runs"]
    held_out_loss: Float[np.ndarray, " runs"] | None = None
    held_out_step: Float[np.ndarray, " runs"] | None = None
    executed: int = 0


@dataclass(frozen=True)
class Advance:
    """The progress that one call of a compiled program made.

    ended : how many runs ended with each `Status`. steps : useful steps of those runs. executed : steps computed by all
    lanes.
    """

    ended: Int[np.ndarray, " statuses"]
    steps: int
    executed: int


@dataclass(frozen=True)
class Trajectory:
    """Every iterate of one run."""

    x: Float[np.ndarray, "steps+1 n"]
    loss: Float[np.ndarray, " steps+1"]
    grad_norm: Float[np.ndarray, " steps+1"]
