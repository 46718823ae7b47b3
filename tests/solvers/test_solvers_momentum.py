"""sgd, momentum, nesterov, aggmo and lion agree with torch, with optax, with numpy and with what is known of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.programs import iterates
from helpers.torch_record import recorded

from gdbench.errors import UsageError
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


# ---- torch

TORCH = {
    # recorded case: (solver, rate, hyperparameters)
    "sgd": ("sgd", 1e-3, {}),
    "sgd-decayed": ("sgd", 1e-3, {"weight_decay": 0.1}),
    "momentum": ("momentum", 5e-4, {"momentum": 0.9}),
    "momentum-dampened": ("momentum", 1e-3, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "nesterov": ("nesterov", 5e-4, {"momentum": 0.9}),
    "nesterov-decayed": ("nesterov", 5e-4, {"momentum": 0.9, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("case", TORCH)
def test_agrees_with_torch(case):
    name, rate, settings = TORCH[case]
    ours = iterates("rosenbrock", SOLVERS[name].variant("torch"), rate, steps=STEPS, **settings)
    assert_same_iterates(ours, recorded(case))


def test_without_momentum_torch_dampens_nothing():
    torch = SOLVERS["momentum"].variant("torch")
    ours = iterates("rosenbrock", torch, 1e-3, steps=STEPS, momentum=0.0, dampening=0.3)
    assert_same_iterates(ours, recorded("sgd"))


# ---- optax

OPTAX = {
    # name: (rates on rosenbrock and the ellipse, hyperparameters, optax's own)
    "sgd": ((1e-3, 0.03), {}, lambda lr: optax.sgd(lr)),
    "momentum": ((5e-4, 0.02), {"momentum": 0.9}, lambda lr: optax.sgd(lr, momentum=0.9)),
    "nesterov": ((5e-4, 0.01), {"momentum": 0.9}, lambda lr: optax.sgd(lr, momentum=0.9, nesterov=True)),
    # where it jumps to and fro across a valley a last bit decides a sign: these rates stay this side of it
    "lion": ((2e-3, 2e-3), {"b1": 0.9, "b2": 0.99}, lambda lr: optax.lion(lr, b1=0.9, b2=0.99, weight_decay=1e-3)),
}
SURFACES_OF_OPTAX = [(0, "rosenbrock", {}), (1, "ellipse", ROTATED)]


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
@pytest.mark.parametrize(("place", "surface", "param"), SURFACES_OF_OPTAX, ids=["rosenbrock", "ellipse"])
def test_agrees_with_optax(name, place, surface, param):
    rates, settings, make = OPTAX[name]
    optaxs = SOLVERS[name].variant("optax")
    ours = iterates(surface, optaxs, rates[place], steps=STEPS, param=param, **settings)
    theirs = optax_iterates(make(rates[place]), surface, param)
    assert_same_iterates(ours, theirs)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
@pytest.mark.parametrize(("place", "surface", "param"), SURFACES_OF_OPTAX, ids=["rosenbrock", "ellipse"])
def test_at_a_constant_rate_the_paper_walks_the_same_path(name, place, surface, param):
    rates, settings, make = OPTAX[name]
    ours = iterates(surface, name, rates[place], steps=STEPS, param=param, **settings)
    if name == "nesterov":
        # optax returns the look-ahead points y = x - m v, v being the last step taken
        velocity = -np.diff(ours, axis=0, prepend=ours[:1])
        ours = ours - settings["momentum"] * velocity
    assert_same_iterates(ours, optax_iterates(make(rates[place]), surface, param))


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
@pytest.mark.parametrize("convention", ["paper", "torch", "optax"])
def test_where_the_rate_stands_shows_when_it_changes(name, convention):
    solver = SOLVERS[name].variant(convention)
    rates, m, f = [5e-4, 2e-3], 0.8, SURFACES["rosenbrock"]
    with jax.enable_x64(True):
        x = jnp.asarray(f.start_point(2))
        oracle, state = Oracle(f), solver.initial_state(x)
        settings = {**solver.hyperparameters, **solver.options, "momentum": m}
        found = []
        for rate in rates:
            x, state = solver.step(oracle, x, state, **{**settings, "learning_rate": rate})
            found.append(np.asarray(x))
        # optax's rate follows a schedule; the second step is the first at the new rate
        schedule = optax.sgd(lambda count: jnp.where(count == 0, *rates), momentum=m, nesterov=name == "nesterov")
        y = jnp.asarray(f.start_point(2))
        memory, theirs = schedule.init(y), []
        for _ in rates:
            updates, memory = schedule.update(jax.grad(f)(y), memory)
            y = optax.apply_updates(y, updates)
            theirs.append(np.asarray(y))
        same = np.abs(np.array(found) - theirs).max(axis=1) <= 1e-14
        if convention != "paper":
            assert same.all()
            return
        assert same.tolist() == [name == "momentum", False]
        # inside the velocity, what remains of the first step keeps the first rate
        start = f.start_point(2)
        first = rates[0] * np.asarray(jax.grad(f)(jnp.asarray(start)))
        at = start - first - (m * first if name == "nesterov" else 0)
        second = m * first + rates[1] * np.asarray(jax.grad(f)(jnp.asarray(at)))
        np.testing.assert_allclose(found, [start - first, start - first - second], rtol=1e-14)


# ---- numpy, on the rotated ellipse with its gradient by hand


def by_hand(name, gradient, x, lr, *, momentum=0.0, a=0.0, count=1, b1=0.0, b2=0.0, weight_decay=0.0):
    """Ruder 2016, section 4, for the first three; Lucas et al. 2019 and Chen et al. 2023 for the others."""
    v, found = np.zeros_like(x), [x]
    several = [np.zeros_like(x) for _ in range(count)]
    for _ in range(STEPS):
        if name == "sgd":
            x = x - lr * gradient(x)
        elif name == "momentum":
            v = momentum * v + lr * gradient(x)
            x = x - v
        elif name == "nesterov":
            v = momentum * v + lr * gradient(x - momentum * v)
            x = x - v
        elif name == "aggmo":
            g = gradient(x)
            several = [(1 - a**i) * v - g for i, v in enumerate(several)]
            x = x + lr / count * sum(several)
        elif name == "lion":
            g = gradient(x)
            update = np.sign(b1 * v + (1 - b1) * g)
            x = x - lr * (update + weight_decay * x)
            v = b2 * v + (1 - b2) * g
        found.append(x)
    return np.array(found)


BY_HAND = {
    "sgd": (0.03, {}),
    "momentum": (0.02, {"momentum": 0.9}),
    "nesterov": (0.01, {"momentum": 0.9}),
    "aggmo": (0.01, {"a": 0.1, "count": 3}),
    "lion": (2e-3, {"b1": 0.9, "b2": 0.99, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_agrees_with_the_papers_formulas(name):
    rate, settings = BY_HAND[name]
    ours = iterates("ellipse", name, rate, steps=STEPS, param=ROTATED, **settings)
    assert_same_iterates(ours, by_hand(name, hessian_of(ROTATED).dot, np.ones(2), rate, **settings))


def test_aggmo_agrees_with_its_formula_for_another_number_of_velocities():
    ours = iterates("ellipse", "aggmo", 0.01, steps=STEPS, param=ROTATED, a=0.3, count=4)
    assert_same_iterates(ours, by_hand("aggmo", hessian_of(ROTATED).dot, np.ones(2), 0.01, a=0.3, count=4))


# ---- closed forms


@pytest.mark.parametrize("rate", [0.001, 0.019, 0.0201])
def test_sgd_on_a_quadratic_is_a_power(rate):
    eigenvalues = np.array([1.0, 100.0])
    powers = np.arange(101)[:, None]
    # at 0.0201 the steep direction grows by 1.01 a step
    closed = (1 - rate * eigenvalues) ** powers * np.array([1.0, 1.0])
    np.testing.assert_allclose(iterates("ellipse", "sgd", rate), closed, rtol=1e-12, atol=1e-14)


def test_sgd_with_decay_is_sgd_on_a_steeper_quadratic():
    # torch adds the decay to the gradient, as if the surface had ½ weight_decay x² more
    closed = (1 - 0.01 * (np.array([1.0, 100.0]) + 0.5)) ** np.arange(101)[:, None]
    ours = iterates("ellipse", SOLVERS["sgd"].variant("torch"), 0.01, weight_decay=0.5)
    np.testing.assert_allclose(ours, closed, rtol=1e-12, atol=1e-14)


def recurrence(name, lr, eigenvalue, m):
    """Two steps of heavy ball or Nesterov on ½ λ x² as one: x'' = p x' - q x; Lessard, Recht and Packard 2016."""
    if name == "momentum":
        return 1 + m - lr * eigenvalue, m
    return (1 + m) * (1 - lr * eigenvalue), m * (1 - lr * eigenvalue)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
