"""The contract of the registry: every solver, in each of its conventions, keeps it. What one does stands elsewhere."""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.compilations import assert_no_number_compiles_again
from helpers.programs import assert_same_bits, program_of
from helpers.solver_steps import (
    METHODS,
    by_dimension,
    compiled_for,
    compiled_steps,
    lane_of,
    may_stand_still,
    settings_of,
    small_rate,
    some_surfaces,
)

from gdbench.engine.stream import execute
from gdbench.solvers.base import CONVENTION, PAPER
from gdbench.solvers.oracle import Oracle
from gdbench.spec.run import LADDER
from gdbench.surfaces import SURFACES

every_method = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if solver.options.get(CONVENTION, PAPER) != PAPER else [])
        for name, solver in METHODS.items()
    ],
)
# of the module, so that all tests of one code stand together and need one compiled program; a library's own code is
# compared with the library's iterates by default, and takes part in this in the slow checks
every_code = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if solver.options.get(CONVENTION, PAPER) != PAPER else [])
        for name, solver in METHODS.items()
        if compiled_for(solver) is solver
    ],
    scope="module",
)
# in float64 all of them, in float32 a few, the others in the slow checks, on all surfaces
# by default each solver as its paper has it, and a few in float32
of_either_type = [
    pytest.param(name, "float64", marks=[pytest.mark.slow] if solver.options.get(CONVENTION, PAPER) != PAPER else [])
    for name, solver in METHODS.items()
] + [(name, "float32") for name in list(METHODS)[::24]]


# ---- on the surfaces


def assert_keeps_its_type_and_stays_finite(solver, names, dtype):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for group in by_dimension(names).values():
            run = compiled_steps(compiled_for(solver), group, dtype)
            for number, name in enumerate(group):
                surface = SURFACES[name]
                lane, settings = lane_of(solver, surface, small_rate(surface), dtype)
                assert {leaf.dtype for leaf in jax.tree.leaves(lane) if leaf.dtype.kind == "f"} == {jnp.dtype(dtype)}
                # lax.while_loop refuses a lane of another shape or type than it was
                after = run(jnp.int32(number), lane, settings, jnp.int32(100))
                assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after)), name
                if dtype == "float64":  # a float32 may be too coarse for so small a step
                    assert not np.array_equal(after[0], lane[0]) or may_stand_still(solver, surface), name


@pytest.mark.parametrize(("name", "dtype"), of_either_type)
def test_keeps_its_type_and_stays_finite(name, dtype):
    solver = METHODS[name]
    assert_keeps_its_type_and_stays_finite(solver, some_surfaces(compiled_for(solver), dtype), dtype)


@pytest.mark.slow
@every_method
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keeps_its_type_and_stays_finite_on_every_surface(name, dtype):
    assert_keeps_its_type_and_stays_finite(METHODS[name], list(SURFACES), dtype)


def bends(leaf):
    """Other values for an entry: larger, smaller, of the other sign, nearer to one; some only act beyond a bound."""
    return [
        bent.astype(leaf.dtype) for bent in (1.5 * leaf + 0.25, -0.5 * leaf - 0.25, 1e3 - 1e3 * leaf, 0.5 * leaf + 0.5)
    ]


def unused_entries(solver):
    """The numbers of the leaves of the state that change no iterate of the next two steps on Rosenbrock's surface."""
    # the group that the test above has compiled
    group = by_dimension(some_surfaces(compiled_for(solver), "float64"))[2]
    number = jnp.int32(group.index("rosenbrock"))
    run = compiled_steps(compiled_for(solver), group, "float64")
    lane, settings = lane_of(solver, SURFACES["rosenbrock"], 1e-3, "float64")
    # a hyperparameter of 0 switches something off
    settings = {key: jnp.where(value == 0, 0.1, value) for key, value in settings.items()}
    x, state = run(number, lane, settings, jnp.int32(5))
    leaves, tree = jax.tree.flatten(state)

    def end(leaves):
        return np.asarray(run(number, (x, jax.tree.unflatten(tree, leaves)), settings, jnp.int32(2))[0])

    after = end(leaves)
    return {
        place
        for place, leaf in enumerate(leaves)
        if all(np.array_equal(end([*leaves[:place], bent, *leaves[place + 1 :]]), after) for bent in bends(leaf))
    }


