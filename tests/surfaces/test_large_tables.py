"""Large tables: lanes, grids and Hessians follow from what is held at once, and what does not fit is refused."""

from __future__ import annotations

import os
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.programs import assert_same_bits, execute_in_slices, program_of
from threadpoolctl import threadpool_info, threadpool_limits

from gdbench import blas
from gdbench.api import run
from gdbench.cli.app import call
from gdbench.compilation import numbers_held
from gdbench.engine import lane_count as counting
from gdbench.engine.compiled_loop import forget_machines, machine
from gdbench.engine.lane_count import lane_count, queue_length
from gdbench.engine.stream import execute
from gdbench.errors import UsageError
from gdbench.planning.limits import path_bytes, step_bytes
from gdbench.planning.plan import make_plan
from gdbench.spec.run import RunSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import facts, surface
from gdbench.surfaces.data.models import Multilayer
from gdbench.theory import predicted_rate

INPUTS = np.random.default_rng(8).normal(size=(40_000, 3))
TARGETS = np.tanh(INPUTS @ [1.0, -0.5, 0.3])


def neuron(x, inputs, targets):
    """A tanh neuron of a table."""
    return jnp.mean((jnp.tanh(inputs @ x) - targets) ** 2)


def neuron_surface(examples):
    data = (INPUTS[:examples], TARGETS[:examples])
    minimum = [[1.0, -0.5, 0.3]]
    return surface(start=(0.0, 0.0, 0.0), data=data, minimisers=minimum, register=False, name="neuron")(neuron)


def shapes(*sizes):
    return [jax.ShapeDtypeStruct(size, np.float64) for size in sizes]


# ---- what is held


def test_numbers_live_from_where_they_are_made_to_where_they_are_last_read():
    def held(function, *sizes):
        with jax.enable_x64(True):
            return numbers_held(function, *shapes(*sizes))

    assert held(lambda x: x + 1, (5,)) == 10  # what is handed in and what comes out
    assert held(lambda x: jnp.sin(jnp.sin(jnp.sin(x))), (5,)) == 10  # two at any time
    assert held(lambda x: jnp.sin(x) + x, (5,)) == 15
    assert held(lambda x, table: table @ x, (3,), (100, 3)) == 103  # the table is there once for all lanes
    assert held(lambda x, table: x + jnp.sum(jnp.sin(table)), (3,), (100, 3)) == 6
    assert held(lambda x, table: table * x, (3,), (100, 3)) == 303
    # within a function that is called
    assert held(lambda x: jnp.sum(jax.jit(lambda y: jnp.outer(y, y))(x)), (10,)) >= 110


@pytest.mark.parametrize("examples", [100, 2000])
def test_the_estimate_is_near_what_xla_sets_aside(examples):
    model = Multilayer(10, 0)
    network = model.network("16", "tanh")

    def slope(x, inputs, targets):
        return jax.value_and_grad(lambda w: model(w, inputs, targets, hidden="16"))(x)

    with jax.enable_x64(True):
        given = shapes((network.dimension,), (examples, 10), (examples,))
        estimate = 8 * numbers_held(slope, *given)
        found = jax.jit(slope).lower(*given).compile().memory_analysis().temp_size_in_bytes
    # XLA fuses some operations and pads others: an estimate is for a limit, not for an account
    assert found / 2 < estimate < 3 * found


# ---- lanes


def test_lanes_follow_from_what_a_step_holds():
    assert [lane_count(2, dtype) for dtype in ("float64", "float32")] == [352, 672]
    assert [lane_count(n, "float64") for n in (5, 10, 100)] == [160, 96, 96]
    counts = [lane_count(10, "float64", held) for held in (1, 100, 1000, 5000, 20_000, 131_072, 131_073, 10**9)]
    assert counts == [96, 96, 64, 8, 4, 4, 1, 1]
    assert lane_count(10, "float32", 5000) == 16
    assert queue_length(1000, 96) == queue_length(2, 352) == counting.QUEUE
    assert queue_length(100_000, 1) == 41
    assert queue_length(10**6, 96) == 96


