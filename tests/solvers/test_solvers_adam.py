"""Adam's kin: each as its paper writes it, and each convention as torch and optax compute it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import torch_record
from helpers.programs import iterates

from gdbench.planning.search_space import space_of
from gdbench.solvers import SOLVERS
from gdbench.solvers.oracle import Oracle
from gdbench.spec.sweep import Rates
from gdbench.surfaces import SURFACES

NAMES = ("adam", "adamax", "adamw", "qhadam", "nadam", "nadamw", "amsgrad", "adabelief", "yogi", "radam")
VARIANTS = [(name, convention) for name in NAMES for convention in ("paper", *SOLVERS[name].variants)]
every_variant = pytest.mark.parametrize(("name", "convention"), VARIANTS)
ROTATED = {"condition": 50.0, "angle": 30.0}
ROSENBROCK, ELLIPSE = SURFACES["rosenbrock"], SURFACES["ellipse"].with_parameters(**ROTATED)
START = (-1.2, 1.0)


def settings_of(solver, rate, **given):
    return {**solver.hyperparameters, "learning_rate": rate, **given}


def stepped(solver, f, x, rate, steps=200, dtype="float64", **given):
    """The iterates `[steps + 1, n]` by the steps alone, which compile faster than a whole program."""
    solver = SOLVERS[solver] if isinstance(solver, str) else solver
    with jax.enable_x64(True):
        settings = {key: jnp.asarray(value, dtype) for key, value in settings_of(solver, rate, **given).items()}

        def step(lane, _):
            x, state = solver.step(Oracle(f), *lane, **settings)
            return (x, state), x

        x = jnp.asarray(x, dtype)
        found = jax.jit(lambda x: jax.lax.scan(step, (x, solver.initial_state(x, **settings)), length=steps)[1])(x)
        return np.concatenate([x[None], found])


def test_every_convention_that_a_library_has_is_here():
    torch = {"adam", "adamax", "adamw", "nadam", "nadamw", "amsgrad", "radam"}
    assert {name for name, convention in VARIANTS if convention == "torch"} == torch
    assert {name for name, convention in VARIANTS if convention == "optax"} == {*torch, "adabelief", "yogi"}
    assert all(SOLVERS[name].variant(convention).note for name, convention in VARIANTS if convention != "paper")


# ---- a constant gradient c, where the means are known: m = c (1 - b1ᵗ), v = c² (1 - b2ᵗ)

T = np.arange(1, 101)


def nadam_torch_steps(c):
    mu = 0.9 * (1 - 0.5 * 0.96 ** (0.004 * np.arange(1, 102)))
    product = np.cumprod(mu)
    ahead = mu[1:] * c * (1 - 0.9**T) / (1 - product[1:]) + (1 - mu[:-1]) * c / (1 - product[:-1])
    return ahead / (abs(c) + 1e-8)


def radam_steps(c, first, eps):
    rho = 1999 - 2 * T * 0.999**T / (1 - 0.999**T)
    rho = np.where(first <= T, rho, np.nan)
    factor = np.sqrt((rho - 4) * (rho - 2) * 1999 / (1995 * 1997 * rho))
    return np.where(first <= T, factor * c / (abs(c) + eps(T)), c)


def adabelief_steps(c, eps, root):
    # g - m = c b1ᵗ, whose squares are a geometric series under the mean
    k = np.arange(1, 101)[:, None]
    series = np.where(k <= T, 0.999 ** (T - k) * (0.001 * (c * 0.9**k) ** 2 + root), 0.0).sum(axis=0)
    return c / (np.sqrt(series / (1 - 0.999**T)) + eps)


# name, convention: lr = 1 steps from first to hundredth; a gradient of 1 gives the first step that is named behind it
CONSTANT = {
    ("adam", "paper"): lambda c: c / (abs(c) + 1e-8) + 0 * T,  # 1
    ("adamax", "paper"): lambda c: c / abs(c) + 0 * T,  # 1
    ("adamax", "torch"): lambda c: c / (abs(c) + 1e-8) + 0 * T,  # 1
    ("qhadam", "paper"): lambda c: c / (abs(c) + 1e-8) + 0 * T,  # 1
    ("nadam", "paper"): lambda c: (0.9 + 0.1 / (1 - 0.9**T)) * c / (abs(c) + 1e-8),  # 1.900
    ("nadam", "torch"): nadam_torch_steps,  # 1.056
    ("nadam", "optax"): lambda c: (
        (0.9 * (1 - 0.9**T) / (1 - 0.9 ** (T + 1)) + 0.1 / (1 - 0.9**T)) * c / (abs(c) + 1e-8)
    ),  # 1.474
    ("amsgrad", "paper"): lambda c: (1 - 0.9**T) / np.sqrt(1 - 0.999**T) * np.sign(c),  # 3.162
    ("amsgrad", "torch"): lambda c: c / (abs(c) + 1e-8) + 0 * T,  # 1
    ("adabelief", "paper"): lambda c: adabelief_steps(c, 1e-8, 1e-8),  # 1.111
    ("adabelief", "optax"): lambda c: adabelief_steps(c, 1e-16, 1e-16),  # 1.111
    ("yogi", "paper"): lambda c: c * (1 - 0.9**T) / (abs(c) * np.sqrt(0.001 * T) + 1e-3),  # 3.065
    ("yogi", "optax"): lambda c: (
        (c + 1e-6 * 0.9**T / (1 - 0.9**T)) / (np.sqrt((1e-6 + c * c * 0.001 * T) / (1 - 0.999**T)) + 1e-3)  # 0.9985
    ),
    ("radam", "paper"): lambda c: radam_steps(c, 5, lambda t: 0.0),  # 1
    ("radam", "torch"): lambda c: radam_steps(c, 6, lambda t: 1e-8 / np.sqrt(1 - 0.999**t)),  # 1
    ("radam", "optax"): lambda c: radam_steps(c, 6, lambda t: 1e-8),  # 1
}
CONSTANT |= {("adam", other): CONSTANT["adam", "paper"] for other in ("torch", "optax")}
CONSTANT |= {(name, "optax"): CONSTANT[name, "torch"] for name in ("adamax", "amsgrad")}
CONSTANT |= {("adamw", other): CONSTANT["adam", "paper"] for other in ("paper", "torch", "optax")}
CONSTANT |= {("nadamw", other): CONSTANT["nadam", other] for other in ("paper", "torch", "optax")}
FIRST = {"nadam": (1.900, 1.056, 1.474), "nadamw": (1.900, 1.056, 1.474), "amsgrad": (3.162, 1.0, 1.0)}


@every_variant
def test_a_constant_gradient_gives_the_steps_of_the_closed_form(name, convention):
    solver, gradients = SOLVERS[name].variant(convention), np.array([1.0, -0.3])
    lengths = 0.01 * np.array([CONSTANT[name, convention](gradient) for gradient in gradients]).T
    # the paper's decay is not multiplied by the learning rate
    decay = solver.hyperparameters.get("weight_decay", 0.0) * (
        1.0 if (name, convention) == ("adamw", "paper") else 0.01
    )
    closed = [np.ones(2)]
    for length in lengths:
        closed.append((1 - decay) * closed[-1] - length)
    found = stepped(solver, lambda x: gradients @ x, np.ones(2), 0.01, steps=100)
    np.testing.assert_allclose(found, closed, rtol=1e-12, atol=1e-12)


@every_variant
def test_the_first_step_where_the_gradient_is_one(name, convention):
    solver = SOLVERS[name].variant(convention)
    settings = settings_of(solver, 1.0, **({"weight_decay": 0.0} if "weight_decay" in solver.hyperparameters else {}))
    with jax.enable_x64(True):
        x = jnp.ones(1, jnp.float64)
        moved = float(x[0] - solver.step(Oracle(jnp.sum), x, solver.initial_state(x, **settings), **settings)[0][0])
    other = {"adabelief": 1.111, "yogi": 3.065 if convention == "paper" else 0.999}.get(name, 1.0)
    # three decimals, so half of the last
    quoted = FIRST.get(name, (other,) * 3)[("paper", "torch", "optax").index(convention)]
    assert moved == pytest.approx(quoted, abs=5e-4)


# ---- torch, as recorded


@pytest.mark.parametrize("name", [name for name, convention in VARIANTS if convention == "torch"])
def test_agrees_with_torch(name):
    arguments = {key: value for key, value in torch_record.CASES[name][1].items() if not isinstance(value, bool)}
    rate = arguments.pop("lr")
    ours = iterates("rosenbrock", SOLVERS[name].variant("torch"), rate, steps=200, **arguments)
    theirs = torch_record.recorded(name)
    assert np.abs(theirs[-1] - theirs[0]).max() > 0.15
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


# ---- optax, live

# name: (rates on rosenbrock and the ellipse, optax's own)
OPTAX = {
    "adam": ((0.1, 0.1), optax.adam),
    "adamax": ((0.3, 0.1), optax.adamax),
    "adamw": ((0.1, 0.1), optax.adamw),
    "nadam": ((0.05, 0.05), optax.nadam),
    "nadamw": ((0.05, 0.05), optax.nadamw),
    "amsgrad": ((0.1, 0.1), optax.amsgrad),
    "adabelief": ((0.02, 0.02), optax.adabelief),
    "yogi": ((0.1, 0.05), optax.yogi),
    "radam": ((2e-3, 0.02), optax.radam),
}
# the papers' definitions, where optax's can be bent into them
BENT = {
    "adam": ({}, lambda lr: optax.adam(lr)),
    "adamax": ({}, lambda lr: optax.adamax(lr, eps=0.0)),
    "adamw": ({"weight_decay": 0.002}, lambda lr: optax.adamw(lr, weight_decay=0.002 / lr)),
    "amsgrad": ({}, lambda lr: optax.amsgrad(lr, eps=0.0, bias_correction_mu=False, bias_correction_nu=False)),
    "adabelief": ({}, lambda lr: optax.adabelief(lr, eps=1e-8, eps_root=1e-8)),
    "radam": ({}, lambda lr: optax.radam(lr, eps=0.0, threshold=4.0)),
}


def optax_iterates(transformation, f, x, steps=200):
    with jax.enable_x64(True):

        def step(lane, _):
            x, state = lane
            updates, state = transformation.update(jax.grad(f)(x), state, x)
            x = optax.apply_updates(x, updates)
            return (x, state), x

        x = jnp.asarray(x, jnp.float64)
        found = jax.jit(lambda x: jax.lax.scan(step, (x, transformation.init(x)), length=steps)[1])(x)
        return np.concatenate([x[None], found])


@pytest.mark.parametrize("name", OPTAX)
@pytest.mark.parametrize(
    ("place", "surface", "param"),
    [(0, "rosenbrock", {}), pytest.param(1, "ellipse", ROTATED, marks=pytest.mark.slow)],
)
def test_agrees_with_optax(name, place, surface, param):
    rates, make = OPTAX[name]
    made = SURFACES[surface].with_parameters(**param)
    ours = iterates(surface, SOLVERS[name].variant("optax"), rates[place], steps=200, param=param)
    theirs = optax_iterates(make(rates[place]), made, made.start_point(2))
    assert np.abs(theirs[-1] - theirs[0]).max() > 0.15
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", BENT)
def test_the_papers_definition_agrees_with_optax_bent_to_it(name):
    settings, make = BENT[name]
    rate = OPTAX[name][0][0]
    ours = stepped(name, ROSENBROCK, START, rate, **settings)
    theirs = optax_iterates(make(rate), ROSENBROCK, START)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


# ---- the papers' formulas in numpy, on the rotated ellipse with its gradient by hand


def hessian_of(param):
    turn = np.deg2rad(param["angle"])
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return axes.T @ np.diag([1.0, param["condition"]]) @ axes


def paper(name, gradient, x, lr, *, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0, nu1=1.0, nu2=1.0):
    m = v = u = np.zeros_like(x)
    found = [x]
    for t in range(1, 201):
        g = gradient(x)
        m = b1 * m + (1 - b1) * g
        if name == "adabelief":
            v = b2 * v + (1 - b2) * (g - m) ** 2 + eps
        elif name == "yogi":
            v = v - (1 - b2) * np.sign(v - g**2) * g**2
        else:
            v = b2 * v + (1 - b2) * g**2
        u = np.maximum(b2 * u, np.abs(g)) if name == "adamax" else np.maximum(u, v)
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * t * b2**t / (1 - b2**t)
        if name == "adamax":
            step = lr / (1 - b1**t) * m / u
        elif name == "amsgrad":
            step = lr * m / np.sqrt(u)
        elif name == "yogi":
            step = lr * m / (np.sqrt(v) + eps)
        elif name in ("nadam", "nadamw"):
            step = lr / (np.sqrt(v_hat) + eps) * (b1 * m_hat + (1 - b1) * g / (1 - b1**t))
        elif name == "qhadam":
            step = lr * ((1 - nu1) * g + nu1 * m_hat) / (np.sqrt((1 - nu2) * g**2 + nu2 * v_hat) + eps)
        elif name == "radam" and length > 4:
            parts = (length - 4) * (length - 2) * longest, (longest - 4) * (longest - 2) * length
            step = lr * np.sqrt(parts[0] / parts[1]) * m_hat * np.sqrt((1 - b2**t) / v)
        elif name == "radam":
            step = lr * m_hat
        else:
            step = lr * m_hat / (np.sqrt(v_hat) + eps)
        x = x - step - weight_decay * (lr if name == "nadamw" else 1.0) * x
        found.append(x)
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "rate", "settings"),
    [
        ("adam", 0.1, {}),
        ("adamax", 0.1, {}),
        ("adamw", 0.1, {"weight_decay": 0.02}),
        ("qhadam", 0.02, {"b1": 0.95, "nu1": 0.6, "nu2": 0.8}),
        ("nadam", 0.05, {}),
        ("nadamw", 0.05, {"weight_decay": 0.02}),
        ("amsgrad", 0.05, {}),
        ("adabelief", 0.02, {}),
        ("yogi", 0.05, {}),
        ("radam", 0.02, {"b2": 0.99}),
    ],
)
def test_agrees_with_the_papers_formulas(name, rate, settings):
    ours = stepped(name, ELLIPSE, np.ones(2), rate, **settings)
    given = {**SOLVERS[name].hyperparameters, **settings}
    del given["learning_rate"]
    theirs = paper(name, hessian_of(ROTATED).dot, np.ones(2), rate, **given)
    assert np.abs(theirs[-1] - theirs[0]).max() > 0.15
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_adam_goes_on_when_its_powers_are_far_below_one():
    # 0.01 to the power of 200 is zero in float64, to the power of 16 below what we let it sink to
    ours = stepped("adam", ELLIPSE, np.ones(2), 0.01, b1=0.01, b2=0.01)
    assert np.isfinite(ours).all()
    theirs = paper("adam", hessian_of(ROTATED).dot, np.ones(2), 0.01, b1=0.01, b2=0.01)
    # later it jumps to and fro across the valley, where the last bit grows
    np.testing.assert_allclose(ours[:51], theirs[:51], rtol=1e-12, atol=1e-12)


# ---- QHAdam between the methods that it mixes


def test_qhadam_of_the_means_alone_is_adam():
    same = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
    ours = stepped("qhadam", ROSENBROCK, START, 0.1, nu1=1.0, nu2=1.0, **same)
    np.testing.assert_allclose(ours, stepped("adam", ROSENBROCK, START, 0.1, **same), rtol=1e-12, atol=1e-12)


def test_qhadam_of_the_gradient_over_the_mean_square_is_debiased_rmsprop():
    ours = stepped("qhadam", ROSENBROCK, START, 2e-3, nu1=0.0, nu2=1.0)
    rmsprop = optax.rmsprop(2e-3, decay=0.999, eps=1e-8, eps_in_sqrt=False, bias_correction=True)
    theirs = optax_iterates(rmsprop, ROSENBROCK, START)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_qhadam_of_this_step_alone_follows_the_sign():
    ours = stepped("qhadam", SURFACES["ellipse"], np.ones(2), 0.004, nu1=0.0, nu2=0.0, eps=0.0)
    # from (1, 1), both gradients positive all the way
    np.testing.assert_allclose(ours, 1 - 0.004 * np.arange(201)[:, None] * np.ones(2), rtol=1e-12, atol=1e-12)


# ---- rectification


@pytest.mark.parametrize(("convention", "first"), [("paper", 5), ("torch", 6), ("optax", 6)])
def test_rectification_begins_at_the_same_step_in_float32(convention, first):
    # where b2 is 0.999, rho is 4 - 0.0025 and 5 - 0.004 at steps 4 and 5: from 1 - b2ᵗ as it stands, float32 errs more
    solver = SOLVERS["radam"].variant(convention)

    def lengths(b2):
        def step(lane, _):
            x, state = solver.step(Oracle(jnp.sum), *lane, **settings | {"b2": b2})
            return (x, state), lane[0][0] - x[0]

        x = jnp.zeros(1, jnp.float32)
        return jax.lax.scan(step, (x, solver.initial_state(x)), length=8)[1]

    settings = {key: jnp.float32(value) for key, value in settings_of(solver, 1.0).items()}
    found = np.asarray(jax.jit(jax.vmap(lengths))(jnp.linspace(0.99, 0.999, 100, dtype=jnp.float32)))
    # a plain step is as long as the rate, a rectified one far shorter
    assert ((found < 0.5) == (np.arange(1, 9) >= first)).all()


def test_without_enough_memory_nothing_is_rectified():
    # rho never passes 4 where 2/(1 - b2) - 1 is 4 or less: the step is the debiased mean's
    ours = stepped("radam", ELLIPSE, np.ones(2), 0.01, b1=0.0, b2=0.6)
    np.testing.assert_allclose(ours, stepped("sgd", ELLIPSE, np.ones(2), 0.01), rtol=1e-12, atol=1e-12)


# ---- what every one of them keeps


def after(solver, f, lane, settings, steps):
    step = lambda _, lane: solver.step(Oracle(f), *lane, **settings)  # noqa: E731
    return jax.lax.fori_loop(0, steps, step, lane)


# every solver does on some surfaces, in test_solvers.py
@pytest.mark.slow
@every_variant
def test_keeps_its_type_and_stays_finite(name, convention):
    solver = SOLVERS[name].variant(convention)

    def both(x):
        """Rosenbrock of the first two weights and the ellipse of the others: no weight's step knows another weight."""
        return ROSENBROCK(x[:2]) + ELLIPSE(x[2:])

    def start(x, settings):
        return x, solver.initial_state(x, **settings)

    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float32, jnp.float64):
            settings = {key: jnp.asarray(value, dtype) for key, value in settings_of(solver, 1e-3).items()}
            x = jnp.asarray((*START, 1.0, 1.0), dtype)
            before = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), start(x, settings))
            lane = jax.jit(lambda x, settings: after(solver, both, start(x, settings), settings, 100))(x, settings)
            assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), lane) == before
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(lane))
            assert (lane[0] != x).all()


