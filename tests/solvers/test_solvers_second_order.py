"""Newton, L-BFGS and backtracking agree with numpy, scipy and optax, point by point and evaluation by evaluation."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg
import scipy.optimize
from helpers.programs import iterates, program_of
from jax import lax

from gdbench import compilation
from gdbench.engine.stream import execute, trace
from gdbench.solvers import SOLVERS
from gdbench.solvers.oracle import Oracle
from gdbench.surfaces import SURFACES, surface


class Spied:
    """A surface in numpy that counts what it is asked."""

    def __init__(self, surface):
        f = surface if callable(surface) else SURFACES[surface]
        self.kinds = {"value": jax.jit(lambda x: f(x)), "grad": jax.jit(jax.grad(f)), "hess": jax.jit(jax.hessian(f))}
        self.calls = dict.fromkeys(self.kinds, 0)

    def __getattr__(self, kind):
        def ask(x):
            self.calls[kind] += 1
            with jax.enable_x64(True):
                return np.asarray(self.kinds[kind](jnp.asarray(x, jnp.float64)))

        return ask


def path_and_counts(surface, solver, steps, **more):
    """The iterates of the compiled program, and the evaluations of value, gradient and Hessian that it counted."""
    program = program_of(surface, solver, steps=steps, known_minimum=False, **more)
    records = execute(program)
    assert records.steps.tolist() == [steps]
    return trace(program)[0].x, [int(n[0]) for n in (records.value_evals, records.grad_evals, records.hess_evals)]


def assert_same_walk(surface, solver, step, steps, tolerance=1e-12, **more):
    """`step(f, x)` of the spied surface leads from each iterate of the compiled program to its next, and asks as often.

    From each anew: else a last bit would grow on the way.
    """
    ours, counts = path_and_counts(surface, solver, steps, **more)
    assert np.abs(ours[-1] - ours[0]).max() > 0.05
    f = Spied(SURFACES[surface].with_parameters(**more.get("param", {})))
    theirs = [step(f, x) for x in ours[:-1]]
    np.testing.assert_allclose(ours[1:], theirs, rtol=tolerance, atol=tolerance)
    assert counts == list(f.calls.values())
    return counts


def walk(surface, name, steps, **settings):
    """The iterates `[steps + 1, n]` of one step after the other, without the loop over lanes: long to compile."""
    solver = SOLVERS[name]
    settings = {**solver.hyperparameters, **solver.options, **settings}
    with jax.enable_x64(True):
        step = jax.jit(lambda x, state: solver.step(Oracle(surface), x, state, **settings))
        x = jnp.asarray(surface.start_point(2))
        state, found = solver.initial_state(x, **settings), [x]
        for _ in range(steps):
            x, state = step(x, state)
            found.append(x)
    return np.array(found)


def ellipse_of(eigenvalues, axes, minimiser):
    """A quadratic with these eigenvalues `[n]`, axes in the rows of an orthogonal `[n, n]`, and minimiser `[n]`."""
    h = axes.T @ np.diag(eigenvalues) @ axes

    @surface(start=np.ones(len(h)), register=False)
    def quadratic(x):
        return 0.5 * (x - minimiser) @ h @ (x - minimiser)

    return quadratic


def some_axes(n, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def f_of(name):
    with jax.enable_x64(True):
        return jax.jit(jax.value_and_grad(SURFACES[name]))


# ---- Newton


@pytest.mark.parametrize("safeguard", [False, True])
@pytest.mark.parametrize(("n", "seed"), [(1, 0), (2, 1), (5, 2)])
def test_newton_is_at_the_minimum_of_a_quadratic_in_one_step(n, seed, safeguard):
    random = np.random.default_rng(seed)
    minimiser, eigenvalues = random.standard_normal(n), 10.0 ** random.uniform(-2, 2, n)
    quadratic = ellipse_of(eigenvalues, some_axes(n, seed), minimiser)
    found = walk(quadratic, "newton", 1, safeguard=safeguard)[1]
    np.testing.assert_allclose(found, minimiser, atol=1e-12 * eigenvalues.max() / eigenvalues.min())


def newton_step(f, x):
    return x + scipy.linalg.solve(f.hess(x), -f.grad(x))


def safe_newton_step(f, x):
    value, g = f.value(x), f.grad(x)
    eigenvalues, axes = np.linalg.eigh(f.hess(x))
    size = np.maximum(abs(eigenvalues), np.sqrt(np.finfo(float).eps) * abs(eigenvalues).max())
    direction = -sum((g @ axis) / s * axis for s, axis in zip(size, axes.T, strict=True))
    rate = 1.0
    while not f.value(x + rate * direction) <= value + 1e-4 * rate * g @ direction:
        rate /= 2
    return x + rate * direction


def test_newton_agrees_with_numpy():
    assert assert_same_walk("rosenbrock", "newton", newton_step, 6) == [0, 6, 6]
    # the step that every textbook prints: far beyond the valley, and from there into the minimum
    np.testing.assert_allclose(
        iterates("rosenbrock", "newton", 0.0, 2)[1:], [[-1.1753, 1.3807], [0.7631, -3.1750]], atol=5e-5
    )


def test_safeguarded_newton_agrees_with_numpy():
    values, grads, hessians = assert_same_walk("rosenbrock", "newton", safe_newton_step, 15, safeguard=True)
    assert (grads, hessians) == (15, 15)
    assert values > 2 * 15  # some full steps were too long


def test_newton_doubles_its_digits():
    error = np.abs(iterates("rosenbrock", "newton", 0.0, 6)[3:] - 1).max(axis=1)
    error = error[error > 1e-15]
    assert len(error) >= 3
    # near the minimum the error is at most a constant times its square; Rosenbrock's is below 1 in its valley
    assert (error[1:] <= error[:-1] ** 2 + 1e-15).all()
    assert error[-1] < 1e-8 < error[0]


@surface(start=(1.0, 0.1), register=False)
def pass_between(x):
    """A saddle at 0, between minima at (0, ±1)."""
    return 0.5 * x[0] ** 2 + 0.25 * x[1] ** 4 - 0.5 * x[1] ** 2


def test_newton_goes_to_the_saddle_and_the_safeguard_leaves_it():
    np.testing.assert_allclose(walk(pass_between, "newton", 4)[-1], [0.0, 0.0], atol=1e-12)
    safe = walk(pass_between, "newton", 8, safeguard=True)
    np.testing.assert_allclose(safe[-1], [0.0, 1.0], atol=1e-8)
    losses = 0.5 * safe[:, 0] ** 2 + 0.25 * safe[:, 1] ** 4 - 0.5 * safe[:, 1] ** 2
    assert (np.diff(losses) <= 0).all()


@surface(start=(1.0, 2.0), register=False)
def trough(x):
    """Flat along (1, -1): its Hessian is singular everywhere."""
    return (x[0] + x[1] - 1.0) ** 2


def test_newton_stands_still_where_the_hessian_is_singular():
    np.testing.assert_array_equal(walk(trough, "newton", 3), np.tile([1.0, 2.0], (4, 1)))
    # the safeguard's step is the shortest to the bottom
    np.testing.assert_allclose(walk(trough, "newton", 1, safeguard=True)[1], [0.0, 1.0], atol=1e-7)


# ---- backtracking


def armijo_step(f, x, first=1.0, shrink=0.5, c1=1e-4):
    value, g, rate = f.value(x), f.grad(x), first
    for _ in range(100):
        if f.value(x - rate * g) <= value - c1 * rate * g @ g:
            return x - rate * g
        rate = shrink * rate
    return x


@pytest.mark.parametrize(
    ("surface", "settings"),
    [("rosenbrock", {}), ("ellipse", {"initial_step": 0.3, "shrink": 0.8, "c1": 0.3})],
    ids=["rosenbrock", "ellipse"],
)
def test_backtracking_agrees_with_a_plain_loop(surface, settings):
    names = {"initial_step": "first"}
    plain = {names.get(name, name): value for name, value in settings.items()}
    values, grads, hessians = assert_same_walk(
        surface, "backtracking", lambda f, x: armijo_step(f, x, **plain), 50, **settings
    )
    assert (grads, hessians) == (50, 0)
    assert values > 3 * 50


def test_backtracking_finds_the_rate_of_a_bowl():
    # on ½ λ |x|² a rate r brings r (1 - λ r / 2) |g|², enough from r = 2 (1 - c1) / λ down; of 1, ½, ¼, .. the first
    curvature, c1 = 7.0, 0.1
    bowl = ellipse_of(np.full(2, curvature), np.eye(2), np.zeros(2))
    rate = 2.0 ** np.floor(np.log2(2 * (1 - c1) / curvature))
    found, counts = path_and_counts(bowl, "backtracking", 5, c1=c1)
    np.testing.assert_allclose(found, (1 - rate * curvature) ** np.arange(6)[:, None] * [1.0, 1.0], rtol=1e-12)
    # the value at x, and one for 1, ½ and ¼ each
    assert rate == 0.25
    assert counts == [5 * 4, 5, 0]


def test_backtracking_stays_where_no_rate_will_do():
    @surface(start=(1.0,), register=False)
    def spike(x):
        """Finite at its start alone."""
        return jnp.where(x[0] == 1.0, x[0] ** 2, jnp.nan * x[0])

    found, counts = path_and_counts(spike, "backtracking", 2, shrink=0.9)
    np.testing.assert_array_equal(found, 1.0)
    assert counts == [2 * 101, 2, 0]


# ---- L-BFGS


def wolfe(f, x, value, g, direction):
    """Bisection for the weak Wolfe conditions with a plain loop: the point."""
    slope, rate, low, high, best = g @ direction, 1.0, 0.0, np.inf, x
    for _ in range(30):
        point = x + rate * direction
        trial, there = f.value(point), f.grad(point)
        if not trial <= value + 1e-4 * rate * slope:
            high = rate
        else:
            low, best = rate, point
            if there @ direction >= 0.9 * slope:
                break
        rate = 2 * low if high == np.inf else (low + high) / 2
    return best


def bfgs_matrix(pairs, scale, n):
    """The inverse Hessian of BFGS from `scale` times the identity, one pair after the other, as a whole matrix."""
    inverse = scale * np.eye(n)
    for s, y in pairs:
        turn = np.eye(len(s)) - np.outer(s, y) / (s @ y)
        inverse = turn @ inverse @ turn.T + np.outer(s, s) / (s @ y)
    return inverse


class DenseBfgs:
    """L-BFGS by whole matrices, for steps one after the other."""

    def __init__(self, memory):
        self.memory, self.pairs, self.last = memory, [], None

    def __call__(self, f, x):
        value, g = f.value(x), f.grad(x)
        scale = min(1.0, 1 / np.linalg.norm(g))
        if self.last is not None:
            s, y = x - self.last[0], g - self.last[1]
            self.pairs = [*self.pairs, (s, y)][-self.memory :]
            scale = (s @ y) / (y @ y)
        self.last = x, g
        return wolfe(f, x, value, g, -bfgs_matrix(self.pairs, scale, len(x)) @ g)


@pytest.mark.parametrize(
    ("surface", "memory", "steps", "param"),
    [
        ("rosenbrock", 10, 25, {}),
        pytest.param("rosenbrock", 1, 25, {}, marks=pytest.mark.slow),
        pytest.param("ellipse", 4, 25, {"dimension": 6, "angle": 20.0}, marks=pytest.mark.slow),
    ],
    ids=["rosenbrock", "memory of one", "six weights"],
)
def test_lbfgs_agrees_with_dense_bfgs_in_numpy(surface, memory, steps, param):
    values, grads, hessians = assert_same_walk(
        surface, "lbfgs", DenseBfgs(memory), steps, tolerance=1e-9, memory=memory, param=param
    )
    assert values == grads > 2 * steps
    assert hessians == 0


def test_lbfgs_steps_along_optaxs_direction():
    param = {"dimension": 6, "angle": 20.0}
    path = iterates("ellipse", "lbfgs", 0.0, 25, memory=4, param=param)
    f = SURFACES["ellipse"].with_parameters(**param)
    with jax.enable_x64(True):
        transformation = optax.scale_by_lbfgs(memory_size=4)
        update, state = jax.jit(transformation.update), transformation.init(jnp.asarray(path[0]))
        gradient = jax.jit(jax.grad(f))
        for x, after in pairwise(path):
            direction, state = update(gradient(x), state, jnp.asarray(x))
            rate = np.abs(after - x).max() / np.abs(direction).max()
            # of the rates 1, 2, ½, ¾, .. few are needed
            assert rate == pytest.approx(round(rate * 64) / 64, rel=1e-8)
            # 1e-8: differences of close points have lost half their digits at the end
            np.testing.assert_allclose(after - x, -rate * direction, rtol=1e-8, atol=1e-8 * np.abs(after - x).max())


@pytest.mark.parametrize(("n", "condition", "most"), [(2, 100.0, 12), (10, 100.0, 40), (20, 10.0, 30)])
def test_lbfgs_ends_soon_on_a_quadratic(n, condition, most):
    quadratic = ellipse_of(np.geomspace(1, condition, n), some_axes(n, 3), np.arange(n) / n)
    path = walk(quadratic, "lbfgs", most)
    gap = [0.5 * (x - path[-1]) @ (x - path[-1]) for x in path]
    np.testing.assert_allclose(path[-1], np.arange(n) / n, atol=1e-5)  # of a gap 1e-12 of the first
    assert gap[0] > 0.1


def test_lbfgs_needs_as_many_steps_as_scipys():
    f, target = f_of("rosenbrock"), 1e-12 * 24.2
    losses = []
    scipy.optimize.minimize(
        lambda x: tuple(np.asarray(part, float) for part in value_and_grad(f, x)),
        (-1.2, 1.0),
        jac=True,
        method="L-BFGS-B",
        callback=lambda x: losses.append(float(value_and_grad(f, x)[0])),
        options={"ftol": 0, "gtol": 1e-12, "maxcor": 10},
    )
    theirs = 1 + next(i for i, loss in enumerate(losses) if loss <= target)
    records = execute(program_of("rosenbrock", "lbfgs", steps=100, rtol=1e-12))
    ours = records.steps[0]
    assert theirs / 1.25 <= ours <= 1.25 * theirs
    np.testing.assert_allclose(records.x[0], [1.0, 1.0], atol=1e-5)


def value_and_grad(f, x):
    with jax.enable_x64(True):
        return f(jnp.asarray(x, jnp.float64))


def test_lbfgs_keeps_no_pair_where_the_slope_has_not_flattened():
    # a line falls for ever: after all trials the longest of 1, 2, 4, .. is taken, and shows no curvature
    solver = SOLVERS["lbfgs"]
    with jax.enable_x64(True):
        x = jnp.zeros(2)
        oracle = Oracle(lambda x: 3 * x[0] - 4 * x[1])
        after, state = solver.step(oracle, x, solver.initial_state(x, memory=2), memory=2)
    np.testing.assert_allclose(after, 2.0**29 * np.array([-0.6, 0.8]))
    assert not np.any(state)
    assert oracle.evaluations.looped.tolist() == [30, 30, 0]


def test_lbfgs_forgets_what_leads_nowhere():
    solver = SOLVERS["lbfgs"]
    with jax.enable_x64(True):
        x = jnp.ones(2)
        # a pair that claims the slope is all but flat: its step is 1e12 long, and the loss is a number near 1 alone
        misled = (jnp.zeros((2, 2)).at[-1].set(1e6), jnp.zeros((2, 2)).at[-1].set(1e-6))
        near = Oracle(lambda x: jnp.where(jnp.abs(x[0] - 1) < 1e-3, x @ x, jnp.nan))
        after, state = solver.step(near, x, misled, memory=2)
        np.testing.assert_array_equal(after, x)
        assert not np.any(state)
        after = np.asarray(solver.step(near, x, state, memory=2)[0])
    assert 1e-4 < 1 - after[0] < 1e-3


# ---- options other than the default, on every surface

OPTIONS = [("newton", {"safeguard": True}), ("lbfgs", {"memory": 3}), ("rmsprop", {"centered": True})]


@cache
def surfaces_of(dimension):
    """A function of a surface's number among those of a dimension, and their names."""
    several = [surface for surface in SURFACES.values() if surface.dimension == dimension]
    return lambda number: lambda x: lax.switch(number, several, x), several


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=[name for name, _ in OPTIONS])
# of the many surfaces of two weights a switch between all of them takes long to compile
@pytest.mark.parametrize(
    "dimension",
    [
        pytest.param(dimension, marks=[pytest.mark.slow] if dimension < 4 else [])
        for dimension in sorted({surface.dimension for surface in SURFACES.values()})
    ],
)
def test_stays_finite_on_every_surface_with_other_options(name, options, dimension):
    solver = SOLVERS[name].variant("torch") if name == "rmsprop" else SOLVERS[name]
    settings = {**solver.options, **options, **solver.hyperparameters}
    settings |= {"learning_rate": 1e-6} if "learning_rate" in settings else {}
    of, several = surfaces_of(dimension)

    def hundred_steps(number, x):
        oracle = Oracle(of(number))
        step = lambda _, lane: solver.step(oracle, *lane, **settings)  # noqa: E731
        return lax.fori_loop(0, 100, step, (x, solver.initial_state(x, **settings)))

    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        run = jax.jit(hundred_steps, compiler_options=compilation.known(compilation.ONCE))
        for number, one in enumerate(several):
            start = jnp.asarray(one.start_point(dimension))
            lane = run(jnp.int32(number), start)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(lane)), one.name
