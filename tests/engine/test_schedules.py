"""Schedules: each kind against optax's own, through the compiled engine against optax's optimizers, and as axes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from helpers.programs import assert_same_bits, program_of
from rich.console import Console

import gdbench
from gdbench import solver
from gdbench.cli.app import call
from gdbench.cli.tables import results_table
from gdbench.engine.compiled_loop import machine
from gdbench.engine.schedules import FORMULAS, values_at
from gdbench.engine.stream import execute, trace
from gdbench.planning.plan import make_plan
from gdbench.plots.heatmap import _edge as edge_of
from gdbench.plots.heatmap import maps_of
from gdbench.plots.sensitivity import _theory as theory_of
from gdbench.runner.digest import COMPUTES, OURS, block_digest, files_behind
from gdbench.runner.frames import runs_of_rows
from gdbench.solvers import SOLVERS
from gdbench.spec.schedules import KINDS
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of
from gdbench.theory.predicted_rate import SCHEDULED, rates_predicted

# ---- each kind against optax


def jumps_of(numbers):
    return {numbers[f"boundary{i}"]: numbers[f"scale{i}"] for i in range(1, len(numbers) // 2 + 1)}


# name: (optax's own of a base and our numbers, several sets of those)
OPTAX = {
    "constant": (lambda base: optax.constant_schedule(base), [{}]),
    "cosine": (
        lambda base, **n: optax.cosine_decay_schedule(base, **n),
        [
            {"decay_steps": 100, "alpha": 0.0},
            {"decay_steps": 37, "alpha": 0.3},
            {"decay_steps": 1e9, "alpha": 0.0},
            {"decay_steps": 90, "alpha": 0.1, "exponent": 0.4},
            {"decay_steps": 150.5, "alpha": 2.0, "exponent": 3.0},
        ],
    ),
    "linear": (
        lambda base, **n: optax.linear_schedule(base, **n),
        [
            {"end_value": 0.0, "transition_steps": 100, "transition_begin": 0},
            {"end_value": 1.7, "transition_steps": 33, "transition_begin": 20},
        ],
    ),
    "polynomial": (
        lambda base, **n: optax.polynomial_schedule(base, **n),
        [
            {"end_value": 0.0, "power": power, "transition_steps": 77, "transition_begin": 9}
            for power in (0.5, 1, 2, 3.3)
        ],
    ),
    "exponential": (
        lambda base, **n: optax.exponential_decay(base, **n),
        [
            {"transition_steps": 30, "decay_rate": 0.5, "transition_begin": 0},
            {"transition_steps": 7.5, "decay_rate": 0.8, "transition_begin": 40, "end_value": 1e-3},
            {"transition_steps": 20, "decay_rate": 1.1, "transition_begin": 3, "end_value": 0.4},
            {"transition_steps": 20, "decay_rate": 1.3, "transition_begin": 3},
        ],
    ),
    "staircase": (
        lambda base, **n: optax.exponential_decay(base, **n, staircase=True),
        [
            {"transition_steps": 30, "decay_rate": 0.5, "transition_begin": 0},
            {"transition_steps": 7, "decay_rate": 0.9, "transition_begin": 11, "end_value": 1e-3},
        ],
    ),
    "piecewise": (
        lambda base, **n: optax.piecewise_constant_schedule(base, jumps_of(n)),
        [
            {"boundary1": 50, "scale1": 0.1},
            {"boundary1": 10, "scale1": 3.0, "boundary2": 60, "scale2": 0.0, "boundary3": 90, "scale3": 5.0},
        ],
    ),
    "warmup": (
        lambda base, init_value, warmup_steps: optax.warmup_constant_schedule(init_value, base, warmup_steps),
        [{"init_value": 0.0, "warmup_steps": 20}, {"init_value": 0.02, "warmup_steps": 151}],
    ),
    "warmup-cosine": (
        lambda base, init_value, **n: optax.warmup_cosine_decay_schedule(init_value, base, **n),
        [
            {"init_value": 0.0, "warmup_steps": 20, "decay_steps": 120, "end_value": 0.0},
            {"init_value": 0.1, "warmup_steps": 1, "decay_steps": 99, "end_value": 0.02, "exponent": 1.5},
        ],
    ),
    "inverse-sqrt": (
        # optax has none: with t from 1, what Reddi et al. write, and a quarter of the way on after three timescales
        lambda base, timescale: lambda t: base * np.sqrt(timescale) / np.sqrt(t + timescale),
        [{"timescale": 1}, {"timescale": 40}],
    ),
}
CASES = [(kind, base, numbers) for kind, (_, several) in OPTAX.items() for numbers in several for base in (0.3, 1e-4)]


@pytest.mark.parametrize(("kind", "base", "numbers"), CASES)
def test_each_kind_has_the_values_of_optax(kind, base, numbers):
    steps = np.arange(200)
    with jax.enable_x64(True):
        theirs = OPTAX[kind][0](base, **numbers)
        wanted = np.array([float(theirs(int(step))) for step in steps])
        traced = {"rate": base, **{f"rate.{name}": float(value) for name, value in numbers.items()}}
        ours = jax.jit(jax.vmap(lambda n, t: values_at((("rate", kind),), n, t).get("rate", n["rate"]), (None, 0)))
        found = ours(traced, steps.astype(float))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * base)


def test_every_kind_is_tested_and_has_a_formula():
    assert set(KINDS) == set(FORMULAS) == set(OPTAX)
    for kind, numbers in KINDS.items():
        tested = {name for one in OPTAX[kind][1] for name in one}
        assert {*list(numbers)[1:]} <= tested, kind


def test_the_inverse_root_is_that_of_the_paper():
    with jax.enable_x64(True):
        found = FORMULAS["inverse-sqrt"](jnp.arange(1000.0), 0.1, timescale=1.0)
    np.testing.assert_allclose(found, 0.1 / np.sqrt(np.arange(1, 1001)), rtol=1e-15)


# ---- the engine against optax's optimizers


def optax_path(transformation, surface, steps):
    with jax.enable_x64(True):
        x = jnp.asarray(surface.start_point(2), float)
        state, path = transformation.init(x), [x]
        gradient = jax.jit(jax.grad(lambda x: surface(x)))
        step = jax.jit(transformation.update)
        for _ in range(steps):
            updates, state = step(gradient(x), state, x)
            x = optax.apply_updates(x, updates)
            path.append(x)
        return np.array(path)


def scheduled(program, kinds, **numbers):
    """`program` under schedules; a double underscore stands for the dot in a number's name."""
    more = {name.replace("__", "."): value for name, value in numbers.items()}
    return replace(program, schedules=kinds, hyperparameters={**program.hyperparameters, **more})


