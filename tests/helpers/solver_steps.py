"""All solvers in all conventions, and their steps compiled once for several surfaces."""

from __future__ import annotations

import zlib
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gdbench import compilation
from gdbench.solvers import SOLVERS
from gdbench.solvers.base import CONVENTION, PAPER
from gdbench.solvers.oracle import Oracle
from gdbench.surfaces import SURFACES

METHODS = {
    name if convention == PAPER else f"{name}-{convention}": solver
    for name in SOLVERS
    for convention, solver in {PAPER: SOLVERS[name], **SOLVERS[name].variants}.items()
}
FIRST: dict = {}


def compiled_for(solver):
    """The first solver with the same code: conventions that only have other defaults need not be compiled again."""
    options = tuple((key, value) for key, value in solver.options.items() if key != CONVENTION)
    return FIRST.setdefault((solver.function, solver.init, options), solver)


def settings_of(solver, rate):
    given = {name: rate if value is None else value for name, value in solver.hyperparameters.items()}
    return {**given, "learning_rate": rate} if "learning_rate" in given else given


def typed(surface, dtype):
    parameters = {name: np.asarray(value, dtype) for name, value in surface.parameters.items()}
    data = [np.asarray(array, dtype) for array in surface.data]
    return lambda x: surface.function(x, *data, **parameters, **surface.options)


@cache
def answers(name, dtype):
    """What an oracle tells of a surface, traced once for all solvers."""
    f = typed(SURFACES[name], dtype)
    told = {
        "value": lambda f: f,
        "grad": jax.grad,
        "value_and_grad": jax.value_and_grad,
        "hessian": jax.hessian,
        "hvp": lambda f: lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1],
    }
    return {question: jax.jit(tell(f)) for question, tell in told.items()}


class OracleOfSeveral(Oracle):
    """The oracle of one of several surfaces, the one whose `number` is traced: one compilation serves them all."""

    def __init__(self, names, dtype, number):
        super().__init__(None)
        told = [answers(name, dtype) for name in names]
        for question in told[0]:
            functions = [each[question] for each in told]
            setattr(self, question, lambda *x, functions=functions: lax.switch(number, functions, *x))


@cache
def compiled_steps(solver, names, dtype):
    """`(number of the surface, (x, state), settings, steps) -> (x, state)`; it stops where the loss is -infinity."""

    def run(number, lane, settings, steps):
        oracle = OracleOfSeveral(names, dtype, number)

        def going(carry):
            return (carry[0] < steps) & (oracle.value(carry[1][0]) > -jnp.inf)

        def body(carry):
            return carry[0] + 1, solver.step(oracle, *carry[1], **settings, **solver.options)

        return lax.while_loop(going, body, (jnp.int32(0), lane))[1]

    return jax.jit(run, compiler_options=compilation.known(compilation.ONCE))


def lane_of(solver, surface, rate, dtype):
    """The lane of a run at its start, and the settings."""
    settings = {name: jnp.asarray(value, dtype) for name, value in settings_of(solver, rate).items()}
    start = jnp.asarray(surface.start_point(surface.dimension), dtype)
    return (start, solver.initial_state(start, **settings, **solver.options)), settings


@cache
def slopes_and_curvatures():
    """At the start of every surface."""
    with jax.enable_x64(True):
        return {
            surface.name: [
                np.asarray(jax.jit(of(surface))(surface.start_point(surface.dimension)))
                for of in (jax.grad, jax.hessian)
            ]
            for surface in SURFACES.values()
        }


def small_rate(surface):
    """A rate that is small beside slope and curvature at the start, of which momentum adds up a hundred steps."""
    slope, curvature = slopes_and_curvatures()[surface.name]
    return 0.1 / max(100.0, np.linalg.norm(slope), np.linalg.norm(curvature, 2))


def may_stand_still(solver, surface):
    """Whether nothing leads away from the start, or only a curvature that is singular."""
    slope, curvature = slopes_and_curvatures()[surface.name]
    singular = np.linalg.matrix_rank(curvature) < len(slope)
    return not slope.any() or (singular and "learning_rate" not in solver.hyperparameters)


def some_surfaces(solver, dtype):
    """Rosenbrock's and seven more, others for each solver and type."""
    others = [name for name in SURFACES if name != "rosenbrock"]
    seed = zlib.crc32(f"{solver.name} {solver.note} {dtype}".encode())
    return ["rosenbrock", *np.random.default_rng(seed).permutation(others)[:7]]


def by_dimension(names):
    """The names, sorted, in one tuple for every dimension."""
    dimensions = {SURFACES[name].dimension for name in names}
    return {n: tuple(name for name in sorted(names) if SURFACES[name].dimension == n) for n in sorted(dimensions)}
