"""Adagrad, RMSprop, Adadelta, gains and Rprop agree with torch, optax, their formulas in numpy and closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg
from helpers.programs import iterates
from helpers.torch_record import recorded

from gdbench.solvers import SOLVERS
from gdbench.solvers.oracle import Oracle
from gdbench.surfaces import SURFACES

ROTATED = {"condition": 50.0, "angle": 30.0}
STEPS = 200


def hessian_of(param):
    turn = np.deg2rad(param["angle"])
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return axes.T @ np.diag([1.0, param["condition"]]) @ axes


def assert_same_iterates(ours, theirs):
    assert np.abs(theirs[-1] - theirs[0]).max() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def fed(solver, gradients, **settings):
    """The iterates `[steps + 1, n]` from 0 where the gradient of each step is given, `[steps, n]` or `[steps]`."""
    gradients = np.asarray(gradients, float).reshape(len(gradients), -1)
    settings = {**solver.hyperparameters, **solver.options, **settings}
    with jax.enable_x64(True):

        def step(lane, gradient):
            x, state = solver.step(Oracle(lambda x: gradient @ x), *lane, **settings)
            return (x, state), x

        x = jnp.zeros(gradients.shape[1])
        found = jax.lax.scan(step, (x, solver.initial_state(x, **settings)), gradients)[1]
    return np.concatenate([[x], found])


# ---- torch

TORCH = {
    # recorded case: (solver, rate, hyperparameters)
    "adagrad": ("adagrad", 0.5, {}),
    "adagrad-decayed": ("adagrad", 0.3, {"lr_decay": 0.01, "initial_accumulator_value": 0.5}),
    "rmsprop": ("rmsprop", 5e-3, {}),
    "rmsprop-centered": ("rmsprop", 2e-4, {"decay": 0.9, "eps": 1e-2, "momentum": 0.9, "centered": True}),
    "adadelta": ("adadelta", 1.0, {}),
    "rprop": ("rprop", 1e-3, {}),
}


@pytest.mark.parametrize("case", TORCH)
def test_agrees_with_torch(case):
    name, rate, settings = TORCH[case]
    ours = iterates("rosenbrock", SOLVERS[name].variant("torch"), rate, steps=STEPS, **settings)
    assert_same_iterates(ours, recorded(case))


# ---- optax

OPTAX = {
    # name: (rates on rosenbrock and the ellipse, hyperparameters, optax's own)
    "adagrad": ((0.5, 0.3), {}, lambda lr: optax.adagrad(lr)),
    "rmsprop": ((1e-3, 2e-3), {}, lambda lr: optax.rmsprop(lr)),
    "adadelta": ((1.0, 3.0), {}, lambda lr: optax.adadelta(lr)),
    "rprop": ((1e-3, 1e-2), {"up": 1.3, "down": 0.4}, lambda lr: optax.rprop(lr, eta_minus=0.4, eta_plus=1.3)),
}
ON = pytest.mark.parametrize(
    ("place", "surface", "param"), [(0, "rosenbrock", {}), (1, "ellipse", ROTATED)], ids=["rosenbrock", "ellipse"]
)


def optax_iterates(transformation, surface, param):
    f = SURFACES[surface].with_parameters(**param)
    with jax.enable_x64(True):

        @jax.jit
        def step(x, state):
            updates, state = transformation.update(jax.grad(f)(x), state, x)
            return optax.apply_updates(x, updates), state

        x = jnp.asarray(f.start_point(2), jnp.float64)
        state, found = transformation.init(x), [np.asarray(x)]
        for _ in range(STEPS):
            x, state = step(x, state)
            found.append(np.asarray(x))
    return np.array(found)


@pytest.mark.parametrize("name", OPTAX)
@ON
def test_agrees_with_optax(name, place, surface, param):
    rates, settings, make = OPTAX[name]
    ours = iterates(surface, SOLVERS[name].variant("optax"), rates[place], steps=STEPS, param=param, **settings)
    assert_same_iterates(ours, optax_iterates(make(rates[place]), surface, param))


# the papers' definitions, as optax can be bent into them
BENT = {
    "adagrad": lambda lr: optax.adagrad(lr, initial_accumulator_value=0.0, eps=1e-8),
    "rmsprop": lambda lr: optax.rmsprop(lr, decay=0.9, eps=1e-8, eps_in_sqrt=True, initial_scale=0.0),
}


@pytest.mark.parametrize("name", BENT)
def test_the_papers_definition_agrees_with_optax_bent_to_it(name):
    rate, settings = BY_HAND[name]
    ours = iterates("ellipse", name, rate, steps=STEPS, param=ROTATED, **settings)
    assert_same_iterates(ours, optax_iterates(BENT[name](rate), "ellipse", ROTATED))


def test_optaxs_adagrad_makes_no_step_where_there_was_no_gradient():
    gradients = np.array([[0.0, 1.0], [2.0, 0.0]])
    found = fed(
        SOLVERS["adagrad"].variant("optax"), gradients, learning_rate=0.1, initial_accumulator_value=0.0, eps=0.0
    )
    np.testing.assert_allclose(found, [[0, 0], [0, -0.1], [-0.1, -0.1]], atol=1e-15)


def test_without_a_rate_optaxs_adadelta_climbs():
    # what the note of our convention warns of
    updates = {}
    for rate in (None, 1.0):
        transformation = optax.adadelta(rate)
        updates[rate] = transformation.update(jnp.ones(1), transformation.init(jnp.ones(1)), jnp.ones(1))[0]
    assert updates[None] > 0 > updates[1.0]
    assert "climbs" in SOLVERS["adadelta"].variant("optax").note


# ---- each library's defaults, at a gradient of 1 and a rate of 1

FIRST = {
    ("adagrad", "paper"): 1.0,
    ("adagrad", "torch"): 1.0,
    ("adagrad", "optax"): 1.1**-0.5,  # 0.9535
    ("rmsprop", "paper"): 0.1**-0.5,  # 3.162
    ("rmsprop", "torch"): 10.0,
    ("rmsprop", "optax"): 0.1**-0.5,
    ("adadelta", "paper"): (1e-6 / 0.05) ** 0.5,
    ("adadelta", "torch"): (1e-6 / 0.1) ** 0.5,
    ("adadelta", "optax"): (1e-6 / 0.1) ** 0.5,
    ("rprop", "paper"): 1.0,
    ("rprop", "torch"): 1.0,
    ("rprop", "optax"): 0.0,  # it comes one step late
    ("gains", "paper"): 1.0,
}


@pytest.mark.parametrize(("name", "convention"), FIRST)
def test_the_first_step_is_that_of_the_defaults(name, convention):
    step = -fed(SOLVERS[name].variant(convention), [1.0], learning_rate=1.0)[1, 0]
    # what the first digits do not see is each eps
    np.testing.assert_allclose(step, FIRST[name, convention], rtol=2e-5)


def test_every_convention_that_a_library_has_is_here():
    for name in {name for name, _ in FIRST}:
        assert ["paper", *SOLVERS[name].variants] == [convention for other, convention in FIRST if other == name]


# ---- the papers' formulas in numpy, on the rotated ellipse with its gradient by hand


def by_hand(name, gradient, x, lr, *, decay=0.9, rho=0.95, eps=1e-8, up=0.0, down=0.0, low=0.0, high=0.0):
    """Ruder 2016, sections 4.3 to 4.5; Duchi et al. 2011; Hinton's lecture 6, weight by weight."""
    squares, steps, matrix = np.zeros_like(x), np.zeros_like(x), np.zeros((len(x), len(x)))
    last, size, found = np.zeros_like(x), np.full_like(x, lr if name == "rprop" else 1.0), [x]
    for _ in range(STEPS):
        g = gradient(x)
        if name == "adagrad":
            squares = squares + g**2
            x = x - lr / np.sqrt(squares + eps) * g
        elif name == "rmsprop":
            squares = decay * squares + (1 - decay) * g**2
            x = x - lr / np.sqrt(squares + eps) * g
        elif name == "adadelta":
            squares = rho * squares + (1 - rho) * g**2
            step = -np.sqrt(steps + eps) / np.sqrt(squares + eps) * g
            steps = rho * steps + (1 - rho) * step**2
            x = x + lr * step
        elif name == "adagrad-full":
            matrix = matrix + np.outer(g, g)
            x = x - lr * np.linalg.inv(eps * np.eye(len(x)) + scipy.linalg.sqrtm(matrix)) @ g
        else:
            for i in range(len(x)):
                if g[i] * last[i] > 0:
                    size[i] = min(size[i] + up if name == "gains" else size[i] * up, high)
                elif g[i] * last[i] < 0:
                    size[i] = max(size[i] * down, low)
            x = x - (lr * size * g if name == "gains" else size * np.sign(g))
            last = g
        found.append(x)
    return np.array(found)


