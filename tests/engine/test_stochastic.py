"""Noise and mini-batches: the right distribution, the same draws for everyone, and nothing else changed by them."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.compilations import compilations
from helpers.programs import assert_same_bits, program_of, status_of
from scipy import stats

from gdbench.engine import stochastic
from gdbench.engine.stream import execute, trace
from gdbench.errors import UsageError
from gdbench.solvers import solver
from gdbench.surfaces import surface
from gdbench.surfaces.facts import facts_of
from gdbench.surfaces.linear import linear_neuron
from gdbench.theory.predicted_rate import rates_predicted

# of a correct program so rare, with the fixed seeds below it either always happens or never
RARE = 1e-4


def table(examples, weights, seed=2):
    """A linear neuron on a table of random examples."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(examples, weights))
    targets = inputs @ random.normal(size=weights) + random.normal(size=examples)
    return surface(start=(0.5,) * weights, data=(inputs, targets), register=False, name="table")(linear_neuron)


@surface(start=(1.0,), minimisers=[(0.0,)], register=False)
def parabola(x, *, curvature=1.0):
    return 0.5 * curvature * x[0] ** 2


@solver(register=False)
def tells(oracle, x, *, what="grad", calls=1):
    """The next iterate is what the oracle says."""
    for _ in range(calls - 1):
        oracle.grad(x)
    if what == "pair":
        return oracle.value_and_grad(x)[1]
    if what in ("value", "pair value"):
        return jnp.full_like(x, oracle.value(x) if what == "value" else oracle.value_and_grad(x)[0])
    if what == "hessian":
        return oracle.hessian(x) @ jnp.ones_like(x)
    return oracle.hvp(x, jnp.ones_like(x)) if what == "hvp" else oracle.grad(x)


def told(program, **options):
    """What the oracle said to every run in its first step `[runs, n]`."""
    program = replace(program.under(steps=1), solver_options={**program.solver_options, **options})
    return np.stack([path.x[1] for path in trace(program)])


def draws(seeds, steps, call=0, size=1, dtype="float64"):
    """`[seeds, steps, size]`"""

    def of(seed, step):
        return stochastic.normals(seed, step, call, size, dtype)

    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(jax.vmap(of, (None, 0)), (0, None)))(np.asarray(seeds), np.asarray(steps)))


def batches(seeds, steps, examples, size):
    """`[seeds, steps, size]`"""

    def of(seed, step):
        return stochastic.batch(seed, step, examples, size)

    return np.asarray(jax.jit(jax.vmap(jax.vmap(of, (None, 0)), (0, None)))(np.asarray(seeds), np.asarray(steps)))


# ---- the random numbers


def test_the_hash_is_that_of_its_paper():
    random = np.random.default_rng(11)
    mask = 2**32 - 1
    for words in random.integers(0, 2**32, (50, 4)).tolist():
        x, y, z, w = ((word * 1664525 + 1013904223) & mask for word in words)
        for again in (False, True):
            if again:
                x, y, z, w = (word ^ (word >> 16) for word in (x, y, z, w))
            x = (x + y * w) & mask
            y = (y + z * x) & mask
            z = (z + x * y) & mask
            w = (w + y * z) & mask
        assert [int(word) for word in stochastic.hashed(*np.array(words, np.uint32))] == [x, y, z, w]


def test_the_numbers_are_normal_and_independent():
    z = np.stack([draws(range(100), range(1000), call, size=3) for call in (0, 1)], axis=2)
    assert stats.kstest(z.ravel(), "norm").pvalue > RARE
    # across steps, seeds, calls and components, also those next to each other: of the numbers and of their squares
    pairs = [(z[:, lag:], z[:, :-lag]) for lag in (1, 2, 64)] + [(z[lag:], z[:-lag]) for lag in (1, 2, 64)]
    pairs += [(z[:, :, 1], z[:, :, 0]), (z[..., 1:], z[..., :-1]), (z[:, 1:, :, 0], z[:, :-1, :, 1])]
    for one, other in pairs:
        for a, b, size in ((one, other, 1.0), (one**2 - 1, other**2 - 1, 2.0)):
            assert abs(np.mean(a * b)) / size * np.sqrt(a.size) < stats.norm.isf(RARE / 2)
        cells = np.histogram2d(stats.norm.cdf(one).ravel(), stats.norm.cdf(other).ravel(), 32, [[0, 1], [0, 1]])[0]
        assert stats.chisquare(cells.ravel()).pvalue > RARE
    for axis in (0, 1):  # no seed and no step with a mean of its own
        means = z.mean(axis=axis) * np.sqrt(z.shape[axis])
        assert stats.kstest(means.ravel(), "norm").pvalue > RARE
    assert np.abs(z).max() < 5.5


