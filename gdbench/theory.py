"""What theory predicts of a solver near a minimiser, and what a run shows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from gdbench import compiler
from gdbench.oracle import Oracle
from gdbench.program import Program
from gdbench.step import Signature, Step, split_settings

CHUNK = 64
# above so many numbers in (x, state) the eigenvalues cost more than the runs
LARGEST = 256


@lru_cache(maxsize=256)
def _compiled(signature: Signature) -> Callable[..., Any]:
    """`(x, settings [CHUNK], data) -> (moved, jacobian)`: one step from x with the first state, and its Jacobian."""
    step = Step(signature)

    def one(x: Any, settings: Any, data: Any) -> Any:
        hyperparameters, parameters = split_settings(settings)
        oracle = Oracle(step.objective(parameters, data))
        flat, unravel = ravel_pytree((x, step.fresh(x, hyperparameters).state))

        def moved(flat: Any) -> Any:
            x, state = unravel(flat)
            return ravel_pytree(step.update(oracle, x, state, hyperparameters))[0]

        return moved(flat) - flat, jax.jacfwd(moved)(flat)

    return jax.jit(jax.vmap(one, (None, 0, None)), compiler_options=compiler.known(compiler.ONCE))


def rates_predicted(program: Program, minimiser: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """The asymptotic factor `[runs]` by which a step shrinks the distance to `minimiser` `[n]`, NaN where none exists.

    It is the spectral radius of the Jacobian of one step in (x, state), taken at the minimiser and the state before the
    first step. It exists where the Hessian there is positive definite, where that point is an isolated fixed point
    (Adam's step count moves on, Adagrad's sum can stay anywhere), and where the step is still nearly linear at the
    distance of the target (RMSprop's is not: its eps, which decides at the minimiser, decides nothing there). With
    stochastic gradients the iterate does not shrink towards the minimiser at any rate, but scatters about it.
    Above 1 the minimiser repels.
    """
    count = len(program)
    nothing = np.full(count, np.nan)
    if program.stochastic or not len(minimiser) or not np.all(np.isfinite(hessian)):
        return nothing
    eigenvalues, vectors = np.linalg.eigh(hessian)
    if eigenvalues[0] <= eigenvalues[-1] * len(eigenvalues) * np.finfo(float).eps:
        return nothing
    signature = replace(program.signature, dtype="float64")
    lane, _ = _shapes(signature)
    if sum(leaf.size for leaf in jax.tree.leaves((lane.x, lane.state))) > LARGEST or any(
        leaf.dtype.kind != "f" for leaf in jax.tree.leaves((lane.x, lane.state))
    ):
        return nothing
    settings = {name: np.broadcast_to(np.asarray(value, float), count) for name, value in program.settings.items()}
    # every direction a little, so that no weight's gradient is zero there
    direction = vectors @ np.ones(len(eigenvalues))
    gap = max(program.atol, program.rtol, 1e-12)
    away = np.sqrt(2 * gap / (direction @ hessian @ direction)) * direction
    moved, at = _jacobians(signature, program, minimiser, settings)
    usable = np.isfinite(at).all(axis=(1, 2))
    usable &= np.abs(moved).max(axis=1) <= 1e-6 * (1 + np.abs(minimiser).max())
    spectrum = np.linalg.eigvals(np.where(usable[:, None, None], at, 0.0))
    radius = np.abs(spectrum).max(axis=1)
    isolated = np.abs(spectrum - 1).min(axis=1) > 1e-13
    linear = np.ones(count, bool)
    # at two distances: at a single one a step that is not linear can have the same radius by chance
    for share in (1.0, 0.1):
        _, near = _jacobians(signature, program, minimiser + share * away, settings)
        finite = np.isfinite(near).all(axis=(1, 2))
        nearby = np.abs(np.linalg.eigvals(np.where(finite[:, None, None], near, 0.0))).max(axis=1)
        linear &= finite & (np.abs(radius - nearby) <= 0.25 * np.abs(1 - radius))
    return np.where(usable & isolated & linear, radius, np.nan)


@lru_cache(maxsize=256)
def _shapes(signature: Signature) -> Any:
    with jax.enable_x64(True):
        return Step(signature).probe()


def _jacobians(signature: Signature, program: Program, x: np.ndarray, settings: Any) -> tuple[np.ndarray, np.ndarray]:
    count = len(program)
    # only the settings differ from run to run; the same ones need no second look, and grids repeat them per start
    names = sorted(settings)
    table = np.stack([settings[name] for name in names], axis=1) if names else np.zeros((count, 0))
    distinct, inverse = np.unique(table, axis=0, return_inverse=True)
    moved, jacobians = [], []
    for first in range(0, len(distinct), CHUNK):
        block = distinct[first : first + CHUNK]
        padded = np.concatenate([block, np.repeat(block[-1:], CHUNK - len(block), axis=0)])
        columns = {name: padded[:, i] for i, name in enumerate(names)}
        with jax.enable_x64(True):
            found = _compiled(signature)(x, columns, program.data)
        moved.append(np.asarray(found[0])[: len(block)])
        jacobians.append(np.asarray(found[1])[: len(block)])
    rows = inverse.reshape(-1)
    return np.concatenate(moved)[rows], np.concatenate(jacobians)[rows]


def rate_observed(gaps: np.ndarray, resolution: float) -> float:
    """The factor by which a run shrank its distance per step, from the gaps `[steps + 1]` of its late part; or NaN.

    The gap shrinks with the square of the distance, so the rate is the root of the slope of the log gap. Only gaps
    above `resolution`, the rounding of the loss, count. A double root (heavy ball at its optimum) shrinks like
    k² r^(2k) rather than r^(2k); of the two models the one that fits better is taken.
    """
    resolved = np.isfinite(gaps) & (gaps > resolution)
    end = int(np.argmin(resolved)) if not resolved.all() else len(gaps)
    steps = np.arange(max(1, end // 2), end)
    # an oscillating gap is judged by its crests: those points that no later one exceeds
    crest = gaps[steps] >= np.maximum.accumulate(gaps[steps][::-1])[::-1]
    steps = steps[crest]
    if len(steps) < 5:
        return float("nan")
    best_residual, rate = np.inf, float("nan")
    for power in (0.0, 2.0):
        heights = np.log(gaps[steps]) - power * np.log(steps)
        slope, offset = np.polyfit(steps, heights, 1)
        residual = float(np.sum((heights - slope * steps - offset) ** 2))
        if residual < best_residual:
            best_residual, rate = residual, float(np.exp(slope / 2))
    return rate