def our_path(surface, name, rate, kinds, numbers, steps=200, **settings):
    program = program_of(surface, SOLVERS[name], rate, steps=steps, known_minimum=False, **settings)
    return trace(scheduled(program, kinds, **numbers))[0].x


def exact(schedule):
    """optax counts in int32, and would divide such a count in float32."""
    return lambda count: schedule(jnp.asarray(count, float))


RUNS = {
    "sgd, cosine": (
        ("sgd", 1e-3, {"learning_rate": "cosine"}, {"learning_rate__decay_steps": 150.0, "learning_rate__alpha": 0.1}),
        lambda: optax.sgd(exact(optax.cosine_decay_schedule(1e-3, 150, 0.1))),
    ),
    "adam, warm-up": (
        (
            "adam",
            0.05,
            {"learning_rate": "warmup-cosine"},
            {
                "learning_rate__warmup_steps": 20.0,
                "learning_rate__decay_steps": 180.0,
                "learning_rate__end_value": 1e-3,
                "learning_rate__init_value": 0.0,
            },
        ),
        lambda: optax.adam(exact(optax.warmup_cosine_decay_schedule(0.0, 0.05, 20, 180, 1e-3))),
    ),
    "momentum, momentum rising": (
        (
            "momentum",
            5e-4,
            {"momentum": "linear"},
            {"momentum__end_value": 0.9, "momentum__transition_steps": 100.0, "momentum__transition_begin": 10.0},
        ),
        lambda: optax.inject_hyperparams(optax.sgd)(
            learning_rate=5e-4, momentum=exact(optax.linear_schedule(0.5, 0.9, 100, 10))
        ),
    ),
}