@every_method
def test_uses_every_entry_of_its_state(name):
    solver = METHODS[name]
    flags = [key for key, value in solver.options.items() if isinstance(value, bool)]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        unused = unused_entries(solver)
        for flag in flags if unused else ():  # what only an option needs
            other = replace(solver, options={**solver.options, flag: not solver.options[flag]})
            unused &= unused_entries(other)
    assert not unused, f"of the state {solver.state}"


# ---- through the compiled program


class Spy:
    """An oracle that counts in `calls` what it is asked, apart from gdbench's own count."""

    def __init__(self, oracle, calls):
        self.oracle, self.calls = oracle, calls

    def __getattr__(self, name):
        kinds = {
            "value": ["value"],
            "grad": ["grad"],
            "value_and_grad": ["value", "grad"],
            "hessian": ["hess"],
            "hvp": ["hess"],
        }
        self.calls.update(kinds.get(name, []))
        return getattr(self.oracle, name)


@every_code
def test_counts_the_evaluations_that_it_makes(name):
    solver, surface, steps = METHODS[name], SURFACES["rosenbrock"], 5
    calls = Counter()

    def counted(x):
        calls["function"] += 1
        return surface(x)

    with jax.enable_x64(True):
        settings = {**settings_of(solver, 1e-4), **solver.options}
        start = jnp.asarray(surface.start_point(2))

        def step(lane):
            return solver.step(Spy(Oracle(counted), calls), *lane, **settings)

        lane = (start, solver.initial_state(start, **settings))
        traced = str(jax.make_jaxpr(step)(lane))
        if any(loop in traced for loop in ("while[", "scan[", "cond[")):
            calls.clear()
            with jax.disable_jit():  # a loop is one of Python's then: every turn of it asks anew
                for _ in range(steps):
                    lane = step(lane)
        else:  # every step asks as this one did while it was traced
            calls = Counter({kind: steps * count for kind, count in calls.items()})
    asked = [calls[kind] for kind in ("value", "grad", "hess")]
    # the function itself is called once for every question, and value_and_grad is one question that counts twice
    assert 0 < sum(asked) / 2 <= calls["function"] <= sum(asked)
    records = execute(program_of("rosenbrock", solver, 1e-4, steps=steps, known_minimum=False))
    assert records.steps.tolist() == [steps]
    found = [records.value_evals, records.grad_evals, records.hess_evals]
    assert [evaluations.tolist() for evaluations in found] == [[count] for count in asked]


def forty_runs(solver):
    """Runs of other rates from other starts, which end at other steps: some arrive, some diverge, some do neither."""
    random = np.random.default_rng(0)
    starts = random.uniform(-1.5, 1.5, (40, 2))
    return program_of(
        "rosenbrock", solver, np.geomspace(1e-5, 1.0, 40), starts=starts, steps=150, rtol=1e-3, targets=LADDER
    )


def assert_order_changes_nothing(solver):
    program = forty_runs(solver)
    records = execute(program)
    assert len(set(records.loss_final)) > 20
    order = np.random.default_rng(1).permutation(40)
    assert_same_bits(execute(program.take(order)), records, order)


@every_code
def test_the_order_of_runs_changes_no_bit(name):
    assert_order_changes_nothing(METHODS[name])


@pytest.mark.slow
@every_code
@pytest.mark.usefixtures("compiled_for_speed")
def test_the_order_of_runs_changes_no_bit_of_the_fast_program(name):
    assert_order_changes_nothing(METHODS[name])


@every_code
def test_no_number_compiles_again(name):
    program = program_of(
        "rosenbrock",
        METHODS[name],
        [1e-4, 1e-3],
        starts=[(-1.2, 1.0), (0.0, 0.0)],
        steps=70,
        rtol=1e-6,
        gtol=1e-12,
        targets=LADDER,
    )
    assert_no_number_compiles_again(program, arrive=("starts", "hyperparameters", "parameters"))


# ---- how it is written


@every_method
def test_is_short_and_says_what_it_is(name):
    solver = METHODS[name]
    assert len(inspect.getsource(solver.function).splitlines()) < 40
    assert solver.formula
    assert solver.source
    assert solver.summary
    assert (solver.options.get(CONVENTION, PAPER) == PAPER) == (solver.note == "")