def test_the_numbers_are_the_same_in_both_types():
    both = [draws([3], range(50), size=4, dtype=dtype) for dtype in ("float32", "float64")]
    assert both[0].dtype == "float32"
    # 1e-6: the rounding of float32, a few times
    np.testing.assert_allclose(both[0], both[1], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_seed_and_step_are_exact_up_to_two_to_24(dtype):
    last = 2**24 - 1
    seeds = np.array([last, last - 1])
    program = replace(program_of("ellipse", tells, starts=[1.0, 2.0], seeds=seeds, dtype=dtype), noise=1.0)
    exact = told(replace(program, noise=0.0))
    # 2e-5: the gradient, 20, is added and taken away again in float32
    np.testing.assert_allclose(told(program) - exact, draws(seeds, [0], size=2)[:, 0], atol=2e-5)
    steps = np.array([last, last - 1, last // 2], dtype)
    assert len(np.unique(draws([0], steps))) == 3
    assert len(np.unique(draws(seeds.astype(dtype), steps))) == 6
    np.testing.assert_array_equal(draws(seeds.astype(dtype), steps), draws(seeds, steps.astype(int)))


# ---- the shuffle


def test_a_shuffle_holds_every_example_once():
    found = jax.jit(jax.vmap(lambda seed, n: stochastic.shuffle((seed, seed * 7), 0, n, 1024), (0, None)))
    for count in (*range(1, 201), 1000, 1024):
        places = np.asarray(found(np.arange(20, dtype=np.uint32), count))[:, :count]
        assert (np.sort(places) == np.arange(count)).all(), count
        assert count < 20 or len({tuple(row) for row in places.tolist()}) == 20


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_every_order_is_as_likely(count):
    orders = batches(range(20_000), range(count), count, 1)[:, :, 0]
    _, times = np.unique(orders @ count ** np.arange(count), return_counts=True)
    assert len(times) == np.prod(np.arange(1, count + 1))
    assert stats.chisquare(times).pvalue > RARE


@pytest.mark.parametrize("count", [7, 12, 50, 178])
def test_every_place_and_every_distance_is_as_likely(count):
    orders = batches(range(4000), range(count), count, 1)[:, :, 0]
    times = np.stack([np.bincount(column, minlength=count) for column in orders.T])
    statistic = ((times - 4000 / count) ** 2 / (4000 / count)).sum()
    assert stats.chi2.sf(statistic, (count - 1) ** 2) > RARE
    distance = (orders[:, 1:] - orders[:, :-1]) % count
    assert stats.chisquare(np.bincount(distance[:, ::2].ravel(), minlength=count)[1:]).pvalue > RARE


@pytest.mark.parametrize(("examples", "size"), [(12, 4), (12, 1), (11, 4), (5, 3), (178, 32)])
def test_an_epoch_visits_every_example_and_each_batch_holds_different_ones(examples, size):
    steps = -(-examples // size)
    epochs = batches([0, 1], range(5 * steps), examples, size).reshape(2, 5, steps * size)
    for order in epochs.reshape(10, -1):
        assert set(order[:examples]) == set(range(examples))
        # a short last batch is filled from the beginning
        np.testing.assert_array_equal(order[examples:], order[: steps * size - examples])
        assert all(len(set(batch)) == size for batch in order.reshape(steps, size))
    if examples > 10:
        assert len({tuple(order) for order in epochs.reshape(10, -1).tolist()}) == 10


# ---- what the solver is told


@pytest.mark.parametrize(("what", "calls"), [("grad", 1), ("grad", 3), ("pair", 2)])
def test_a_gradient_has_the_noise_of_its_call(what, calls):
    program = program_of("ellipse", tells, starts=[1.0, 2.0], seeds=[0.0, 5.0], what=what, calls=calls)
    wanted = told(program) + 0.3 * draws([0, 5], [0], calls - 1, size=2)[:, 0]
    np.testing.assert_allclose(told(replace(program, noise=0.3)), wanted, rtol=1e-12)


def test_every_step_has_noise_of_its_own():
    still = solver(register=False, name="still")(lambda oracle, x: x + 1e-3 * oracle.grad(0 * x))
    program = replace(program_of("ellipse", still, starts=[1.0, 2.0], seeds=4.0, steps=150), noise=1.0)
    moves = np.diff(trace(program)[0].x, axis=0) * 1e3
    np.testing.assert_allclose(moves, draws([4], range(150), size=2)[0], atol=1e-10)


def rarely(*values):
    """Cases of the slow checks: each compiles a program of its own, and shows what its neighbours show."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("what", ["pair value", "hvp", *rarely("value", "hessian")])
def test_all_else_is_exact_under_noise(what):
    program = program_of("rosenbrock", tells, starts=[-1.0, 0.5], what=what)
    np.testing.assert_allclose(told(replace(program, noise=3.0)), told(program), rtol=1e-14)


@pytest.mark.parametrize("what", ["pair value", *rarely("hvp", "pair", "value", "hessian", "grad")])
def test_all_is_that_of_the_batch(what):
    ground = table(10, 3)
    found = told(program_of(ground, tells, seeds=np.arange(20.0), what=what).under(batch_size=4))
    inputs, targets = ground.data
    x = np.full(3, 0.5)
    for run, rows in enumerate(batches(range(20), [0], 10, 4)[:, 0]):
        residual, chosen = inputs[rows] @ x - targets[rows], inputs[rows]
        wanted = {
            "value": np.full(3, np.mean(residual**2)),
            "hessian": 2 * chosen.T @ chosen.sum(axis=1) / 4,
            "grad": 2 * chosen.T @ residual / 4,
        }
        key = {"pair value": "value", "hvp": "hessian", "pair": "grad"}.get(what, what)
        np.testing.assert_allclose(found[run], wanted[key], rtol=1e-12)


@pytest.mark.parametrize("size", [3, *rarely(1, 6)])
def test_an_epochs_mean_gradient_is_that_of_all_examples(size):
    found = table(12, 2)
    still = solver(register=False, name="still")(lambda oracle, x: x + oracle.grad(jnp.full_like(x, 0.5)))
    path = trace(program_of(found, still, steps=60 // size).under(batch_size=size))[0].x
    inputs, targets = found.data
    full = 2 * inputs.T @ (inputs @ np.full(2, 0.5) - targets) / 12
    epochs = np.diff(path, axis=0).reshape(5, -1, 2)
    np.testing.assert_allclose(epochs.mean(axis=1), np.tile(full, (5, 1)), rtol=1e-12)
    assert np.ptp(epochs.sum(axis=2)) > 0.1  # and no step's is


def test_minibatch_descent_agrees_with_a_loop_in_numpy():
    found = table(178, 14)
    program = program_of(found, "momentum", 0.02, seeds=[3.0, 8.0], steps=100, momentum=0.5)
    inputs, targets = found.data
    rows = batches([3, 8], range(100), 178, 32)
    for run, path in enumerate(trace(program.under(batch_size=32))):
        x, velocity = np.full(14, 0.5), np.zeros(14)
        for step in range(100):
            chosen = rows[run, step]
            gradient = 2 * inputs[chosen].T @ (inputs[chosen] @ x - targets[chosen]) / 32
            velocity = 0.5 * velocity + 0.02 * gradient
            x = x - velocity
            np.testing.assert_allclose(path.x[step + 1], x, rtol=1e-12, atol=1e-12)
            # what is measured is the loss of all examples
            np.testing.assert_allclose(path.loss[step + 1], np.mean((inputs @ x - targets) ** 2), rtol=1e-12)


def test_two_contradicting_examples_in_turn_are_a_cycle():
    data = ([[1.0], [1.0]], [0.0, 2.0])
    contradiction = surface(start=(0.5,), data=data, register=False, name="contradiction")(linear_neuron)
    rate, runs, steps = 0.45, 50, 200
    program = program_of(contradiction, "sgd", rate, seeds=np.arange(runs), steps=steps, known_minimum=False)
    order = batches(range(runs), range(steps), 2, 1)[:, :, 0]
    seen = 0
    for path, visited in zip(trace(program.under(batch_size=1)), order, strict=True):
        # where 16 visits before a step were in turn, 0.1^16 of where they began is left
        turns = np.convolve(np.diff(visited) != 0, np.ones(15, int), "valid") == 15
        for end in np.flatnonzero(turns) + 16:
            wanted = 1 / (1 - rate) if visited[end - 1] == 1 else (1 - 2 * rate) / (1 - rate)
            np.testing.assert_allclose(path.x[end, 0], wanted, rtol=1e-12)
            seen += 1
    assert seen > 50


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noisy_descent_on_a_parabola_scatters_as_theory_says(dtype):
    # x' = (1 - lr c) x - lr sigma z: stationary variance lr sigma^2 / (c (2 - lr c))
    rates, sigmas = np.repeat([0.1, 0.5, 0.9], 4000), np.tile(np.repeat([0.2, 3.0], 2000), 3)
    program = program_of(
        parabola, "sgd", rates, seeds=np.arange(12_000), param={"curvature": 1.5}, steps=150, known_minimum=False
    )
    x = execute(replace(program.under(dtype=dtype), noise=sigmas)).x[:, 0].reshape(6, 2000)
    rate, sigma = rates[::2000], sigmas[::2000]
    wanted = rate * sigma**2 / (1.5 * (2 - rate * 1.5))
    # a variance of m normal numbers scatters by sqrt(2 / m), their mean by sqrt(1 / m); what is left of the start, e-11
    assert np.all(np.abs(x.var(axis=1) / wanted - 1) < stats.norm.isf(RARE / 2) * np.sqrt(2 / 2000))
    assert np.all(np.abs(x.mean(axis=1)) < stats.norm.isf(RARE / 2) * np.sqrt(wanted / 2000))


# ---- nothing else changes


def test_the_target_is_met_by_the_exact_loss():
    program = program_of(parabola, "sgd", 0.1, seeds=np.arange(200.0), steps=500, rtol=1e-3)
    program = replace(program, noise=0.5)
    records, paths = execute(program), trace(program)
    assert set(status_of(records)) == {"reached"}
    for i, path in enumerate(paths):
        np.testing.assert_allclose(path.loss, 0.5 * path.x[:, 0] ** 2, rtol=1e-15)
        np.testing.assert_allclose(path.grad_norm, np.abs(path.x[:, 0]), rtol=1e-15)
        assert np.flatnonzero(path.loss <= 1e-3 * path.loss[0]).tolist() == [records.steps[i]]


def many(dimension, dtype="float64"):
    runs = 60
    found = table(20, dimension)
    program = program_of(
        found,
        "adam",
        np.geomspace(1e-3, 1, runs),
        seeds=np.arange(runs) % 7,
        steps=150,
        known_minimum=False,
        dtype=dtype,
    )
    return replace(program.under(batch_size=6), noise=np.linspace(0, 1, runs))


@pytest.mark.parametrize(
    ("dimension", "dtype"),
    [
        (2, "float64"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in [(30, "float32"), (2, "float32"), (30, "float64")]),
    ],
)
@pytest.mark.usefixtures("compiled_for_speed")
def test_neither_the_order_nor_the_company_changes_a_bit_and_the_trace_is_the_run(dimension, dtype):
    random = np.random.default_rng(12)
    program = many(dimension, dtype)
    records = execute(program)
    for rows in (random.permutation(60), np.array([41]), np.array([3, 3, 50])):
        assert_same_bits(execute(program.take(rows)), records, rows)
    for i, path in enumerate(trace(program)):
        np.testing.assert_array_equal(path.x[-1], records.x[i])
        np.testing.assert_array_equal(path.loss[-1], records.loss_final[i])


@pytest.mark.slow
def test_every_solver_gets_the_same_draws():
    # both are plain descent, with other states and other evaluations besides
    asks = solver(register=False, name="asks")(
        lambda oracle, x, *, learning_rate: (
            x - learning_rate * oracle.grad(x) + 0 * oracle.value(x) + 0 * oracle.grad(x)
        )
    )
    found = table(20, 2)
    ways = [replace(program_of(found, way, 0.05, steps=80).under(batch_size=3), noise=0.3) for way in ("sgd", asks)]
    ways.append(replace(program_of(found, "momentum", 0.05, steps=80, momentum=0.0).under(batch_size=3), noise=0.3))
    paths = [trace(way)[0].x for way in ways]
    for path in paths[1:]:
        np.testing.assert_allclose(path, paths[0], rtol=1e-12)


@pytest.mark.slow
def test_noise_and_seed_compile_nothing_and_sizes_do():
    program = many(2)
    execute(program), trace(program)
    first, found = execute(program), {}
    others = {
        "noise": replace(program, noise=program.noise * 2 + 0.1),
        "seeds": replace(program, seeds=program.seeds + 50),
        "f_star": replace(program, f_star=np.zeros(60)),
    }
    for what, other in others.items():
        assert compilations(lambda o=other, w=what: found.update({w: execute(o)})) == 0, what
    assert not np.array_equal(found["noise"].x, first.x)
    assert not np.array_equal(found["seeds"].x, first.x)
    shared = replace(program, noise=0.5)
    execute(shared)
    assert compilations(lambda: execute(replace(shared, noise=0.25))) == 0
    assert compilations(lambda: execute(program.under(batch_size=5))) > 0


def test_without_noise_and_with_all_examples_the_program_is_the_old_one():
    program = program_of(table(20, 2), "sgd", [0.1, 0.2])
    for size in (0, 20, 21):
        assert program.under(batch_size=size).signature == program.signature
        assert not program.under(batch_size=size).stochastic
    assert program.under(batch_size=19).signature != program.signature
    assert replace(program, noise=0.0).signature != program.signature
    np.testing.assert_allclose(execute(replace(program, noise=0.0)).x, execute(program).x, rtol=1e-13)


@pytest.mark.slow
def test_evaluations_are_counted_as_before():
    program = program_of(table(20, 2), "nesterov", 0.01, steps=30)
    exact, random = execute(program), execute(replace(program.under(batch_size=4), noise=0.1))
    for name in ("steps", "value_evals", "grad_evals", "hess_evals"):
        np.testing.assert_array_equal(getattr(random, name), getattr(exact, name))


def test_settings_name_the_noise():
    program = program_of(table(20, 2), "sgd", [0.1, 0.2])
    assert "surface.noise" not in program.settings
    swept = replace(program.under(batch_size=30), noise=np.array([0.1, 0.2]))
    assert "surface.noise" in swept.swept
    assert swept.take(np.array([1])).noise.tolist() == [0.2]
    assert replace(program, noise=0.1).shared["surface.noise"] == 0.1


def test_no_rate_is_predicted_of_what_is_random():
    program = program_of("ellipse", "sgd", 0.01)
    facts = facts_of(program.surface)

    def look(other):
        return rates_predicted(other, facts.minimisers[0], facts.hessians[0]).rate

    assert np.isfinite(look(program)).all()
    assert np.isnan(look(replace(program, noise=0.1))).all()


@surface(start=(1.0, 1.0), data=([[1.0, 2.0]] * 4, [1.0] * 3), register=False)
def uneven(x, inputs, targets):
    return jnp.mean(inputs @ x) + jnp.mean(targets)


@pytest.mark.parametrize(
    ("where", "given", "words"),
    [
        ("ellipse", {"batch_size": 4}, "surface 'ellipse' has no examples to draw a mini-batch from"),
        ("unscaled", {"batch_size": -1}, r"the batch size must be 0 \(all examples\) or more, not -1"),
        ("ellipse", {"noise": -0.1}, "the noise must be a number from 0 up"),
        ("ellipse", {"noise": np.array([np.nan])}, "the noise must be a number from 0 up"),
        (uneven, {"batch_size": 2}, r"surface 'uneven' has data of shapes \(4, 2\) and \(3,\)"),
    ],
)
def test_what_does_not_fit_is_one_sentence(where, given, words):
    program = program_of(where, "sgd")
    with pytest.raises(UsageError, match=words):
        replace(program.under(batch_size=given.pop("batch_size", 0)), **given)