@pytest.mark.parametrize("convention", ["paper", "torch", "optax"])
def test_momentum_on_a_quadratic_is_a_sum_of_two_powers(name, convention):
    eigenvalues, rate, m = np.array([1.0, 100.0]), 0.004, 0.8
    ours = iterates("ellipse", SOLVERS[name].variant(convention), rate, momentum=m)
    for place, eigenvalue in enumerate(eigenvalues):
        first, last = np.roots([1.0, *(np.array([-1, 1]) * recurrence(name, rate, eigenvalue, m))])
        # the start is 1; the second point is a gradient step from it, of 1 + m the length to the look-ahead point
        longer = 1 + m if name == "nesterov" and convention != "paper" else 1
        second = 1 - longer * rate * eigenvalue
        weight = (second - last) / (first - last)
        powers = np.arange(101)
        closed = weight * first**powers + (1 - weight) * last**powers
        np.testing.assert_allclose(ours[:, place], closed.real, rtol=1e-11, atol=1e-13)


def test_dampening_is_a_smaller_rate_behind_the_first_step():
    # v₁ = g, then v ← m v + (1 - d) g: from a minimum's flat side two steps tell
    solver = SOLVERS["momentum"].variant("torch")
    ours = iterates("ellipse", solver, 0.001, steps=2, momentum=0.9, dampening=0.4)
    h = np.array([1.0, 100.0])
    first = 1 - 0.001 * h
    second = first - 0.001 * (0.9 * h + 0.6 * h * first)
    np.testing.assert_allclose(ours, [[1.0, 1.0], first, second], rtol=1e-14)


