"""Predict the rate of a solver near a minimiser, or say why theory cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Complex, Float, Shaped

from gdbench import compilation
from gdbench.engine.program import Program
from gdbench.engine.signature import Signature, split_settings
from gdbench.engine.step import Lane, Step
from gdbench.solvers.oracle import Evaluations, Oracle
from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import hessian_at

CHUNK = 64
# CHUNK settings are computed at once if the data have at most this many numbers.
MANY = 2**14
# With more numbers in (x, state) the eigenvalues cost more than the runs.
LARGEST = 256
# After this many steps a memory, if there is one, holds something.
WARM = 3

# The reasons why no rate is predicted.
STOCHASTIC = "stochastic"
SCHEDULED = "scheduled"
NO_MINIMISER = "no minimiser known"
NO_HESSIAN = "no second derivative at the minimum"
SINGULAR = "singular Hessian"
LINE_SEARCH = "line search"
NOT_FLOAT = "state of other types than floats"
TOO_LARGE = "too many weights"
NO_DERIVATIVE = "step without derivative"
ON_BOUND = "minimum on a bound"
NOT_FIXED = "moves on at the minimum"
ADAPTIVE = "adaptive"
EPS = "eps decides"
NOT_SMOOTH = "steps not smooth"
NOT_QUADRATIC = "loss not quadratic at the target"


class Prediction(NamedTuple):
    """The asymptotic factor `rate` of every run, or NaN and the `reason` why none exists."""

    rate: Float[np.ndarray, "runs"]
    reason: Shaped[np.ndarray, "runs"]


class Local(NamedTuple):
    """A step from `at`, which is (x, state) as one vector: how far it `moved`, and its `jacobian` there."""

    at: Float[Any, "*k d"]
    moved: Float[Any, "*k d"]
    jacobian: Float[Any, "*k d d"]


@lru_cache(maxsize=256)
def _compiled(signature: Signature) -> Callable[..., Any]:
    """Compile `((x [CHUNK, n], settings [CHUNK]), count, warm, data) -> Local`: one step, after `warm` steps from x."""
    step = Step(signature)

    def one(x: Any, warm: Any, settings: Any, data: Any) -> Any:
        hyperparameters, parameters = split_settings(settings)
        objective = step.objective(parameters, step.split(data)[0])

        def update(_: Any, at: Any) -> Any:
            x, state = at
            return step.update(Oracle(objective), x, state, hyperparameters)

        at = lax.fori_loop(0, warm, update, (x, step.start(x, hyperparameters).state))
        flat, unravel = ravel_pytree(at)

        def moved(flat: Any) -> Any:
            return ravel_pytree(update(0, unravel(flat)))[0]

        return Local(flat, moved(flat) - flat, jax.jacfwd(moved)(flat))

    def several(rows: Any, count: Any, warm: Any, data: Any) -> Any:
        x, settings = rows
        if sum(map(np.size, data)) <= MANY:
            return jax.vmap(one, (0, None, 0, None))(x, warm, settings, data)
        # a Jacobian takes as many passes over the examples as it has columns, so one setting follows the other
        return lax.map(lambda row: one(row[0], warm, row[1], data), (x, settings))

    return jax.jit(several, compiler_options=compilation.known(compilation.ONCE))


def rates_predicted(
    program: Program, minimiser: Float[np.ndarray, "n"], hessian: Float[np.ndarray, "n n"]
) -> Prediction:
    """Predict the asymptotic factor by which a step of every run shrinks its distance to `minimiser`, NaN without one.

    It is the spectral radius of the Jacobian of one step in (x, state), taken at the minimiser and the state before the
    first step. It exists if the Hessian there is positive definite, if that point is an isolated fixed point (Adam's
    step count moves on, Adagrad's sum can stay anywhere), and if the step is still nearly linear at the distance of the
    target, with a memory that has seen some steps (RMSprop's is not: its eps, which decides at the minimiser, decides
    nothing there). With stochastic gradients the iterate does not shrink towards the minimiser at any rate, but
    scatters about it; under a schedule no two steps are alike. Above 1 the minimiser repels. Raises what a plug-in's
    step raises.
    """
    count = len(program)
    if reason := _refusal(program, minimiser, hessian):
        return Prediction(np.full(count, np.nan), np.full(count, reason, dtype=object))
    settings, rows = _distinct_settings(program)
    rates, reasons = _rates(program, minimiser, hessian, settings)
    return Prediction(rates[rows], reasons[rows])


def jacobian_at(program: Program, minimiser: Float[np.ndarray, "n"]) -> Float[np.ndarray, "d d"]:
    """Compute the Jacobian of a step of the first run at the minimiser, the one with the radius that is predicted."""
    settings, rows = _distinct_settings(program)
    first = {name: values[rows[:1]] for name, values in settings.items()}
    return np.asarray(_local(program, minimiser, first).jacobian[0])


def linear_errors(
    program: Program, minimiser: Float[np.ndarray, "n"], jacobian: Float[np.ndarray, "d d"], steps: int
) -> Float[np.ndarray, "steps+1 n"]:
    """Compute the errors that the first run of `program` would make if `jacobian` held from its start on."""
    step = Step(replace(program.signature, dtype="float64"))
    hyperparameters = {name: float(np.asarray(value).flat[0]) for name, value in program.hyperparameters.items()}
    with jax.enable_x64(True):
        points = (np.asarray(x, float) for x in (program.starts[0], minimiser))
        flat = [ravel_pytree((x, step.start(x, hyperparameters).state))[0] for x in map(jax.numpy.asarray, points)]
    errors, power = np.asarray(flat[0] - flat[1])[None], np.asarray(jacobian)
    # every turn doubles the number of errors
    with np.errstate(over="ignore", invalid="ignore"):
        while len(errors) <= steps:
            errors = np.concatenate([errors, errors @ power.T])
            power = power @ power
    return errors[: steps + 1, : len(minimiser)]


def _refusal(program: Program, minimiser: Float[np.ndarray, "n"], hessian: Float[np.ndarray, "n n"]) -> str:
    """Return the reason why no run of `program` has a rate, "" if none is known yet."""
    if program.stochastic:
        return STOCHASTIC
    if program.scheduled:
        return SCHEDULED
    if not len(minimiser):
        return NO_MINIMISER
    bounds = program.signature.bounds
    if bounds is not None and np.isclose(minimiser, np.array(bounds), rtol=1e-6, atol=1e-6).any():
        return ON_BOUND  # every iterate beyond it is put back, so that the step has a kink there
    if not np.all(np.isfinite(hessian)):
        return NO_HESSIAN
    eigenvalues = np.linalg.eigvalsh(hessian)
    if eigenvalues[0] <= eigenvalues[-1] * len(eigenvalues) * np.finfo(float).eps:
        return SINGULAR
    lane, evaluations = _shapes(replace(program.signature, dtype="float64"))
    leaves = jax.tree.leaves((lane.x, lane.state))
    if evaluations.key:
        return STOCHASTIC
    if evaluations.looped is not None:
        return LINE_SEARCH
    if any(leaf.dtype.kind != "f" for leaf in leaves):
        return NOT_FLOAT
    return TOO_LARGE if sum(leaf.size for leaf in leaves) > LARGEST else ""


def _distinct_settings(program: Program) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the distinct settings of the runs, and for every run the index of its own."""
    count = len(program)
    settings = {name: np.broadcast_to(np.asarray(value, float), count) for name, value in program.settings.items()}
    names = sorted(settings)
    # runs differ only in their settings, and grids repeat the same settings for each start
    table = np.stack([settings[name] for name in names], axis=1) if names else np.zeros((count, 1))
    distinct, rows = np.unique(table, axis=0, return_inverse=True)
    return {name: distinct[:, i] for i, name in enumerate(names)}, rows.reshape(-1)


def _rates(
    program: Program, minimiser: np.ndarray, hessian: np.ndarray, settings: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the rates and reasons of distinct settings."""
    n, here = len(minimiser), _local(program, minimiser, settings)
    radius, spectrum = _radius(here.jacobian)
    # a little along every eigenvector, so that no weight's gradient is zero there
    direction = np.linalg.eigh(hessian)[1] @ np.ones(n)
    gap = max(program.conditions.atol, program.conditions.rtol, 1e-12)
    away = np.sqrt(2 * gap / (direction @ hessian @ direction)) * direction
    # Two distances, because at a single one a nonlinear step may look linear by chance; and one with a filled memory.
    looks = []
    for share, warm in ((1.0, 0), (0.1, 0), (1.0, WARM)):
        # a start so close that repelling steps do not lead away
        close = share * away * np.maximum(np.nan_to_num(radius, nan=1.0)[:, None], 1.0) ** -warm
        looks.append(_local(program, minimiser + close, settings, warm))
    radii = [_radius_near(here, radius, near) for near in looks]
    straight = [_is_straight(here, near) for near in looks]
    linear = np.all([*straight, *(_alike(radius, other) for other in radii)], axis=0)
    still = np.abs(here.moved) <= 1e-6 * (1 + np.abs(minimiser).max())
    # if x enters a step alike at both places and yet the steps differ, the step jumps, as a gradient's sign does
    change = np.abs(looks[0].jacobian - here.jacobian)[:, :, :n].max(axis=(1, 2))
    jumps = ~straight[0] & (change <= 0.01 * np.maximum(radius, 1))
    reason = np.full(len(radius), "", dtype=object)
    # a later reason overrides an earlier one
    if not linear.all():
        reason[~linear] = _why_not_linear(program, minimiser, hessian, away, settings, radius)[~linear]
    reason[np.isnan(radius) & _alike(*radii[:2])] = NO_DERIVATIVE
    reason[np.abs(spectrum - 1).min(axis=1) <= 1e-13] = ADAPTIVE
    reason[~still[:, :n].all(axis=1)] = NOT_FIXED
    reason[~still[:, n:].all(axis=1)] = ADAPTIVE
    reason[jumps] = NOT_SMOOTH
    return np.where(reason == "", radius, np.nan), reason


def _radius(
    jacobians: Float[np.ndarray, "k d d"],
) -> tuple[Float[np.ndarray, "k"], Complex[np.ndarray, "k d"]]:
    """Compute the spectral radius of each of `jacobians`, NaN if one is not finite, and the spectra."""
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    spectrum = np.linalg.eigvals(np.where(finite[:, None, None], jacobians, 0.0))
    return np.where(finite, np.abs(spectrum).max(axis=1), np.nan), spectrum


def _radius_near(here: Local, radius: Float[np.ndarray, "k"], near: Local) -> Float[np.ndarray, "k"]:
    """Compute the spectral radius of each Jacobian `near`; where it is the one `here`, as on a quadratic, copy it."""
    same = np.abs(near.jacobian - here.jacobian).max(axis=(1, 2)) <= 1e-13 * np.maximum(radius, 1)
    radii = radius.copy()
    radii[~same] = _radius(near.jacobian[~same])[0]
    return radii


def _alike(rates: Float[np.ndarray, "k"], others: Float[np.ndarray, "k"]) -> Bool[np.ndarray, "k"]:
    """Decide where two rates would let a run take about as many steps; not where one is NaN."""
    return np.asarray(np.abs(rates - others) <= 0.25 * np.abs(1 - rates))


def _is_straight(here: Local, near: Local) -> Bool[np.ndarray, "k"]:
    """Decide where the step `near` the minimum differs from the one `here` by what the Jacobian here predicts."""
    error, change = near.at - here.at, near.moved - here.moved
    expected = np.einsum("kij,kj->ki", np.nan_to_num(here.jacobian), error) - error
    size = np.maximum(np.linalg.norm(change, axis=1), np.linalg.norm(expected, axis=1))
    # a solver that has arrived there, as Newton's has after some steps, shows rounding alone
    arrived = np.linalg.norm(error, axis=1) <= 1e-12 * (1 + np.abs(here.at).max(axis=1))
    return np.asarray(arrived | (np.linalg.norm(change - expected, axis=1) <= 0.25 * size))


def _why_not_linear(
    program: Program,
    minimiser: np.ndarray,
    hessian: np.ndarray,
    away: np.ndarray,
    settings: Mapping[str, np.ndarray],
    radius: np.ndarray,
) -> np.ndarray:
    """Say for each of `settings` why the step at the target differs from the one at the minimum: loss or solver."""
    there = hessian_at(surface_of(program), minimiser + away)
    quadratic = np.abs(there - hessian).max() <= 1e-3 * np.abs(hessian).max()
    reason = np.full(len(radius), ADAPTIVE if quadratic else NOT_QUADRATIC, dtype=object)
    if "eps" in settings:  # then eps may be the cause, not the loss
        other = _local(program, minimiser, {**settings, "eps": 100 * settings["eps"]})
        changed = ~_alike(radius, _radius(other.jacobian)[0])
        reason[changed & np.isfinite(radius)] = EPS
    return reason


def surface_of(program: Program) -> Surface:
    """Return the surface at the parameters of the first run of `program`."""
    return program.surface.with_parameters(
        **{name: float(np.asarray(value).flat[0]) for name, value in program.parameters.items()}
    )


@lru_cache(maxsize=256)
def _shapes(signature: Signature) -> tuple[Lane, Evaluations]:
    with jax.enable_x64(True):
        step = Step(signature)
        return step.template, step.evaluations


def _local(
    program: Program, x: Float[np.ndarray, "*k n"], settings: Mapping[str, Float[np.ndarray, "k"]], warm: int = 0
) -> Local:
    """Make one step with each of the `settings`, `warm` steps after the first state at `x`."""
    signature = replace(program.signature, dtype="float64")
    count = len(next(iter(settings.values()))) if settings else 1
    rows = np.broadcast_to(x, (count, x.shape[-1])), dict(settings)
    return compilation.in_chunks(_compiled(signature), CHUNK, rows, warm, program.all_data)