@pytest.mark.parametrize("surface", ["rosenbrock", pytest.param("ellipse", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_that_of_optax_with_the_same_schedule(name, surface):
    (solver, rate, kinds, numbers), theirs = RUNS[name]
    settings = {"momentum": 0.5} if solver == "momentum" else {}
    ours = our_path(SURFACES[surface], solver, rate, kinds, numbers, **settings)
    wanted = optax_path(theirs(), SURFACES[surface], 200)
    assert np.linalg.norm(wanted[-1] - wanted[0]) > 0.1
    np.testing.assert_allclose(ours, wanted, rtol=1e-12, atol=1e-12)


def test_a_constant_schedule_is_no_schedule_bit_for_bit():
    program = program_of("rosenbrock", "adam", [1e-3, 1e-2], steps=100)
    assert_same_bits(execute(scheduled(program, {"learning_rate": "constant"})), execute(program))


def test_a_schedule_keeps_the_type_of_a_run_on_a_large_surface():
    # above some dimension the lanes are laid out otherwise
    kinds, numbers = {"learning_rate": "warmup"}, {"learning_rate__warmup_steps": 5.0, "learning_rate__init_value": 0.0}
    program = program_of("ellipse", "momentum", [1e-3, 2e-3], steps=30, dtype="float32", param={"dimension": 30})
    with jax.numpy_dtype_promotion("strict"):
        records = execute(scheduled(program, kinds, **numbers))
    assert records.steps.tolist() == [30, 30]
    assert (records.loss_final < records.loss_start).all()


def test_the_first_state_is_made_with_the_first_value():
    @solver(register=False, init=lambda x, *, scale: x * 0 + scale)
    def keeps(oracle, x, kept, *, learning_rate, scale=1.0):
        return x - learning_rate * kept * oracle.grad(x), kept

    numbers = {"scale__warmup_steps": 4.0, "scale__init_value": 0.25}
    path = trace(scheduled(program_of("ellipse", keeps, 1e-3, steps=2), {"scale": "warmup"}, **numbers))[0].x
    plain = trace(program_of("ellipse", keeps, 1e-3, steps=2, scale=0.25))[0].x
    np.testing.assert_array_equal(path, plain)


def test_no_number_of_a_schedule_compiles_again():
    numbers = {"learning_rate__decay_steps": 50.0, "learning_rate__alpha": 0.0}
    program = program_of("ellipse", "sgd", [1e-3, 1e-2], steps=70)
    first = scheduled(program, {"learning_rate": "cosine"}, **numbers)
    records = execute(first)
    before = machine(first.signature).advance._cache_size()
    for name, value in {**numbers, "learning_rate": np.array([2e-3, 3e-3])}.items():
        other = scheduled(program, {"learning_rate": "cosine"}, **{**numbers, name: value * 0.9 + 0.01})
        assert machine(other.signature) is machine(first.signature)
        assert not np.array_equal(execute(other).loss_final, records.loss_final)
    assert machine(first.signature).advance._cache_size() == before


def test_a_scheduled_run_has_no_predicted_rate():
    program = program_of("ellipse", "sgd", [0.01], rtol=1e-6)
    facts = facts_of(SURFACES["ellipse"])
    numbers = {"learning_rate__decay_steps": 50.0, "learning_rate__alpha": 0.0}
    place = facts.minimisers[0], facts.hessians[0]
    prediction = rates_predicted(scheduled(program, {"learning_rate": "cosine"}, **numbers), *place)
    assert np.isnan(prediction.rate).all()
    assert prediction.reason.tolist() == [SCHEDULED]
    constant = scheduled(program, {"learning_rate": "constant"})
    assert rates_predicted(constant, *place).rate == pytest.approx(0.99, abs=1e-12)


# ---- sweeps


def blocks_of(**values):
    return make_plan(validated(SweepSpec, {"surface": "ellipse", "solver": "sgd", "steps": 50, **values})).blocks


COSINE = {"cosine": {"init_value": [0.01, 0.02], "decay_steps": [20, 40, 60], "alpha": 0.1}}


def test_the_numbers_of_a_schedule_are_axes():
    result = gdbench.sweep({"surface": "ellipse", "solver": "sgd", "steps": 50, "learning_rate": COSINE}, plots=False)
    runs = result.runs
    assert len(runs) == 6
    names = ["learning_rate", "learning_rate.decay_steps", "learning_rate.alpha", "learning_rate.schedule"]
    grid = [[base, steps, 0.1, "cosine"] for base in (0.01, 0.02) for steps in (20, 40, 60)]
    assert runs[names].to_numpy().tolist() == grid
    assert runs["loss_final"].nunique() == 6
    # each of them is a run of its own
    for row in runs.itertuples():
        text = f"cosine:{row.learning_rate},{runs['learning_rate.decay_steps'][row.Index]},0.1"
        alone = gdbench.run("ellipse", "sgd", steps=50, set={"learning_rate": text}, plots=False)
        assert alone.runs["loss_final"].tolist() == [row.loss_final]
    assert set(names) <= set(result.table.columns)
    assert result.table["learning_rate.schedule"].tolist() == ["cosine"]


def test_schedules_are_compared_like_options():
    schedules = [0.01, 0.02, COSINE, {"inverse-sqrt": None}]
    blocks = blocks_of(learning_rate=schedules, rates={"num": 5})
    assert [block.schedules for block in blocks] == [
        {"learning_rate": kind} for kind in ("constant", "cosine", "inverse-sqrt")
    ]
    assert [len(block) for block in blocks] == [2, 6, 5]
    frame = pd.concat([runs_of_rows(block, np.arange(len(block)), None) for block in blocks])
    assert frame["learning_rate.schedule"].value_counts().to_dict() == {"cosine": 6, "inverse-sqrt": 5, "constant": 2}
    texts = blocks_of(learning_rate=[0.01, 0.02, "cosine:0.1,20"])
    assert [block.schedules["learning_rate"] for block in texts] == ["constant", "cosine"]


def test_a_base_that_is_left_out_is_tuned_or_the_default():
    (block,) = blocks_of(solver="momentum", set={"momentum": {"linear": {"end_value": 0.95, "transition_steps": 10}}})
    assert (block.fixed["momentum"], block.fixed["momentum.end_value"]) == (0.9, 0.95)
    (block,) = blocks_of(learning_rate={"cosine": {"decay_steps": 10}}, rates={"low": 1e-3, "high": 1, "num": 4})
    assert block.axes[0]["learning_rate"].tolist() == np.geomspace(1e-3, 1, 4).tolist()
    # the rate of all is the base of one that has none
    (block,) = blocks_of(learning_rate=[0.5, 0.25], set={"learning_rate": "cosine:decay_steps=10"})
    assert block.axes[0]["learning_rate"].tolist() == [0.5, 0.25]
    assert block.schedules == {"learning_rate": "cosine"}


def test_what_stands_nearer_wins():
    values = {"solver": {"sgd": None, "momentum": {"learning_rate": "constant:0.5"}, "adam": {"learning_rate": 0.125}}}
    blocks = blocks_of(learning_rate={"warmup": {"peak_value": 0.25, "warmup_steps": 5}}, **values)
    found = {block.solver.name: (block.schedules, block.axes[0]["learning_rate"].tolist()) for block in blocks}
    assert found == {
        "sgd": ({"learning_rate": "warmup"}, [0.25]),
        "momentum": ({"learning_rate": "constant"}, [0.5]),
        "adam": ({}, [0.125]),
    }


def test_tuning_searches_the_base_and_the_numbers_that_its_space_names():
    tune = {"trials": 8, "space": {"learning_rate.decay_steps": {"log": [10, 100]}}}
    (block,) = blocks_of(solver="momentum", learning_rate={"cosine": {"alpha": 0.1}}, tune=tune)
    (axis,) = block.axes
    assert list(axis) == ["learning_rate", "momentum", "learning_rate.decay_steps"]
    assert block.fixed == {"learning_rate.alpha": 0.1}
    assert len(np.unique(axis["learning_rate.decay_steps"])) == 8
    assert ((axis["learning_rate.decay_steps"] >= 10) & (axis["learning_rate.decay_steps"] <= 100)).all()
    own = {"trials": 8, "space": {"momentum.momentum.end_value": {"linear": [0.5, 0.9]}}}
    rising = {"linear": {"transition_steps": 10}}
    (block,) = blocks_of(solver="momentum", set={"momentum": rising}, tune=own)
    assert block.axes[0]["momentum.end_value"].max() <= 0.9
    assert block.schedules == {"momentum": "linear"}


def test_a_base_that_is_fixed_stays_so_in_tuning():
    (block,) = blocks_of(
        solver="momentum", learning_rate={"cosine": {"init_value": 0.1, "decay_steps": 9}}, tune={"trials": 4}
    )
    assert set(block.axes[0]["learning_rate"]) == {0.1}
    assert block.fixed["learning_rate.decay_steps"] == 9


def test_lists_of_jumps_stand_for_numbers_of_their_own():
    lists = {"piecewise": {"init_value": 0.1, "boundaries": [10, [20, 30]], "scales": [0.5, 0.25]}}
    names = {"init_value": 0.1, "boundary1": 10, "scale1": 0.5, "boundary2": [20, 30], "scale2": 0.25}
    (one,), (other,) = blocks_of(learning_rate=lists), blocks_of(learning_rate={"piecewise": names})
    assert (
        one.fixed
        == other.fixed
        == {"learning_rate.boundary1": 10, "learning_rate.scale1": 0.5, "learning_rate.scale2": 0.25}
    )
    assert one.axes[1]["learning_rate.boundary2"].tolist() == [20, 30]
    (text,) = blocks_of(learning_rate="piecewise:0.1,10,0.5,30,0.25")
    assert text.fixed["learning_rate.boundary2"] == 30


TEXTS = {
    "cosine:0.1,1000": {"cosine": {"init_value": 0.1, "decay_steps": 1000}},
    "cosine:0.1,decay_steps=1000,alpha=0.5": {"cosine": {"init_value": 0.1, "decay_steps": 1000, "alpha": 0.5}},
    "cosine:decay_steps=1e3": {"cosine": {"decay_steps": 1000}},
    "linear: 0.5, 0.9, 100": {"linear": {"init_value": 0.5, "end_value": 0.9, "transition_steps": 100}},
    "exponential:0.1,10,0.5": {"exponential": {"init_value": 0.1, "transition_steps": 10, "decay_rate": 0.5}},
    "staircase:0.1,10,0.5,5": {
        "staircase": {"init_value": 0.1, "transition_steps": 10, "decay_rate": 0.5, "transition_begin": 5}
    },
    "polynomial:0.1,0,2,50": {"polynomial": {"init_value": 0.1, "end_value": 0, "power": 2, "transition_steps": 50}},
    "warmup:0.1,20": {"warmup": {"peak_value": 0.1, "warmup_steps": 20}},
    "warmup-cosine:0.1,20,100,0.01": {
        "warmup-cosine": {"peak_value": 0.1, "warmup_steps": 20, "decay_steps": 100, "end_value": 0.01}
    },
    "inverse-sqrt": {"inverse-sqrt": None},
    "constant:0.25": {"constant": {"value": 0.25}},
    "piecewise:boundary1=10,scale1=0.5": {"piecewise": {"boundaries": [10], "scales": [0.5]}},
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_means_what_its_mapping_means(text):
    (one,), (other,) = blocks_of(learning_rate=text), blocks_of(learning_rate=TEXTS[text])
    in_set, own = blocks_of(set={"learning_rate": text}), blocks_of(solver={"sgd": {"learning_rate": text}})
    assert block_digest(one) == block_digest(other) == block_digest(in_set[0]) == block_digest(own[0])


def test_shards_are_named_for_the_schedule_and_its_numbers():
    assert OURS / "engine/schedules.py" in files_behind(*(OURS / name for name in COMPUTES))
    texts = [
        "constant:0.1",
        "cosine:0.1,20",
        "cosine:0.1,21",
        "warmup:0.1,20",
        "linear:0.1,0,20",
        "polynomial:0.1,0,1,20",
    ]
    digests = [block_digest(blocks_of(learning_rate=text)[0]) for text in texts]
    digests.append(block_digest(blocks_of(learning_rate=0.1)[0]))
    assert len(set(digests)) == len(digests)


# ---- the command line


def runs_in(folder):
    return (Path("results") / folder / "runs.csv").read_bytes()


def test_a_run_is_repeated_by_its_config_and_swept_as_it_is(here):
    flags = ["-f", "ellipse", "-s", "adam", "-s", "sgd", "--steps", "40", "--no-plots", "--rates", "1e-3,1,4"]
    schedules = ["--set", "learning_rate=cosine:decay_steps=40", "--set", "adam.b1=linear:0.5,0.9,20"]
    assert call(["run", *flags, *schedules, "--name", "a"]) == 0
    config = "results/a/config.yaml"
    assert call(["run", "--config", config, "--no-plots", "--name", "b"]) == 0
    assert runs_in("a") == runs_in("b")
    assert call(["sweep", config, "--no-plots", "--name", "c", "-q"]) == 0
    assert call(["sweep", "results/c/config.yaml", "--no-plots", "--name", "d", "-q"]) == 0
    ours, swept = (pd.read_csv(f"results/{name}/runs.csv") for name in "ac")
    shared = ["solver", "learning_rate", "learning_rate.schedule", "b1.end_value", "loss_final", "steps"]
    pd.testing.assert_frame_equal(ours[shared], swept[shared])
    assert runs_in("c") == runs_in("d")
    table = pd.read_csv("results/a/table.csv")
    assert table["learning_rate.schedule"].tolist() == ["cosine", "cosine"]
    assert table["b1.schedule"].isna().tolist() == [False, True]


def test_one_solver_follows_a_schedule_and_another_does_not(here):
    flags = [
        "run",
        "-f",
        "ellipse",
        "-s",
        "adam",
        "-s",
        "sgd",
        "--steps",
        "40",
        "--no-plots",
        "--learning-rate",
        "0.01",
    ]
    assert call([*flags, "--set", "adam.learning_rate=cosine:0.1,40", "--name", "a"]) == 0
    runs = pd.read_csv("results/a/runs.csv").set_index("solver")
    assert runs["learning_rate"].to_dict() == {"adam": 0.1, "sgd": 0.01}
    assert runs["learning_rate.schedule"].fillna("").to_dict() == {"adam": "cosine", "sgd": ""}


def test_a_flag_of_a_sweep_sets_a_schedule_and_reaches_into_one(here):
    Path("c.yaml").write_text(
        "surface: ellipse\nsolver: momentum\nsteps: 20\nlearning_rate: {cosine: {init_value: 0.01, decay_steps: 9}}\n"
        "set: {momentum: {linear: {end_value: 0.5, transition_steps: 9}}}\n"
    )
    sweep = ["sweep", "c.yaml", "--no-plots", "-q"]
    more = ["--set", "learning_rate.cosine.decay_steps=[5, 7]", "--set", "set.momentum.linear.end_value=0.25"]
    assert call([*sweep, *more, "--name", "a"]) == 0
    runs = pd.read_csv("results/a/runs.csv")
    assert runs["learning_rate.decay_steps"].tolist() == [5, 7]
    assert runs["momentum.end_value"].tolist() == [0.25, 0.25]
    texts = [
        "--set",
        "learning_rate=warmup:0.01,5",
        "--set",
        "solver.momentum.momentum=linear:0.5,0.9,10",
        "--set",
        "set={}",
    ]
    assert call([*sweep, *texts, "--name", "b"]) == 0
    runs = pd.read_csv("results/b/runs.csv")
    assert runs[["learning_rate.schedule", "momentum.schedule"]].to_numpy().tolist() == [["warmup", "linear"]]


def test_a_plain_rate_in_set_still_points_to_its_own_flag(here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "sgd", "--set", "learning_rate=0.3"]) == 2
    assert "the learning rate has a key of its own: --learning-rate" in capsys.readouterr().err


# ---- what is shown


def shown(table, swept=None):
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(results_table(table, swept))
    return capture.get()


def test_the_terminal_shows_a_schedule_with_the_numbers_that_were_chosen():
    text = {"learning_rate": "cosine:0.1,1000", "momentum.momentum": "linear:0.5,0.9,100"}
    result = gdbench.run("ellipse", ["sgd", "momentum"], steps=20, set=text, plots=False)
    out = shown(result.table)
    assert "learning_rate cosine, decay_steps 1 000, momentum 0.5 linear, end_value 0.9, transition_steps 100" in out
    assert "alpha" not in out  # nobody chose its default
    assert "alpha 0" in shown(result.table, {"sgd": ["learning_rate.alpha"]})
    assert "settings" not in shown(gdbench.run("ellipse", "sgd", steps=20, learning_rate=0.01, plots=False).table)


def test_pictures_draw_no_theory_of_fixed_rates_where_they_change():
    rates = {"log": [1e-3, 1], "num": 4}
    spec = {"surface": "ellipse", "solver": "momentum", "steps": 20, "set": {"momentum": [0.1, 0.2, 0.3, 0.4]}}
    fixed = gdbench.sweep({**spec, "learning_rate": rates}, plots=False)
    changing = gdbench.sweep(
        {**spec, "learning_rate": {"cosine": {"init_value": rates, "decay_steps": 20}}}, plots=False
    )
    for result, known in ((fixed, True), (changing, False)):
        assert bool(theory_of(result.runs, result.contours)) == known
        (found,) = maps_of(result.runs)
        assert bool(len(edge_of(found, result.contours)[0])) == known
    both = pd.concat([fixed.runs, changing.runs])
    assert theory_of(both, fixed.contours) == theory_of(fixed.runs, fixed.contours)
