"""What is ours in an optax solver: settings, evaluations, random numbers, types, keys, plug-ins and sentences."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from helpers.compilations import assert_no_number_compiles_again
from helpers.plain_optax import ALWAYS, ASKS, ELLIPSE, NAMES, RANDOM, REFUSED, ROTATED, SEED, plain_loop
from helpers.programs import assert_same_bits, iterates, program_of

import gdbench
from gdbench.cli.app import call
from gdbench.engine.step import Step
from gdbench.engine.stream import execute
from gdbench.errors import SpecError, UsageError
from gdbench.planning.plan import make_plan
from gdbench.runner import digest
from gdbench.solvers import SOLVERS
from gdbench.solvers.oracle import Oracle
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import SURFACES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:optax")
MOMENTUM = {"momentum": 0.9, "nesterov": True}


# ---- names and settings


def test_a_name_is_one_object_and_no_entry_of_the_list():
    before = list(SOLVERS)
    lion = SOLVERS["optax:lion"]
    assert lion is SOLVERS["optax:lion"]
    assert "optax:lion" in SOLVERS
    assert list(SOLVERS) == before
    assert lion.resolved(["momentum"]) is lion  # it has none
    sgd = SOLVERS["optax:sgd"]
    assert sgd.resolved(["momentum", "learning_rate"]) is sgd.resolved(["momentum"])
    assert list(sgd.hyperparameters) == ["learning_rate"]
    assert list(sgd.resolved(["momentum"]).hyperparameters) == ["learning_rate", "momentum"]
    with pytest.raises(UsageError, match="not yours to give"):
        SOLVERS.add("optax:mine", lion)


def test_settings_keep_the_names_and_defaults_of_optax():
    adamw = SOLVERS["optax:adamw"]
    assert adamw.hyperparameters == {
        "learning_rate": None,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-8,
        "eps_root": 0.0,
        "weight_decay": 1e-4,
    }
    assert adamw.options == {"nesterov": False}
    # a functools.partial
    assert SOLVERS["optax:nadam"].options == {"nesterov": True}
    assert "optax.adam at nesterov=True" in SOLVERS["optax:nadam"].note
    # optax's default is None, at which nothing turns the sign
    assert SOLVERS["optax:adadelta"].hyperparameters["learning_rate"] is None
    # tuples by their entries, and what may be absent
    assert SOLVERS["optax:contrib.prodigy"].hyperparameters["betas_1"] == 0.999
    assert SOLVERS["optax:contrib.schedule_free_sgd"].optional["warmup_steps"] == 0
    # looked at in Python, so that it cannot be traced
    plateau = SOLVERS["optax:contrib.reduce_on_plateau"]
    assert plateau.options["factor"] == 0.1
    assert "min_scale" in plateau.hyperparameters


def test_no_number_compiles_again():
    solver = SOLVERS["optax:rmsprop"].resolved(["momentum"])
    assert_no_number_compiles_again(
        program_of("ellipse", solver, [1e-3, 2e-3], param=ROTATED, steps=70, momentum=0.5, initial_scale=0.1)
    )


SWEEP = {"surface": "ellipse", "learning_rate": 0.01, "steps": 40, "rtol": 0, "gtol": 0}


def test_a_sweep_gives_what_may_be_absent():
    settings = {"momentum": [0.5, 0.9], "nesterov": True}
    result = gdbench.sweep({**SWEEP, "solver": {"optax:sgd": settings}, "param": ROTATED})
    runs = result.runs
    assert runs["solver"].tolist() == ["optax:sgd"] * 2
    assert runs["momentum"].tolist() == [0.5, 0.9]
    assert (runs["value_evals"].tolist(), runs["grad_evals"].tolist()) == ([0, 0], [40, 40])
    for momentum, loss in zip(runs["momentum"], runs["loss_final"], strict=True):
        theirs = plain_loop(optax.sgd(0.01, momentum=momentum, nesterov=True), "sgd", steps=40)
        with jax.enable_x64(True):
            np.testing.assert_allclose(loss, ELLIPSE(theirs[-1]), rtol=1e-12)


def plan_of(**spec):
    return make_plan(validated(SweepSpec, {**SWEEP, **spec}))


def test_a_plan_knows_what_may_be_absent():
    [absent] = plan_of(solver="optax:sgd").blocks
    assert absent.solver is SOLVERS["optax:sgd"]
    [given] = plan_of(solver="optax:sgd", set={"momentum": 0.9}).blocks
    assert given.fixed == {"momentum": 0.9}
    tune = {"trials": 4, "space": {"optax:sgd.momentum": {"one_minus_log": [1e-3, 1.0]}}}
    [tuned] = plan_of(solver="optax:sgd", tune=tune).blocks
    assert set(tuned.axes[0]) == {"learning_rate", "momentum"}
    # a dotted name, and an option that may be absent
    warm = {"optax:contrib.schedule_free_sgd.warmup_steps": [5, 10]}
    assert [block.options for block in plan_of(solver="optax:contrib.schedule_free_sgd", set=warm).blocks] == [
        {"warmup_steps": 5},
        {"warmup_steps": 10},
    ]
    for settings, words in {
        "momentun": "did you mean 'momentum'",
        "accumulator_dtype": "unknown hyperparameter 'accumulator_dtype'",
    }.items():
        with pytest.raises(SpecError, match=words):
            plan_of(solver="optax:sgd", set={settings: 1})
    with pytest.raises(SpecError, match="'momentum' of solver 'optax:sgd' must be at least 0 and below 1"):
        plan_of(solver="optax:sgd", set={"momentum": 1.5})


# ---- types, evaluations and random numbers


@pytest.mark.parametrize("names", [ALWAYS, pytest.param(NAMES, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_step_keeps_its_types_and_asks_for_what_it_needs(names):
    for name in set(names) - set(REFUSED):
        solver = SOLVERS[f"optax:{name}"]
        given = {key: 0.5 for key, value in solver.hyperparameters.items() if value is None and key != "learning_rate"}
        program = program_of("ellipse", solver, 0.01, **given)
        with jax.enable_x64(True):
            # raises where a step changes a type, which it may where JAX has float64 as well
            asked = Step(program.under(dtype="float32").signature).evaluations
        assert (asked.value, asked.grad) == (int("value" in ASKS.get(name, ())), 1), name
        assert asked.key == (name in RANDOM), name
        # the line search, and Sophia's Hessian
        assert (asked.looped is not None) == (name in ("lbfgs", "contrib.sophia")), name


def searched(store_grad):
    def factory(learning_rate, slope_rtol=1e-4):
        search = optax.scale_by_backtracking_linesearch(15, slope_rtol=slope_rtol, store_grad=store_grad)
        return optax.chain(optax.sgd(learning_rate), search)

    return factory


SEARCHES = {
    "zoom": (1.0, lambda learning_rate: optax.lbfgs(learning_rate, memory_size=2)),
    "backtracking": (0.01, searched(False)),
    "backtracking-with-gradient": (0.01, searched(True)),
}


@pytest.mark.parametrize("kind", [pytest.param("zoom", marks=pytest.mark.slow), *list(SEARCHES)[1:]])
def test_counts_the_evaluations_of_a_line_search(kind):
    steps, calls = 12, []
    rate, factory = SEARCHES[kind]

    def f(x):
        jax.debug.callback(lambda: calls.append(1))
        return rosenbrock(x)

    rosenbrock = SURFACES["rosenbrock"]
    transformation = factory(rate)
    with jax.enable_x64(True):
        x = jnp.asarray(rosenbrock.start_point(2))
        state = transformation.init(x)

        @jax.jit
        def step(x, state):
            value, gradient = jax.value_and_grad(f)(x)
            updates, state = transformation.update(gradient, state, x, value=value, grad=gradient, value_fn=f)
            return optax.apply_updates(x, updates), state

        for _ in range(steps):
            x, state = step(x, state)
        jax.effects_barrier()
    solver = gdbench.from_optax(factory, name=kind, register=False)
    records = execute(program_of("rosenbrock", solver, [rate, 1e-3], steps=steps, known_minimum=False))
    assert records.steps.tolist() == [steps, steps]
    # the function itself was evaluated so often: with its gradient by the zoom, and at the start of a step
    assert records.value_evals[0] == len(calls) > 1.5 * steps
    grads = {"zoom": len(calls), "backtracking": steps, "backtracking-with-gradient": 2 * steps}
    assert records.grad_evals[0] == grads[kind]
    assert records.value_evals[1] != records.value_evals[0]


def test_counts_the_estimates_of_the_hessian():
    program = program_of("ellipse", "optax:contrib.sophia", 0.01, steps=25, known_minimum=False, update_interval=10)
    assert execute(program).hess_evals.tolist() == [3]


def test_a_search_sees_the_noise_of_the_step():
    noise = jnp.array([0.25, -1.5])
    oracle = Oracle(lambda x: jnp.sum(x**4), noise=lambda call: noise * (call + 1))
    f, x = oracle.uncounted(), jnp.array([1.0, 2.0])
    assert f(x) == 17.0
    np.testing.assert_array_equal(jax.grad(f)(x), 4 * x**3 + noise)
    np.testing.assert_array_equal(oracle.grad(x), 4 * x**3 + 2 * noise)
    oracle.count(value=2, grad=1)
    oracle.count(value=jnp.int32(5), grad=3)
    found = oracle.evaluations
    assert (found.value, found.grad, found.hess, found.looped.tolist()) == (2, 2, 0, [5, 3, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_follow_the_seed_and_the_step(dtype):
    seeds = [SEED, 8.0, SEED]
    program = program_of("ellipse", "optax:noisy_sgd", 0.01, param=ROTATED, seeds=seeds, steps=30, dtype=dtype)
    records = execute(program)
    assert_same_bits(execute(program.take(np.array([2]))), records, np.array([0]))
    assert records.loss_final[0] != records.loss_final[1]
    theirs = plain_loop(optax.noisy_sgd(0.01, key=jax.random.key(0)), "noisy_sgd", 30, jnp.dtype(dtype))
    # 30 roundings of float32
    np.testing.assert_allclose(records.x[0], theirs[-1], rtol=1e-12 if dtype == "float64" else 1e-5)
    # counts of steps are whole numbers, and the key is not among what is carried
    with jax.enable_x64(True):
        carried = SOLVERS["optax:noisy_sgd"].initial_state(jnp.ones(2), learning_rate=0.01, eta=0.01, gamma=0.55)[0]
    assert {path: leaf.dtype for path, leaf in carried.leaves.items()} == {"[0].count": jnp.int32}


# ---- the keys of shards, and other processes


def block_of(name):
    [block] = plan_of(solver=name).blocks
    return block


ELSEWHERE = """
import sys, pickle
from gdbench.engine.stream import execute
from gdbench.runner.digest import block_digest
for block in pickle.loads(sys.stdin.buffer.read()):
    assert block.solver.package == "optax"
    print(block_digest(block), execute(block.program).loss_final[0].hex())
