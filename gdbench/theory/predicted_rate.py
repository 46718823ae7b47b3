"""What theory predicts of a solver near a minimiser, or why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from gdbench import compilation
from gdbench.engine.program import Program
from gdbench.engine.signature import Signature, split_settings
from gdbench.engine.step import Step
from gdbench.solvers.oracle import Oracle
from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import hessian_at

CHUNK = 64
# numbers in the data that so many settings may pass over at once
MANY = 2**14
# above so many numbers in (x, state) the eigenvalues cost more than the runs
LARGEST = 256
# steps after which a memory, if there is one, holds something
WARM = 3

# why no rate is predicted
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
    """Of every run the asymptotic factor `rate` `[runs]`, or NaN and the `reason` `[runs]` why none exists."""

    rate: np.ndarray
    reason: np.ndarray


class Local(NamedTuple):
    """A step from `at` `[.., d]`, which is (x, state) as one vector: how far it `moved` and its `jacobian` there."""

    at: Any
    moved: Any
    jacobian: Any


@lru_cache(maxsize=256)
def _compiled(signature: Signature) -> Callable[..., Any]:
    """`((x [CHUNK, n], settings [CHUNK]), count, warm, data) -> Local`: of one step, after `warm` steps from x."""
    step = Step(signature)

    def one(x: Any, warm: Any, settings: Any, data: Any) -> Any:
        hyperparameters, parameters = split_settings(settings)
        objective = step.objective(parameters, step.split(data)[0])

        def update(_: Any, at: Any) -> Any:
            x, state = at
            return step.update(Oracle(objective), x, state, hyperparameters)

        at = lax.fori_loop(0, warm, update, (x, step.fresh(x, hyperparameters).state))
        flat, unravel = ravel_pytree(at)

        def moved(flat: Any) -> Any:
            return ravel_pytree(update(0, unravel(flat)))[0]

        return Local(flat, moved(flat) - flat, jax.jacfwd(moved)(flat))

    def several(rows: Any, count: Any, warm: Any, data: Any) -> Any:
        x, settings = rows
        if sum(map(np.size, data)) <= MANY:
            return jax.vmap(one, (0, None, 0, None))(x, warm, settings, data)
        # a Jacobian takes as many passes over the examples as it has columns: one setting after the other
        return lax.map(lambda own: one(own[0], warm, own[1], data), (x, settings))

    return jax.jit(several, compiler_options=compilation.known(compilation.ONCE))


def rates_predicted(program: Program, minimiser: np.ndarray, hessian: np.ndarray) -> Prediction:
    """The asymptotic factor by which a step of every run shrinks the distance to `minimiser` `[n]`, NaN where none is.

    It is the spectral radius of the Jacobian of one step in (x, state), taken at the minimiser and the state before the
    first step. It exists where the Hessian there is positive definite, where that point is an isolated fixed point
    (Adam's step count moves on, Adagrad's sum can stay anywhere), and where the step is still nearly linear at the
    distance of the target, with a memory that has seen some steps (RMSprop's is not: its eps, which decides at the
    minimiser, decides nothing there). With stochastic gradients the iterate does not shrink towards the minimiser at
    any rate, but scatters about it; under a schedule no two steps are alike. Above 1 the minimiser repels. Raises what
    a plug-in's step raises.
    """
    count = len(program)
    if reason := _refusal(program, minimiser, hessian):
        return Prediction(np.full(count, np.nan), np.full(count, reason, dtype=object))
    settings, rows = _distinct_settings(program)
    rates, reasons = _rates(program, minimiser, hessian, settings)
    return Prediction(rates[rows], reasons[rows])


def jacobian_at(program: Program, minimiser: np.ndarray) -> np.ndarray:
    """The Jacobian `[d, d]` of a step of the first run at the minimiser: what `rates_predicted` takes the radius of."""
    settings, rows = _distinct_settings(program)
    first = {name: values[rows[:1]] for name, values in settings.items()}
    return np.asarray(_local(program, minimiser, first).jacobian[0])


def linear_errors(program: Program, minimiser: np.ndarray, jacobian: np.ndarray, steps: int) -> np.ndarray:
    """The errors `[steps + 1, n]` that the first run of `program` would make if `jacobian` held from its start on."""
    step = Step(replace(program.signature, dtype="float64"))
    hyperparameters = {name: float(np.asarray(value).flat[0]) for name, value in program.hyperparameters.items()}
    with jax.enable_x64(True):
        points = (np.asarray(x, float) for x in (program.starts[0], minimiser))
        flat = [ravel_pytree((x, step.fresh(x, hyperparameters).state))[0] for x in map(jax.numpy.asarray, points)]
    errors, power = np.asarray(flat[0] - flat[1])[None], np.asarray(jacobian)
    # twice as many in every turn
    with np.errstate(over="ignore", invalid="ignore"):
        while len(errors) <= steps:
            errors = np.concatenate([errors, errors @ power.T])
            power = power @ power
    return errors[: steps + 1, : len(minimiser)]


def _refusal(program: Program, minimiser: np.ndarray, hessian: np.ndarray) -> str:
    """Why no run of `program` has a rate, "" where that is not yet said."""
    if program.stochastic:
        return STOCHASTIC
    if program.scheduled:
        return SCHEDULED
    if not len(minimiser):
        return NO_MINIMISER
    bounds = program.signature.bounds
    if bounds is not None and np.isclose(minimiser, np.array(bounds), rtol=1e-6, atol=1e-6).any():
        return ON_BOUND  # beyond which every iterate is put back: the step has a kink there
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
    """The different settings of the runs, each `[distinct]`, and for every run the number of its own."""
    count = len(program)
    settings = {name: np.broadcast_to(np.asarray(value, float), count) for name, value in program.settings.items()}
    names = sorted(settings)
    # only the settings differ from run to run; the same ones need no second look, and grids repeat them per start
    table = np.stack([settings[name] for name in names], axis=1) if names else np.zeros((count, 1))
    distinct, rows = np.unique(table, axis=0, return_inverse=True)
    return {name: distinct[:, i] for i, name in enumerate(names)}, rows.reshape(-1)


def _rates(
    program: Program, minimiser: np.ndarray, hessian: np.ndarray, settings: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Rates and reasons of distinct settings, both `[distinct]`."""
    n, here = len(minimiser), _local(program, minimiser, settings)
    radius, spectrum = _radius(here.jacobian)
    # every direction a little, so that no weight's gradient is zero there
    direction = np.linalg.eigh(hessian)[1] @ np.ones(n)
    gap = max(program.atol, program.rtol, 1e-12)
    away = np.sqrt(2 * gap / (direction @ hessian @ direction)) * direction
    # at two distances: at a single one a step that is not linear can look so by chance; and where its memory is filled
    looks = []
    for share, warm in ((1.0, 0), (0.1, 0), (1.0, WARM)):
        # so close that a step which repels does not lead away
        close = share * away * np.maximum(np.nan_to_num(radius, nan=1.0)[:, None], 1.0) ** -warm
        looks.append(_local(program, minimiser + close, settings, warm))
    radii = [_radius_near(here, radius, near) for near in looks]
    straight = [_is_straight(here, near) for near in looks]
    linear = np.all([*straight, *(_alike(radius, other) for other in radii)], axis=0)
    still = np.abs(here.moved) <= 1e-6 * (1 + np.abs(minimiser).max())
    # x has the same say in a step at both places, and yet the step differs: it jumps, as the sign of a gradient does
    change = np.abs(looks[0].jacobian - here.jacobian)[:, :, :n].max(axis=(1, 2))
    jumps = ~straight[0] & (change <= 0.01 * np.maximum(radius, 1))
    reason = np.full(len(radius), "", dtype=object)
    # what counts before another comes after it
    if not linear.all():
        reason[~linear] = _why_not_linear(program, minimiser, hessian, away, settings, radius)[~linear]
    reason[np.isnan(radius) & _alike(*radii[:2])] = NO_DERIVATIVE
    reason[np.abs(spectrum - 1).min(axis=1) <= 1e-13] = ADAPTIVE
    reason[~still[:, :n].all(axis=1)] = NOT_FIXED
    reason[~still[:, n:].all(axis=1)] = ADAPTIVE
    reason[jumps] = NOT_SMOOTH
    return np.where(reason == "", radius, np.nan), reason