def test_aggmo_with_one_velocity_is_sgd():
    ours = iterates("rosenbrock", "aggmo", 1e-3, steps=STEPS, count=1, a=0.3)
    assert_same_iterates(ours, iterates("rosenbrock", "sgd", 1e-3, steps=STEPS))


def characteristic(lr, eigenvalue, momenta):
    """AggMo on ½ λ x²: (z - 1) Π (z - βᵢ) + lr λ / K Σᵢ z Π_{j ≠ i} (z - βⱼ), highest power first.

    It follows from v̂ᵢ = z λ x̂ / (z - βᵢ) and (z - 1) x̂ = -lr mean of v̂ᵢ.
    """
    whole = np.poly([1.0, *momenta])
    for i in range(len(momenta)):
        rest = np.poly([0.0, *np.delete(momenta, i)])
        whole = np.polyadd(whole, lr * eigenvalue / len(momenta) * rest)
    return whole


@pytest.mark.parametrize(("rate", "a", "count"), [(0.01, 0.1, 3), (0.05, 0.1, 3), (0.04, 0.3, 4), (0.015, 0.5, 1)])
def test_aggmo_has_its_exact_spectral_radius_on_a_quadratic(rate, a, count):
    solver, quadratic = SOLVERS["aggmo"], SURFACES["ellipse"]

    def step(numbers):
        x, velocities = numbers[0], numbers[1:]
        x, (velocities,) = solver.step(Oracle(quadratic), x, (velocities,), learning_rate=rate, a=a, count=count)
        return jnp.concatenate([x[None], velocities])

    with jax.enable_x64(True):
        jacobian = jax.jit(jax.jacfwd(step))(jnp.zeros((count + 1, 2))).reshape(2 * count + 2, -1)
    found = np.abs(np.linalg.eigvals(jacobian)).max()
    momenta = 1 - a ** np.arange(count)
    wanted = max(np.abs(np.roots(characteristic(rate, eigenvalue, momenta))).max() for eigenvalue in (1.0, 100.0))
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize(("a", "count"), [(0.1, 3), (0.3, 4)])
def test_aggmo_on_a_quadratic_obeys_its_recurrence(a, count):
    ours = iterates("ellipse", "aggmo", 0.01, a=a, count=count)
    for place, eigenvalue in enumerate((1.0, 100.0)):
        weights = characteristic(0.01, eigenvalue, 1 - a ** np.arange(count))
        defect = np.convolve(ours[:, place], weights, mode="valid")
        np.testing.assert_allclose(defect, 0, atol=1e-13)
        # the recurrence alone would also hold of a path that stood still
        assert np.abs(np.diff(ours[:, place])[:5]).min() > 1e-4


def test_aggmo_needs_a_velocity():
    with pytest.raises(UsageError, match="option 'count' of solver 'aggmo' must be at least 1, not 0"):
        iterates("ellipse", "aggmo", 0.01, count=0)


def test_lion_moves_every_weight_by_the_rate():
    rate = 2.0**-9
    for surface, param in (("rosenbrock", {}), ("ellipse", ROTATED)):
        ours = iterates(surface, "lion", rate, steps=STEPS, param=param)
        # sums of a power of two: rounding allows for the last bits of x
        np.testing.assert_allclose(np.abs(np.diff(ours, axis=0)), rate, rtol=1e-12)


def test_lion_stays_in_a_box_where_weights_decay():
    # x ← (1 - lr λ) x ± lr never leaves |x| ≤ 1 / λ, and on a slope that does not end it goes there: a geometric sum
    settings = {"learning_rate": 0.1, "weight_decay": 0.5, "b1": 0.9, "b2": 0.99}
    solver, slope = SOLVERS["lion"], np.array([3.0, -1e-3])
    with jax.enable_x64(True):
        x = jnp.zeros(2)
        oracle, state = Oracle(lambda x: slope @ x), solver.initial_state(x)
        for step in range(1, 21):
            x, state = solver.step(oracle, x, state, **settings, **solver.options)
            np.testing.assert_allclose(x, -np.sign(slope) * 2 * (1 - 0.95**step), rtol=1e-13)
