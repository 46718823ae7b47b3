"""The contract of the registry: every solver, in each of its conventions, keeps it. What one does stands elsewhere."""

from __future__ import annotations

import inspect
import zlib
from collections import Counter
from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import assert_no_number_compiles_again
from jax import lax
from programs import assert_same_bits, program_of

from gdbench import compiler
from gdbench.engine import execute
from gdbench.oracle import Oracle
from gdbench.plan import LADDER
from gdbench.solvers import SOLVERS
from gdbench.solvers.base import CONVENTION, PAPER
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


every_method = pytest.mark.parametrize("name", METHODS)
# of the module, so that all tests of one code stand together and need one compiled program
every_code = pytest.mark.parametrize(
    "name", [name for name, solver in METHODS.items() if compiled_for(solver) is solver], scope="module"
)


def settings_of(solver, rate):
    given = {name: rate if value is None else value for name, value in solver.hyperparameters.items()}
    return {**given, "learning_rate": rate} if "learning_rate" in given else given


# ---- on every surface


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

    return jax.jit(run, compiler_options=compiler.known(compiler.ONCE))


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
    """The names, as in the registry, in one tuple for every dimension."""
    found = {}
    for name in SURFACES:
        if name in names:
            found.setdefault(SURFACES[name].dimension, []).append(name)
    return [tuple(group) for group in found.values()]


def assert_keeps_its_type_and_stays_finite(solver, names, dtype):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for group in by_dimension(names):
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


@every_method
@pytest.mark.parametrize("dtype", ["float32", "float64"])
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
    group = next(
        group for group in by_dimension(some_surfaces(compiled_for(solver), "float64")) if "rosenbrock" in group
    )
    run = partial(compiled_steps(compiled_for(solver), group, "float64"), jnp.int32(group.index("rosenbrock")))
    lane, settings = lane_of(solver, SURFACES["rosenbrock"], 1e-3, "float64")
    # a hyperparameter of 0 switches something off
    settings = {key: jnp.where(value == 0, 0.1, value) for key, value in settings.items()}
    x, state = run(lane, settings, jnp.int32(5))
    leaves, tree = jax.tree.flatten(state)

    def end(leaves):
        return np.asarray(run((x, jax.tree.unflatten(tree, leaves)), settings, jnp.int32(2))[0])

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


@pytest.mark.usefixtures("quickly_compiled")
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


@pytest.mark.usefixtures("quickly_compiled")
@every_code
def test_the_order_of_runs_changes_no_bit(name):
    assert_order_changes_nothing(METHODS[name])


@pytest.mark.slow
@every_code
def test_the_order_of_runs_changes_no_bit_of_the_fast_program(name):
    # as users have it; the test above lets XLA optimise less, which takes a third of the time
    assert_order_changes_nothing(METHODS[name])


@pytest.mark.usefixtures("quickly_compiled")
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
    assert solver.summary.endswith((".", ":")) or solver.summary
    assert (solver.options.get(CONVENTION, PAPER) == PAPER) == (solver.note == "")