def _radius(jacobians: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spectral radius `[k]` of each of `jacobians` `[k, d, d]`, NaN where one is not finite, and the spectra."""
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    spectrum = np.linalg.eigvals(np.where(finite[:, None, None], jacobians, 0.0))
    return np.where(finite, np.abs(spectrum).max(axis=1), np.nan), spectrum


def _radius_near(here: Local, radius: np.ndarray, near: Local) -> np.ndarray:
    """The spectral radius `[k]` of each Jacobian `near`; where it is the one `here`, as on a quadratic, it is known."""
    known = np.abs(near.jacobian - here.jacobian).max(axis=(1, 2)) <= 1e-13 * np.maximum(radius, 1)
    found = radius.copy()
    found[~known] = _radius(near.jacobian[~known])[0]
    return found


def _alike(rates: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where two rates `[k]` would let a run take about as many steps; not where one is NaN."""
    return np.asarray(np.abs(rates - others) <= 0.25 * np.abs(1 - rates))


def _is_straight(here: Local, near: Local) -> np.ndarray:
    """Where `[k]` the step `near` the minimum differs from the one `here` by what the Jacobian here says."""
    error, found = near.at - here.at, near.moved - here.moved
    expected = np.einsum("kij,kj->ki", np.nan_to_num(here.jacobian), error) - error
    size = np.maximum(np.linalg.norm(found, axis=1), np.linalg.norm(expected, axis=1))
    # a solver that has arrived there, as Newton's has after some steps, shows rounding alone
    arrived = np.linalg.norm(error, axis=1) <= 1e-12 * (1 + np.abs(here.at).max(axis=1))
    return np.asarray(arrived | (np.linalg.norm(found - expected, axis=1) <= 0.25 * size))


def _why_not_linear(
    program: Program,
    minimiser: np.ndarray,
    hessian: np.ndarray,
    away: np.ndarray,
    settings: Mapping[str, np.ndarray],
    radius: np.ndarray,
) -> np.ndarray:
    """Why the step differs at the target from what it is at the minimum, for each of `settings`: loss or solver."""
    there = hessian_at(surface_of(program), minimiser + away)
    quadratic = np.abs(there - hessian).max() <= 1e-3 * np.abs(hessian).max()
    reason = np.full(len(radius), ADAPTIVE if quadratic else NOT_QUADRATIC, dtype=object)
    if "eps" in settings:  # then it is not for the loss alone
        other = _local(program, minimiser, {**settings, "eps": 100 * settings["eps"]})
        changed = ~_alike(radius, _radius(other.jacobian)[0])
        reason[changed & np.isfinite(radius)] = EPS
    return reason


def surface_of(program: Program) -> Surface:
    """The surface at the parameters of the first run of `program`."""
    return program.surface.with_parameters(
        **{name: float(np.asarray(value).flat[0]) for name, value in program.parameters.items()}
    )


@lru_cache(maxsize=256)
def _shapes(signature: Signature) -> Any:
    with jax.enable_x64(True):
        return Step(signature).probe()


def _local(program: Program, x: np.ndarray, settings: Mapping[str, np.ndarray], warm: int = 0) -> Local:
    """One step of each of the `settings` `[k]`, `warm` steps after the first state at `x` `[n]` or `[k, n]`."""
    signature = replace(program.signature, dtype="float64")
    count = len(next(iter(settings.values()))) if settings else 1
    rows = np.broadcast_to(x, (count, x.shape[-1])), dict(settings)
    return compilation.in_chunks(_compiled(signature), CHUNK, rows, warm, program.all_data)