@every_variant
def test_uses_every_entry_of_its_state(name, convention):
    solver = SOLVERS[name].variant(convention)
    with jax.enable_x64(True):
        settings = settings_of(solver, 1e-3)
        three = jax.jit(lambda lane: after(solver, ROSENBROCK, lane, settings, 3))
        x = jnp.asarray(START)
        lane = (x, solver.initial_state(x, **settings))
        # past the steps that RAdam does not rectify
        for _ in range(3):
            lane = three(lane)
        x, state = lane
        straight = three(lane)[0]
        for place, entry in enumerate(solver.state):
            # up, so that it outgrows the largest so far; a power must stay below 1
            bent = state[place] * (2.0 if state[place].ndim else 1.005)
            moved = three((x, (*state[:place], bent, *state[place + 1 :])))[0]
            assert np.isfinite(moved).all()
            assert not np.array_equal(moved, straight), f"{entry} changes nothing"


@every_variant
def test_a_weight_without_gradient_stays(name, convention):
    solver = SOLVERS[name].variant(convention)
    given = {"weight_decay": 0.0} if "weight_decay" in solver.hyperparameters else {}
    first, second = stepped(solver, lambda x: x[0] ** 2, np.ones(2), 0.01, steps=10, **given)[-1]
    assert first < 1
    # optax's Yogi starts with a mean of 1e-6, over a root of 1e-3
    assert second == (pytest.approx(1.0, abs=1e-3) if (name, convention) == ("yogi", "optax") else 1.0)


# ---- tuning


def test_the_mix_is_searched_between_its_ends():
    found = space_of(SOLVERS["qhadam"], ("learning_rate",), Rates(), {})
    assert found["nu1"].linear == found["nu2"].linear == (0.0, 1.0)


def test_numbers_of_a_size_of_their_own_are_searched_there():
    optax = space_of(SOLVERS["radam"].variant("optax"), (), Rates(), {})
    # below 4 no step is defined
    assert optax["threshold"].log == (4.0, 40.0)
    # what stands under a root is the square of what may stand beside it
    assert space_of(SOLVERS["adabelief"].variant("optax"), (), Rates(), {})["eps_root"].log == (1e-24, 1e-6)
    torch = space_of(SOLVERS["nadamw"].variant("torch"), (), Rates(), {})
    assert torch["momentum_decay"].log == pytest.approx((4e-4, 4e-2), rel=1e-12)
    # without decay by default, so without a scale
    assert "weight_decay" not in torch