"""


@pytest.mark.slow
def test_a_solver_survives_a_journey():
    mine = gdbench.from_optax(lambda learning_rate, m=0.5: optax.sgd(learning_rate, m), name="mine", register=False)
    plug_in = make_plan(validated(SweepSpec, {**SWEEP, "solver": "mine"}), solvers=[mine]).blocks[0]
    blocks = [block_of("optax:nadam"), plug_in]
    wanted = [execute(block.program) for block in blocks]
    content = cloudpickle.dumps(blocks)
    for again, records in zip(pickle.loads(content), wanted, strict=True):
        assert again.solver.function.version == optax.__version__
        assert_same_bits(execute(again.program), records)
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=content, capture_output=True, check=True)
    for line, block, records in zip(done.stdout.decode().splitlines(), blocks, wanted, strict=True):
        key, loss = line.split()
        assert key == digest.block_digest(block)
        # compiled in another way than here, see the fixture
        assert float.fromhex(loss) == pytest.approx(records.loss_final[0], rel=1e-12)


def test_keys_know_the_factory_and_the_version(monkeypatch):
    names = ("optax:nadam", "optax:adam", "optax:sgd")
    before = {name: digest.block_digest(block_of(name)) for name in (*names, "sgd")}
    assert len(set(before.values())) == 4
    known = digest.version
    monkeypatch.setattr(digest, "version", lambda name: "0.0.1" if name == "optax" else known(name))
    assert digest.block_digest(block_of("optax:adam")) != before["optax:adam"]
    assert digest.block_digest(block_of("sgd")) == before["sgd"]


def test_another_version_of_optax_is_refused():
    solver = SOLVERS["optax:lion"]
    planned = replace(solver, function=replace(solver.function, version="0.2.4"))
    with pytest.raises(UsageError, match=f"optax is {optax.__version__} here, and 0.2.4 where the run was planned"):
        execute(program_of("ellipse", planned, 0.01))


# ---- plug-ins


def iterates_of(factory, rate, steps, step):
    """The iterates of a loop of `step(transformation, state, lane) -> state, lane, iterate`, in float64."""
    with jax.enable_x64(True):
        x = jnp.asarray(ELLIPSE.start_point(2))
        found, lane, state = [x], None, None
        transformation = factory(rate)
        advance = jax.jit(lambda state, lane: step(transformation, state, lane))
        lane = optax.LookaheadParams.init_synced(x)
        state = transformation.init(lane)
        for _ in range(steps):
            state, lane, shown = advance(state, lane)
            found.append(shown)
        return np.array(found)


def test_a_plug_in_may_look_ahead():
    def factory(learning_rate, slow_step_size=0.5):
        return optax.lookahead(optax.sgd(learning_rate), sync_period=5, slow_step_size=slow_step_size)

    def step(transformation, state, both):
        updates, state = transformation.update(jax.grad(ELLIPSE)(both.fast), state, both)
        both = optax.apply_updates(both, updates)
        return state, both, both.slow

    solver = gdbench.from_optax(factory, name="ahead", register=False)
    assert solver.hyperparameters == {"learning_rate": None, "slow_step_size": 0.5}
    ours = iterates("ellipse", solver, 0.02, steps=60, param=ROTATED)
    np.testing.assert_allclose(ours, iterates_of(factory, 0.02, 60, step), rtol=1e-12, atol=1e-12)
    assert np.abs(ours[-1] - ours[0]).max() > 0.1


PLUGIN = """
import optax
import gdbench

