"""Every registered solver keeps the contract; ours agree with optax and with Ruder's formulas written in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from programs import iterates, program_of

from gdbench.engine import execute
from gdbench.oracle import Oracle
from gdbench.solvers import SOLVERS
from gdbench.surfaces import SURFACES

every_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=list(SOLVERS))


def settings_of(solver, rate):
    given = {name: rate if value is None else value for name, value in solver.hyperparameters.items()}
    return {**given, "learning_rate": rate} if "learning_rate" in given else given


# ---- the contract of the registry


@every_solver
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keeps_its_type_and_stays_finite_on_every_surface(solver, dtype):
    def hundred_steps(x, surface, parameters, data, settings):
        oracle = Oracle(lambda x: surface.function(x, *data, **parameters, **surface.options))
        step = lambda _, lane: solver.step(oracle, *lane, **settings, **solver.options)  # noqa: E731
        return jax.lax.fori_loop(0, 100, step, (x, solver.initial_state(x)))

    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        # 1e-6 is stable on all: the steepest curvature is 40 000
        settings = {name: jnp.asarray(value, dtype) for name, value in settings_of(solver, 1e-6).items()}
        for surface in SURFACES.values():
            start = jnp.asarray(surface.start_point(surface.dimension), dtype)
            parameters = {name: jnp.asarray(value, dtype) for name, value in surface.parameters.items()}
            data = [jnp.asarray(array, dtype) for array in surface.data]
            before = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (start, solver.initial_state(start)))
            lane = jax.jit(hundred_steps, static_argnums=1)(start, surface, parameters, data, settings)
            assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), lane) == before, surface.name
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(lane)), surface.name
            assert not np.array_equal(lane[0], start), surface.name


class Spy:
    """An oracle that counts what it is asked, apart from gdbench's own count."""

    def __init__(self, oracle):
        self.oracle, self.calls = oracle, {"value": 0, "grad": 0, "hess": 0}

    def __getattr__(self, name):
        kinds = {
            "value": ["value"],
            "grad": ["grad"],
            "value_and_grad": ["value", "grad"],
            "hessian": ["hess"],
            "hvp": ["hess"],
        }.get(name, [])
        for kind in kinds:
            self.calls[kind] += 1
        return getattr(self.oracle, name)


@every_solver
def test_counts_the_evaluations_that_it_makes(solver):
    surface = SURFACES["rosenbrock"]
    functions = []

    def counted(x):
        functions.append(1)
        return surface(x)

    with jax.enable_x64(True):
        x = jnp.asarray(surface.start_point(2))
        spy = Spy(Oracle(counted))
        solver.step(spy, x, solver.initial_state(x), **settings_of(solver, 1e-4), **solver.options)
    assert sum(spy.calls.values()) > 0
    # the function itself is traced once for every question, and value_and_grad is one question that counts twice
    assert sum(spy.calls.values()) / 2 <= len(functions) <= sum(spy.calls.values())
    records = execute(program_of("rosenbrock", solver, 1e-4, steps=7, known_minimum=False))
    assert records.steps.tolist() == [7]
    assert records.value_evals.tolist() == [7 * spy.calls["value"]]
    assert records.grad_evals.tolist() == [7 * spy.calls["grad"]]
    assert records.hess_evals.tolist() == [7 * spy.calls["hess"]]


@every_solver
def test_uses_every_entry_of_its_state(solver):
    surface = SURFACES["rosenbrock"]
    with jax.enable_x64(True):
        oracle = Oracle(surface)

        def steps(count, x, state):
            for _ in range(count):
                x, state = solver.step(oracle, x, state, **settings_of(solver, 1e-3), **solver.options)
            return x, state

        x = jnp.asarray(surface.start_point(2))
        x, state = steps(3, x, solver.initial_state(x))
        leaves, tree = jax.tree.flatten(state)
        after = steps(2, x, state)[0]
        for place, leaf in enumerate(leaves):
            bent = [other * 1.5 + 0.25 if i == place else other for i, other in enumerate(leaves)]
            assert leaf.dtype == bent[place].dtype
            moved = steps(2, x, jax.tree.unflatten(tree, bent))[0]
            assert not np.array_equal(moved, after), f"entry {place} of {solver.state} changes nothing"


# ---- optax, through the compiled path