BY_HAND = {
    "adagrad": (0.3, {"eps": 1e-8}),
    "rmsprop": (2e-3, {"decay": 0.9, "eps": 1e-8}),
    "adadelta": (1.0, {"rho": 0.95, "eps": 1e-6}),
    # a larger eps: the first matrix is singular, and what sqrtm leaves across the gradient there is divided by eps
    "adagrad-full": (0.3, {"eps": 0.01}),
    "gains": (0.002, {"up": 0.05, "down": 0.95, "low": 0.1, "high": 10.0}),
    "rprop": (0.01, {"up": 1.2, "down": 0.5, "low": 1e-6, "high": 50.0}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_agrees_with_the_papers_formulas(name):
    rate, settings = BY_HAND[name]
    ours = iterates("ellipse", name, rate, steps=STEPS, param=ROTATED, **settings)
    assert_same_iterates(ours, by_hand(name, hessian_of(ROTATED).dot, np.ones(2), rate, **settings))


@pytest.mark.parametrize("name", ["gains", "rprop"])
def test_keeps_to_its_bounds(name):
    # so narrow that both are met
    settings = {**BY_HAND[name][1], "low": 0.006, "high": 0.03}
    if name == "gains":
        settings |= {"low": 0.9, "high": 1.5}
    ours = iterates("ellipse", name, 0.01, steps=STEPS, param=ROTATED, **settings)
    theirs = by_hand(name, hessian_of(ROTATED).dot, np.ones(2), 0.01, **settings)
    free = by_hand(name, hessian_of(ROTATED).dot, np.ones(2), 0.01, **BY_HAND[name][1])
    assert np.abs(theirs - free).max() > 1e-3
    assert_same_iterates(ours, theirs)


# ---- gains and Rprop: closed forms


def test_a_gain_grows_by_a_sum_while_the_sign_stays():
    # 1, 1.05, 1.10, .. up to 10, which it meets at step 181
    gain = np.minimum(1 + 0.05 * np.arange(250), 10.0)
    found = fed(SOLVERS["gains"], np.full(250, -0.3), learning_rate=0.02)
    np.testing.assert_allclose(np.diff(found[:, 0]), 0.02 * gain * 0.3, rtol=1e-12)


def test_a_gain_shrinks_by_a_power_while_the_sign_turns():
    gradients = 0.3 * (-1.0) ** np.arange(80)
    found = fed(SOLVERS["gains"], gradients, learning_rate=0.02)
    gain = np.maximum(0.95 ** np.arange(80), 0.1)  # met at step 46
    np.testing.assert_allclose(np.diff(found[:, 0]), -0.02 * gain * gradients, rtol=1e-12)


@pytest.mark.parametrize("name", ["gains", "rprop"])
def test_a_zero_gradient_neither_agrees_nor_differs(name):
    # two that are tiny agree, although their product is zero
    gradients = [1.0, 0.0, 1.0, 1.0, 1e-200, -1e-200, -1.0]
    found = np.diff(fed(SOLVERS[name], gradients, learning_rate=0.01)[:, 0])
    if name == "gains":
        gain = np.array([1, 1, 1, 1.05, 1.1, 1.1 * 0.95, 1.1 * 0.95 + 0.05])
        wanted = -0.01 * gain * gradients
    else:
        wanted = -0.01 * np.sign(gradients) * [1, 1, 1, 1.2, 1.44, 0.72, 0.864]
    # in a step of 1e-200 only the next one tells: the sum of both is the larger
    np.testing.assert_allclose(found, np.where(np.abs(wanted) < 1e-100, 0.0, wanted), rtol=1e-12, atol=1e-17)


def test_rprop_moves_as_the_course_says():
    # nine gradients of 0.1 and one of -0.9: 0.1 (1.2⁹ - 1) / 0.2 down, then half of 0.1 · 1.2⁸ back
    gradients = [0.1] * 9 + [-0.9]
    found = fed(SOLVERS["rprop"], gradients, learning_rate=0.1)[-1, 0]
    np.testing.assert_allclose(found, -0.1 * (1.2**9 - 1) / 0.2 + 0.05 * 1.2**8, rtol=1e-12)
    np.testing.assert_allclose(found, -1.865, atol=5e-4)  # the number that is quoted
    # torch rests in the tenth step, optax is then a step behind as well
    down = -0.1 * (1.2 ** np.array([9, 8]) - 1) / 0.2
    found = [fed(SOLVERS["rprop"].variant(other), gradients, learning_rate=0.1)[-1, 0] for other in ("torch", "optax")]
    np.testing.assert_allclose(found, down, rtol=1e-12)


def test_rprop_sees_only_signs():
    gradients = np.random.default_rng(0).standard_normal((60, 3))
    scaled = gradients * 10.0 ** np.random.default_rng(1).uniform(-6, 6, (60, 3))
    for solver in (SOLVERS["rprop"], *SOLVERS["rprop"].variants.values()):
        np.testing.assert_array_equal(fed(solver, gradients, learning_rate=0.1), fed(solver, scaled, learning_rate=0.1))


# ---- full Adagrad


def turned(points, angle):
    """Points `[.., 2]` in the frame in which the ellipse at `angle` is what the one at 0 is to them."""
    turn = np.deg2rad(angle)
    return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


@pytest.mark.parametrize("name", ["adagrad-full", "adagrad"])
def test_only_full_adagrad_is_the_same_in_every_rotation(name):
    start, angle = np.array([1.0, -0.4]), 30.0
    straight = iterates("ellipse", name, 0.3, STEPS, starts=start, param={"condition": 50.0, "angle": 0.0})
    rotated = iterates("ellipse", name, 0.3, STEPS, starts=turned(start, angle), param=ROTATED)
    assert np.abs(straight[-1] - start).max() > 0.05
    apart = np.abs(turned(straight, angle) - rotated).max()
    assert apart < 1e-12 if name == "adagrad-full" else apart > 0.1


def test_full_adagrad_of_one_weight_is_adagrad():
    full = iterates("double-well", "adagrad-full", 0.3, STEPS, eps=1e-3)
    # torch's eps stands outside the root, as the paper's does
    assert_same_iterates(full, iterates("double-well", SOLVERS["adagrad"].variant("torch"), 0.3, STEPS, eps=1e-3))


def test_full_adagrad_of_one_gradient_is_a_step_along_it():
    # V = t g gᵀ, whose root is √t g gᵀ / |g|: every step is lr g / (eps + √t |g|)
    gradient, eps = np.array([3.0, -4.0, 12.0]), 0.5
    found = fed(SOLVERS["adagrad-full"], np.tile(gradient, (40, 1)), learning_rate=0.1, eps=eps)
    wanted = -0.1 * gradient / (eps + np.sqrt(np.arange(1, 41))[:, None] * 13)
    np.testing.assert_allclose(np.diff(found, axis=0), wanted, rtol=1e-12)


def test_full_adagrad_does_not_divide_rounding_by_eps():
    # with an eps far below the rounding of V, which has rank one
    gradient = 1e6 * np.array([1.0, 1 / 3, -0.7])
    found = fed(SOLVERS["adagrad-full"], [gradient], learning_rate=1.0, eps=1e-14)[-1]
    np.testing.assert_allclose(found, -gradient / np.linalg.norm(gradient), rtol=1e-12)