def sharp(learning_rate: float, radius: float = 0.05):
    "Sharpness-aware minimisation."
    adversary = optax.chain(optax.contrib.normalize(), optax.sgd(radius))
    return optax.contrib.sam(optax.sgd(learning_rate), adversary, opaque_mode=True)

gdbench.from_optax(sharp, name="sam", source="Foret et al. 2021, arXiv:2010.01412")
"""


def test_a_plug_in_on_the_command_line(here, capsys):
    (here / "sharp.py").write_text(PLUGIN)
    words = ["-f", "ellipse", "-s", "sam", "--learning-rate", "0.01", "--steps", "30", "--no-plots", "--json"]
    assert call(["run", "--plugin", "sharp.py", *words]) == 0
    row = pd.read_csv(here / "results/ellipse-sam/runs.csv").iloc[0]
    # at the iterate, and at the point beside it
    assert (row["steps"], row["grad_evals"], row["radius"]) == (30, 60, 0.05)
    capsys.readouterr()
    assert call(["show", "--plugin", "sharp.py", "sam"]) == 0
    shown = capsys.readouterr().out
    assert "Sharpness-aware minimisation." in shown
    assert "radius 0.05" in shown


def test_the_documents_are_true(here, capsys):
    document = (Path(gdbench.__file__).parents[1] / "docs/add-a-solver.md").read_text()
    (here / "chained.py").write_text(re.search(r"# chained\.py\n.*?(?=```)", document, re.DOTALL)[0])
    [line] = re.findall(r"^\$ gdbench (run --plugin chained\.py .*)$", document, re.MULTILINE)
    assert call([*line.split(), "--steps", "30", "--rates", "1e-3,1e-2,2", "--no-plots"]) == 0
    runs = pd.read_csv(here / "results/rosenbrock-clipped-lion+optax-lion/runs.csv")
    assert runs["solver"].tolist() == ["clipped-lion"] * 2 + ["optax:lion"] * 2
    assert runs["warmup"].tolist()[:2] == [20, 20]
    environment = json.loads((here / "results/rosenbrock-clipped-lion+optax-lion/environment.json").read_text())
    assert environment["packages"]["optax"] == optax.__version__


def masked(learning_rate, mask: dict):
    return optax.masked(optax.sgd(learning_rate), mask)


def broken(learning_rate):
    return optax.chain(optax.sgd(learning_rate), optax.contrib.scale_by_muon())


WRONG = {
    masked: "solver 'mine' needs 'mask', which is no number: make it a solver in a plug-in",
    broken: "solver 'mine' cannot make a step here: raised ValueError: Input must have shape",
}


@pytest.mark.parametrize("factory", WRONG)
def test_a_wrong_plug_in_says_what_is_wrong(factory):
    with pytest.raises(UsageError, match=WRONG[factory]):
        gdbench.from_optax(factory, name="mine")
    assert "mine" not in SOLVERS


def test_what_is_looked_at_in_python_becomes_an_option():
    def factory(learning_rate, kind=2.0, m: float | None = None, warm: int | None = None, late: float | None = None):
        wise = optax.sgd(learning_rate * kind if kind > 1 else learning_rate, momentum=m)
        return optax.chain(wise, optax.scale(1.0 if late is None or late > 0 else 0.5))

    solver = gdbench.from_optax(factory, name="mine", register=False)
    assert solver.hyperparameters == {"learning_rate": None}
    assert solver.options == {"kind": 2.0}
    assert solver.optional == {"m": None, "warm": 0, "late": 0.0}
    blocks = make_plan(
        validated(SweepSpec, {**SWEEP, "solver": "mine", "set": {"kind": [0.5, 2], "late": -1.0}}), solvers=[solver]
    ).blocks
    assert [block.options for block in blocks] == [{"kind": 0.5, "late": -1.0}, {"kind": 2.0, "late": -1.0}]


# ---- sentences


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "lyon": "optax has no optimizer 'lyon'; did you mean 'optax:lion'?",
        "contrib.prodigi": "did you mean 'optax:contrib.prodigy'?",
        "_src": "optax has no optimizer '_src'",
        "apply_updates": "optax has no optimizer 'apply_updates'",
        "contrib.schedule_free_eval_params": "did you mean 'optax:contrib.schedule_free",
        "zzz": "its optimizers are adabelief, adadelta, ",
    }.items(),
)
def test_an_unknown_name_gets_the_nearest(name, words, capsys):
    assert f"optax:{name}" not in SOLVERS
    for line in (["show", f"optax:{name}"], ["run", "-f", "ellipse", "-s", f"optax:{name}"]):
        assert call(line) == 2
        assert words in capsys.readouterr().err


def test_without_optax_the_extra_is_named(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.split(".")[0] == "optax"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optax", None)
    for line in (["run", "-f", "ellipse", "-s", "optax:contrib.acprop"], ["show", "optax:optimistic_adam_v2"]):
        monkeypatch.setattr(SOLVERS, "_made", {})
        assert call(line) == 2
        assert "solvers of optax need optax: pip install 'gdbench[optax]'" in capsys.readouterr().err


def test_optax_is_imported_when_it_is_named():
    code = (
        "import sys, gdbench\n"
        "from gdbench.cli.app import call\n"
        "assert 'adam' in gdbench.SOLVERS and callable(gdbench.from_optax)\n"
        "assert call(['show', 'rmsprop']) == call(['list']) == 0\n"
        "assert 'jax' in sys.modules and 'optax' not in sys.modules\n"
        "assert 'optax:lion' in gdbench.SOLVERS and 'optax' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