OPTAX = {
    # name: (rates on rosenbrock and the ellipse, hyperparameters, optax's own)
    "sgd": ((1e-3, 0.03), {}, lambda lr: optax.sgd(lr)),
    "momentum": ((5e-4, 0.02), {"momentum": 0.9}, lambda lr: optax.sgd(lr, momentum=0.9)),
    "nesterov": ((5e-4, 0.01), {"momentum": 0.9}, lambda lr: optax.sgd(lr, momentum=0.9, nesterov=True)),
    "rmsprop": (
        (1e-3, 0.01),
        {"decay": 0.9, "eps": 1e-8},
        lambda lr: optax.rmsprop(lr, decay=0.9, eps=1e-8, eps_in_sqrt=True, initial_scale=0.0),
    ),
    "adagrad": ((0.1, 0.3), {"eps": 1e-8}, lambda lr: optax.adagrad(lr, initial_accumulator_value=0.0, eps=1e-8)),
    "adam": (
        (0.02, 0.1),
        {"b1": 0.9, "b2": 0.999, "eps": 1e-8},
        lambda lr: optax.adam(lr, b1=0.9, b2=0.999, eps=1e-8, eps_root=0.0),
    ),
}
ROTATED = {"condition": 50.0, "angle": 30.0}


def optax_iterates(transformation, f, x):
    with jax.enable_x64(True):

        @jax.jit
        def step(x, state):
            updates, state = transformation.update(jax.grad(f)(x), state, x)
            return optax.apply_updates(x, updates), state

        x = jnp.asarray(x, jnp.float64)
        state, found = transformation.init(x), [np.asarray(x)]
        for _ in range(100):
            x, state = step(x, state)
            found.append(np.asarray(x))
    return np.array(found)


@pytest.mark.parametrize("name", OPTAX)
@pytest.mark.parametrize(("place", "surface", "param"), [(0, "rosenbrock", {}), (1, "ellipse", ROTATED)])
def test_agrees_with_optax(name, place, surface, param):
    rates, settings, make = OPTAX[name]
    made = SURFACES[surface].with_parameters(**param)
    ours = iterates(surface, name, rates[place], param=param, **settings)
    if name == "nesterov":
        # optax returns the look-ahead points y = x - m v, v being the last step taken
        velocity = -np.diff(ours, axis=0, prepend=ours[:1])
        ours = ours - settings["momentum"] * velocity
    theirs = optax_iterates(make(rates[place]), made, made.start_point(2))
    assert np.abs(theirs[-1] - theirs[0]).max() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


# ---- Ruder 2016, sections 2 and 4, in numpy, on the rotated ellipse with its gradient by hand


def hessian_of(param):
    turn = np.deg2rad(param["angle"])
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return axes.T @ np.diag([1.0, param["condition"]]) @ axes


def ruder(name, gradient, x, lr, settings):
    m = settings.get("momentum", 0.0)
    v = g2 = mean = np.zeros_like(x)
    found = [x]
    for t in range(1, 101):
        if name == "sgd":
            x = x - lr * gradient(x)
        elif name == "momentum":
            v = m * v + lr * gradient(x)
            x = x - v
        elif name == "nesterov":
            v = m * v + lr * gradient(x - m * v)
            x = x - v
        elif name == "adagrad":
            g = gradient(x)
            g2 = g2 + g**2
            x = x - lr / np.sqrt(g2 + settings["eps"]) * g
        elif name == "rmsprop":
            g = gradient(x)
            g2 = settings["decay"] * g2 + (1 - settings["decay"]) * g**2
            x = x - lr / np.sqrt(g2 + settings["eps"]) * g
        elif name == "adam":
            g, b1, b2 = gradient(x), settings["b1"], settings["b2"]
            mean, g2 = b1 * mean + (1 - b1) * g, b2 * g2 + (1 - b2) * g**2
            x = x - lr / (np.sqrt(g2 / (1 - b2**t)) + settings["eps"]) * mean / (1 - b1**t)
        found.append(x)
    return np.array(found)


@pytest.mark.parametrize("name", OPTAX)
def test_agrees_with_ruders_formulas(name):
    rates, settings, _ = OPTAX[name]
    ours = iterates("ellipse", name, rates[1], param=ROTATED, **settings)
    theirs = ruder(name, hessian_of(ROTATED).dot, np.ones(2), rates[1], settings)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_adam_goes_on_when_its_powers_are_far_below_one():
    # 0.1 to the power of 400 is zero in float64, to the power of 40 below what we let it sink to
    settings = {"b1": 0.1, "b2": 0.1, "eps": 1e-8}
    ours = iterates("ellipse", "adam", 0.01, steps=400, param=ROTATED, **settings)
    assert np.isfinite(ours).all()
    theirs = ruder("adam", hessian_of(ROTATED).dot, np.ones(2), 0.01, settings)
    # later it jumps to and fro across the valley, where the last bit grows
    np.testing.assert_allclose(ours[:51], theirs[:51], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rate", [0.001, 0.019, 0.0201])
def test_sgd_on_a_quadratic_is_a_power(rate):
    eigenvalues = np.array([1.0, 100.0])
    powers = np.arange(101)[:, None]
    # at 0.0201 the steep direction grows by 1.01 a step
    closed = (1 - rate * eigenvalues) ** powers * np.array([1.0, 1.0])
    np.testing.assert_allclose(iterates("ellipse", "sgd", rate), closed, rtol=1e-12, atol=1e-14)