def plain(rate, steps, examples):
    """Gradient descent in numpy, from 0."""
    inputs, targets, x = INPUTS[:examples], TARGETS[:examples], np.zeros(3)
    for _ in range(steps):
        y = np.tanh(inputs @ x)
        x = x - rate * inputs.T @ (2 * (y - targets) * (1 - y * y)) / examples
    return x


@pytest.mark.parametrize(("examples", "lanes"), [pytest.param(40_000, 1, marks=pytest.mark.slow), (2000, 4)])
def test_few_lanes_run_as_any_do(examples, lanes, monkeypatch):
    rates = np.geomspace(0.01, 2.0, 11)
    program = program_of(neuron_surface(examples), "sgd", rates, steps=40, rtol=1e-3, targets=(0.1, 0.01))
    with jax.enable_x64(True):
        assert machine(program.signature).lanes == lanes
    records = execute(program)
    for rate, steps, x in zip(rates, records.steps, records.x, strict=True):
        np.testing.assert_allclose(x, plain(rate, steps, examples), rtol=1e-12)
    assert len(set(records.steps)) > 2
    # alone, in another order, in slices on threads
    for rows in (np.array([3]), np.random.default_rng(9).permutation(11)):
        assert_same_bits(execute(program.take(rows)), records, rows)
    assert_same_bits(execute_in_slices(program, [4, 1, 6], threads=2), records)
    if lanes == 4:  # and through a queue that is far shorter than the runs are many
        monkeypatch.setattr(counting, "QUEUED", 3 * program.dimension)
        forget_machines()
        with jax.enable_x64(True):
            assert machine(program.signature).queue == 4
        assert_same_bits(execute(program), records)
        forget_machines()


# ---- grids and Hessians


def test_values_of_a_table_are_computed_in_groups(monkeypatch):
    made, points = neuron_surface(300), np.random.default_rng(10).normal(size=(2500, 3))
    wanted = np.mean((np.tanh(INPUTS[:300] @ points.T) - TARGETS[:300, None]) ** 2, axis=0)
    found = facts.values(made, points)
    np.testing.assert_allclose(found, wanted, rtol=1e-13)
    assert np.array_equal(facts.values(made, points[2100:]), found[2100:])


def test_a_hessian_of_many_columns_is_computed_a_few_at_a_time(monkeypatch):
    made, x = neuron_surface(500), np.array([0.3, 0.2, -0.1])
    whole = facts.hessian_at(made, x)
    y = np.tanh(INPUTS[:500] @ x)
    curvature = 2 * (1 - y * y) * ((1 - y * y) - 2 * y * (y - TARGETS[:500]))
    np.testing.assert_allclose(whole, INPUTS[:500].T @ (curvature[:, None] * INPUTS[:500]) / 500, rtol=1e-12)
    monkeypatch.setattr(facts, "AT_ONCE", 1)
    monkeypatch.setattr(facts, "CHUNK", 1)
    facts._hessian.cache_clear()
    np.testing.assert_allclose(facts.hessian_at(made, x), whole, rtol=1e-13)
    facts._hessian.cache_clear()


@pytest.mark.slow
def test_rates_on_large_tables_are_those_of_small_ones(monkeypatch):
    made = neuron_surface(500)
    program, known = program_of(made, "momentum", np.array([0.1, 0.5]), momentum=0.5, rtol=1e-6), facts.facts_of(made)
    rates = predicted_rate.rates_predicted(program, known.minimisers[0], known.hessians[0]).rate
    assert np.isfinite(rates).all()
    monkeypatch.setattr(predicted_rate, "MANY", 0)
    predicted_rate._compiled.cache_clear()
    again = predicted_rate.rates_predicted(program, known.minimisers[0], known.hessians[0]).rate
    np.testing.assert_allclose(again, rates, rtol=1e-12)


