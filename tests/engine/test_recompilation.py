"""Numbers are traced: another value of any of them compiles nothing. Plug-ins that are wrong say how."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.compilations import assert_no_number_compiles_again, compilations
from helpers.programs import assert_same_bits, program_of

import gdbench
from gdbench.engine.stream import execute, trace
from gdbench.engine.threads import Task, execute_tasks
from gdbench.errors import UsageError
from gdbench.solvers import SOLVERS, solver
from gdbench.solvers.base import CONVENTION
from gdbench.spec.run import LADDER
from gdbench.surfaces import SURFACES, surface
from gdbench.surfaces.facts import facts_of
from gdbench.theory.predicted_rate import rates_predicted


def test_the_count_counts():
    assert compilations(lambda: jax.jit(lambda x: x * 3.25 + 1)(1.0)) >= 1


def two_runs(surface, solver):
    return program_of(surface, solver, [1e-4, 1e-3], steps=70, rtol=1e-6, gtol=1e-12, targets=LADDER)


# A formula's numbers, one on which the minimum depends, one of a surface with data: the others are of these kinds.
ALWAYS = ("rosenbrock", "double-well", "unscaled")
surfaces = [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in SURFACES]


# every solver on one surface, where its hyperparameters matter: test_solvers.py
@pytest.mark.parametrize("name", surfaces)
def test_no_number_compiles_again(name):
    assert_no_number_compiles_again(two_runs(name, "momentum"), arrive=("starts", "parameters"))


def sample_of_the_product(count):
    """So many pairs of a surface and a solver in one of its conventions, the same in every process."""
    solvers = [variant for solver in SOLVERS.values() for variant in (solver, *solver.variants.values())]
    pairs = [(surface, solver) for surface in SURFACES for solver in solvers]
    chosen = np.random.default_rng(0).permutation(len(pairs))[:count]
    return [pairs[i] for i in sorted(chosen)]


def name_of(value):
    return value if isinstance(value, str) else "-".join([value.name, value.options.get(CONVENTION, "")])


# the whole product takes half an hour
@pytest.mark.slow
@pytest.mark.parametrize(("name", "solver"), sample_of_the_product(100), ids=name_of)
def test_no_number_compiles_again_on_any_surface_with_any_solver(name, solver):
    assert_no_number_compiles_again(two_runs(name, solver))


def test_drawing_another_number_of_runs_compiles_nothing():
    program = program_of("scaled", "sgd", np.full(9, 1e-3), steps=70)
    trace(program)
    assert compilations(lambda: trace(program.take(np.arange(7)))) == 0


def test_facts_and_theory_compile_once_for_all_parameters():
    def look(condition):
        program = program_of("ellipse", "momentum", [0.01, 0.02], param={"condition": condition}, rtol=1e-6)
        facts = facts_of(program.surface)
        return rates_predicted(program, facts.minimisers[0], facts.hessians[0]).rate

    wanted = look(20.0)
    assert compilations(lambda: look(30.0)) == 0
    np.testing.assert_array_equal(look(20.0), wanted)


def test_a_whole_benchmark_of_other_numbers_compiles_nothing():
    def job(condition, decay, seed):
        gdbench.run(["ellipse"], ["rmsprop"], param={"condition": condition}, set={"decay": decay}, seed=seed, starts=3)

    job(20.0, 0.9, 0)
    assert compilations(lambda: job(31.0, 0.8, 5)) == 0


def test_the_callers_configuration_is_left_alone():
    assert not jax.config.jax_enable_x64
    execute(program_of("ellipse", "sgd"))
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32


# ---- wrong plug-ins


def bad_solver(step, init=None):
    if init is None:
        return solver(register=False, name="bad")(lambda oracle, x, *, learning_rate: step(oracle, x))
    return solver(register=False, name="bad", init=init)(lambda oracle, x, s, *, learning_rate: step(oracle, x, s))


BAD_SOLVERS = {
    "raises": (bad_solver(lambda o, x: 1 / 0), ZeroDivisionError, "division by zero"),
    "shape": (bad_solver(lambda o, x: x[:1]), UsageError, r"the iterate of solver 'bad' has shape \(1,\)"),
    "type": (
        bad_solver(lambda o, x: x.astype(jnp.float32)),
        UsageError,
        "the iterate of solver 'bad' .* type float32 after a step, expected .* and float64",
    ),
    "state shape": (
        bad_solver(lambda o, x, s: (x, jnp.stack([s, s])), jnp.zeros_like),
        UsageError,
        "the state of solver 'bad' has shape",
    ),
    "state type": (
        bad_solver(lambda o, x, s: (x, s + 0.5), lambda x: jnp.zeros(2, jnp.int32)),
        UsageError,
        "the state of solver 'bad' has shape .* expected .* int32",
    ),
    "state structure": (
        bad_solver(lambda o, x, s: (x, (s, s)), jnp.zeros_like),
        UsageError,
        "the state of solver 'bad' changed its structure",
    ),
    "no state": (bad_solver(lambda o, x, s: x, jnp.zeros_like), UsageError, r"must return x and 1 state entries \(s\)"),
    "too much state": (
        bad_solver(lambda o, x, s: (x, s, s), jnp.zeros_like),
        UsageError,
        r"must return x and 1 state entries \(s\)",
    ),
}


@pytest.mark.parametrize("kind", BAD_SOLVERS)
def test_a_wrong_solver_says_what_is_wrong(kind):
    wrong, error, words = BAD_SOLVERS[kind]
    with pytest.raises(error, match=words):
        execute(program_of("ellipse", wrong, 0.1))


BAD_SURFACES = {
    "shape": (lambda x: x * 2, r"surface 'bad' returned an array of shape \(2,\), expected one number"),
    "type": (lambda x: x.astype(jnp.float32).sum(), "surface 'bad' returned type float32 where it was given float64"),
    "integer": (lambda x: jnp.int32(3), "surface 'bad' returned type int32 where it was given float64"),
}


@pytest.mark.parametrize("kind", BAD_SURFACES)
def test_a_wrong_surface_says_what_is_wrong(kind):
    function, words = BAD_SURFACES[kind]
    bad = surface(start=(1.0, 1.0), register=False, name="bad")(function)
    program = replace(program_of("ellipse", "sgd", 0.1), surface=bad, parameters={})
    with pytest.raises(UsageError, match=words):
        execute(program)


def test_what_raises_stops_nobody_else():
    good = program_of("ellipse", "sgd", 0.1)
    bad = program_of("ellipse", BAD_SOLVERS["raises"][0], 0.1)
    tasks = [Task(one.signature, 1, lambda one=one: one) for one in (bad, good, bad)]
    found = dict(execute_tasks(tasks, threads=2))
    assert isinstance(found[0], ZeroDivisionError)
    assert isinstance(found[2], ZeroDivisionError)
    assert_same_bits(found[1], execute(good))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: 1 / 0, "surface 'bad' raised ZeroDivisionError: division by zero"),
        (lambda x: x * 2, "surface 'bad' returned an array of shape (2,), expected one number"),
        (lambda x: x.astype(jnp.float32).sum(), "surface 'bad' returned type float32 where it was given float64"),
    ],
    ids=["raises", "shape", "type"],
)
def test_a_wrong_surface_leaves_error_rows_and_the_others_go_on(function, words):
    bad = surface(start=(1.0, 1.0), register=False, name="bad")(function)
    result = gdbench.run([bad, "ellipse"], ["sgd"], steps=50, rates={"low": 1e-3, "high": 1e-2, "num": 3})
    runs = result.runs.set_index("surface")
    assert runs.loc["bad", "status"].tolist() == ["error"] * 3
    assert all(words in message for message in runs.loc["bad", "message"])
    assert runs.loc["bad", ["steps", "steps_to_target", "loss_final"]].isna().all(axis=None)
    assert runs.loc["ellipse", "status"].tolist() == ["budget"] * 3
    assert runs["run"].tolist() == list(range(6))
    assert result.failure.startswith("3 of 6 runs failed, in 1 of 2 combinations of surface and solver: ")
    assert words in result.failure


def test_a_wrong_solver_leaves_error_rows_and_the_others_go_on():
    wrong = {kind: replace(BAD_SOLVERS[kind][0], name=f"bad-{kind}") for kind in ("raises", "shape", "state type")}
    result = gdbench.run(["ellipse"], ["sgd", *wrong.values()], learning_rate=0.01, steps=50)
    runs = result.runs.set_index("solver")
    assert runs["status"].to_dict() == {"sgd": "budget", **{f"bad-{kind}": "error" for kind in wrong}}
    assert runs.loc["bad-raises", "message"] == (
        "solver 'bad-raises' on 'ellipse': raised ZeroDivisionError: division by zero"
    )
    assert "(1,)" in runs.loc["bad-shape", "message"]
    assert result.table["status"].tolist() == ["budget", "error", "error", "error"]