# ---- what does not fit


def large(rows, weights, minimisers=None):
    """A surface with a table that takes no memory."""
    data = (np.broadcast_to(0.0, (rows, weights)), np.broadcast_to(0.0, rows))
    return surface(
        start=lambda n: np.zeros(n), dimension=weights, data=data, register=False, minimisers=minimisers, name="large"
    )(neuron)


def test_what_does_not_fit_is_refused_before_anything_runs():
    def blocks_of(made, solver, **options):
        return make_plan(validated(RunSpec, {"surface": ["large"], "solver": [solver], **options}), [made]).blocks

    [block] = blocks_of(large(100_000, 30), "sgd")
    # a few numbers for each example, in one lane
    assert 8 * 100_000 < step_bytes(block) < 8 * 10 * 100_000
    assert step_bytes(replace(block, conditions=replace(block.conditions, dtype="float32"))) == step_bytes(block) // 2
    words = (
        "surface 'large': a step of solver 'newton' on 10 000 000 examples with 60 weights would take about .* GiB of "
        "memory, and 8 GiB is the most: give another solver"
    )
    with pytest.raises(UsageError, match=words):
        blocks_of(large(10_000_000, 60), "newton")
    assert blocks_of(large(10_000_000, 60), "sgd")
    with pytest.raises(UsageError, match=r"a step of solver 'sgd' on 1 000 000 000 examples .* fewer examples or"):
        blocks_of(large(1_000_000_000, 3), "sgd")
    words = "a path of 10 000 steps of 100 000 weights would take about .* GiB .* give fewer steps, starts or weights"
    with pytest.raises(UsageError, match=words):
        blocks_of(large(10, 100_000), "sgd")
    # those of 1 000 steps fit, and nobody knows how long those on the way to a minimum will be
    [block] = blocks_of(large(10, 100_000), "sgd", steps=1000)
    assert path_bytes(block) == pytest.approx(3 * 8 * 1001 * 100_002)
    [block] = blocks_of(large(10, 100_000, lambda dimension: np.zeros((1, dimension))), "sgd")
    assert path_bytes(block) == 0


def test_the_command_refuses_with_a_sentence(here, capsys):
    np.savetxt("small.csv", np.random.default_rng(11).normal(size=(30, 3)), delimiter=",", header="a,b,y", comments="")
    network = ["run", "--data", "small.csv", "--target", "y", "--model", "mlp", "--hidden", "300,300"]
    assert call([*network, "-s", "sgd"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("gdbench: surface 'small-raw': a path of 10 000 steps of 91 501 weights would take about")
    assert "\n" not in said
    assert not any(here.glob("results/*"))


# ---- one thread for linear algebra


def test_linear_algebra_has_one_thread_and_gives_the_others_back():
    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    import scipy.linalg  # noqa: F401 - has a library of its own

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with blas.one_thread():
            assert threads() == {1}
        assert threads() == before
    assert before == {2}


def test_the_environment_asks_for_one_thread_unless_the_user_has_said_otherwise(monkeypatch):
    for name in blas.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    blas.one_thread_from_the_start()
    assert [os.environ[name] for name in blas.VARIABLES] == ["1", "1", "3"]


@pytest.mark.slow
def test_a_network_on_a_large_table_runs(here):
    """Two thousand examples, ten features, 32 hidden units: it once took a minute and two gigabytes."""
    table = np.random.default_rng(0).normal(size=(2000, 11))
    np.savetxt("large.csv", table, delimiter=",", header=",".join([*"abcdefghij", "y"]), comments="")
    given = {"data": "large.csv", "target": "y", "model": "mlp", "hidden": "32"}
    result = run(solvers=["sgd", "adam"], learning_rate=0.01, steps=100, plots=False, **given)
    assert result.runs["status"].tolist() == ["budget", "budget"]
    assert (result.runs["loss_final"] < result.runs["loss_start"]).all()
