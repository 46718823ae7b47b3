"""Why there is no predicted rate, or why the observed one is another: a constructed case for every reason."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.programs import program_of
from rich.console import Console

import gdbench
from gdbench.cli.tables import results_table
from gdbench.engine.stream import execute, trace
from gdbench.planning.plan import make_plan
from gdbench.results.derive import read_frames_of_shards, read_optional, with_notes
from gdbench.runner.analysis import compare_with_theory, paths_of
from gdbench.runner.frames import runs_of_rows
from gdbench.solvers import SOLVERS, solver
from gdbench.spec.run import RunSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import surface
from gdbench.surfaces.facts import facts_of
from gdbench.theory import observed_rate, predicted_rate, rate_notes
from gdbench.theory.predicted_rate import rates_predicted


def predicted(name, rule, rate=0.01, param=None, rtol=1e-6, **settings):
    program = program_of(name, rule, rate, param=param, rtol=rtol, **settings)
    facts = facts_of(program.surface)
    return rates_predicted(program, facts.minimisers[0], facts.hessians[0])


def reason(*args, **more):
    found = predicted(*args, **more)
    # a rate or a reason, never both and never neither
    np.testing.assert_array_equal(np.isnan(found.rate), found.reason != "")
    (word,) = set(found.reason)
    return word


# ---- no prediction


@surface(start=(1.0, 1.0), minimisers=[(0.0, 0.0)], register=False)
def quartic(x):
    return x[0] ** 2 + x[1] ** 4


@surface(start=(1.0, 2.0), minimisers=[(0.0, 0.0)], register=False)
def cusp(x):
    return jnp.sum(jnp.abs(x) ** 1.5)


@surface(start=(1.0,), minimisers=[(0.0,)], register=False)
def walled(x):
    # at a gap of 1e-6 the curvature is 2 + 12e8 x², six hundred times that at the minimum
    return x[0] ** 2 + 1e8 * x[0] ** 4


@solver(register=False)
def by_sign(oracle, x, *, learning_rate):
    return x - learning_rate * jnp.sign(oracle.grad(x))


@solver(init=lambda x: jnp.zeros((), jnp.int32), register=False)
def counting(oracle, x, count, *, learning_rate):
    return x - learning_rate * oracle.grad(x), count + 1


@solver(register=False)
def decaying(oracle, x, *, learning_rate):
    return 0.9 * x - learning_rate * oracle.grad(x)


@solver(register=False)
def rooted(oracle, x, *, learning_rate):
    return x - learning_rate * oracle.grad(x) + 0.0 * jnp.sqrt(jnp.abs(x))


@solver(register=False)
def shaken(oracle, x, *, learning_rate):
    return x - learning_rate * oracle.grad(x) * jax.random.uniform(oracle.key, x.shape, x.dtype)


@solver(init=lambda x: (x, jnp.zeros_like(x)), register=False)
def barzilai_borwein(oracle, x, before, old, *, learning_rate):
    """A memory of one step, from which the next one takes its length; empty at first."""
    gradient = oracle.grad(x)
    s, y = x - before, gradient - old
    filled = jnp.sum(s * y) > 0
    length = jnp.where(filled, jnp.sum(s * s) / jnp.where(filled, jnp.sum(s * y), 1.0), learning_rate)
    return x - length * gradient, x, gradient


CASES = {
    "singular": (predicted_rate.SINGULAR, quartic, "sgd"),
    "no second derivative": (predicted_rate.NO_HESSIAN, cusp, "sgd"),
    "line search": (predicted_rate.LINE_SEARCH, "ellipse", "backtracking"),
    "step count": (predicted_rate.NOT_FLOAT, "ellipse", counting),
    "weight decay": (predicted_rate.NOT_FIXED, "rosenbrock", decaying),
    "root of zero": (predicted_rate.NO_DERIVATIVE, "ellipse", rooted),
    "random steps": (predicted_rate.STOCHASTIC, "ellipse", shaken),
    "moving state": (predicted_rate.ADAPTIVE, "ellipse", "adam"),
    "resting state": (predicted_rate.ADAPTIVE, "ellipse", "adagrad"),
    "memory": (predicted_rate.ADAPTIVE, "ellipse", barzilai_borwein),
    "eps": (predicted_rate.EPS, "ellipse", "rmsprop"),
    "sign": (predicted_rate.NOT_SMOOTH, "ellipse", by_sign),
    "sign at a rounded minimum": (predicted_rate.NOT_SMOOTH, "unscaled", by_sign),
    "curvature": (predicted_rate.NOT_QUADRATIC, walled, "sgd"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_reason_stands_where_no_rate_does(case):
    word, name, rule = CASES[case]
    assert reason(name, rule, 1e-3 if case == "curvature" else 0.01) == word


def test_the_same_cases_have_a_rate_without_their_flaw():
    # closer to the minimum the loss is quadratic; at 0 weight decay leaves the minimum where it is
    assert predicted(walled, "sgd", 0.01, rtol=1e-16).rate == pytest.approx([0.98], rel=1e-9)
    assert predicted("ellipse", decaying, 0.001).rate == pytest.approx([0.899], rel=1e-12)


def test_more_numbers_than_eigenvalues_are_worth(monkeypatch):
    monkeypatch.setattr(predicted_rate, "LARGEST", 5)
    # with the velocity twice as many
    assert reason("ellipse", "momentum", param={"dimension": 3}) == predicted_rate.TOO_LARGE
    assert reason("ellipse", "momentum", param={"dimension": 2}) == ""


@pytest.mark.parametrize(("low", "word"), [(0.0, predicted_rate.ON_BOUND), (-0.5, "")])
def test_a_minimum_on_a_bound(low, word):
    @surface(start=(1.0, 1.0), minimisers=[(0.0, 0.0)], bounds=(low, 2.0), register=False)
    def bounded(x):
        return x[0] ** 2 + 3 * x[1] ** 2

    assert reason(bounded, "sgd") == word


def test_under_a_schedule_no_two_steps_are_alike():
    row = row_of("ellipse", "momentum", 0.015, set={"momentum": "cosine:0.5,300,0.1"})
    assert row["status"] == "reached"
    assert row["rate_note"] == predicted_rate.SCHEDULED


def test_noise_and_an_unknown_minimum():
    program = program_of("ellipse", "sgd", [0.01, 0.02])
    facts = facts_of(program.surface)
    place = facts.minimisers[0], facts.hessians[0]
    noisy = rates_predicted(replace(program, noise=0.1), *place)
    assert noisy.reason.tolist() == [predicted_rate.STOCHASTIC] * 2
    nowhere = rates_predicted(program, np.zeros(0), np.zeros((0, 0)))
    assert nowhere.reason.tolist() == [predicted_rate.NO_MINIMISER] * 2
    assert np.isnan([*noisy.rate, *nowhere.rate]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rosenbrock", "beale", "uncentered"])
def test_newton_has_a_rate_of_nothing_wherever_it_arrives_by_rounding(name):
    found = predicted(name, "newton")
    # the Hessian of `uncentered` has a condition of 40 006: so much is rounding
    assert found.rate == pytest.approx([0.0], abs=1e-9)


def test_newton_needs_one_step_of_a_quadratic():
    found = predicted("ellipse", "newton", param={"angle": 30.0, "condition": 50.0})
    assert found.rate == pytest.approx([0.0], abs=1e-12)
    assert found.reason.tolist() == [""]


@pytest.mark.slow  # a compilation for every solver and convention
@pytest.mark.parametrize("name", list(SOLVERS))
def test_every_solver_has_a_rate_or_a_reason(name):
    rule = SOLVERS[name]
    for variant in (rule, *rule.variants.values()):
        for where in ("ellipse", "rosenbrock"):
            found = predicted(where, variant, [1e-3, 1e-2, 1.0])
            np.testing.assert_array_equal(np.isnan(found.rate), found.reason != "", err_msg=variant.note)


# ---- two rates that differ, or one that is missing


def row_of(name, rule, rate=None, **options):
    result = gdbench.run([name], [rule], learning_rate=rate, plots=False, **options)
    row = result.table.iloc[0]
    assert bool(row["rate_note"]) == bool(
        observed_rate.needs_note(row["rate_observed"], row["rate_predicted"], row["success"] > 0)
    )
    return row


@surface(start=(2.0,), minimisers=[(-1.0356,)], register=False)
def half_known(x):
    """A double well of which only the deeper minimum is told."""
    return x[0] ** 4 - 2 * x[0] ** 2 + 0.3 * x[0]


HEAVY_BALL = 4 / (1 + np.sqrt(5)) ** 2, ((np.sqrt(5) - 1) / (np.sqrt(5) + 1)) ** 2


def test_rates_that_agree_need_no_word():
    row = row_of("ellipse", "sgd", 0.015)
    assert row["rate_note"] == ""
    assert row["rate_observed"] == pytest.approx(row["rate_predicted"], rel=1e-3)


@pytest.mark.parametrize(
    ("word", "name", "rule", "options"),
    [
        (rate_notes.UNEXCITED, "ellipse", "sgd", {"rate": 0.005, "start": [0.0, 1.0]}),
        # turned, so that no weight alone is the mode
        (
            rate_notes.UNEXCITED,
            "ellipse",
            "sgd",
            {"rate": 0.005, "start": [-0.6, 0.8], "angle": np.rad2deg(np.arctan(0.75))},
        ),
        (
            rate_notes.DOUBLE_ROOT,
            "ellipse",
            "momentum",
            {"rate": HEAVY_BALL[0], "set": {"momentum": HEAVY_BALL[1]}, "condition": 5},
        ),
        (rate_notes.TRANSIENT, "ellipse", "nesterov", {"rate": 0.01}),
        pytest.param(
            rate_notes.TRANSIENT, "rosenbrock", "momentum", {"rate": 0.002, "steps": 60}, marks=pytest.mark.slow
        ),
        (rate_notes.TOO_FEW, "ellipse", "sgd", {"rate": 0.9, "condition": 1.2}),
        (rate_notes.REPELS, "double-well", "sgd", {"rate": 0.25, "start": [-1.2], "steps": 500}),
        (rate_notes.ELSEWHERE, half_known, "sgd", {"rate": 0.01, "rtol": 1e-12, "gtol": 1e-8}),
        (predicted_rate.STOCHASTIC, "ellipse", "sgd", {"rate": 0.015, "noise": 1e-6}),
        pytest.param(predicted_rate.ADAPTIVE, "ellipse", "adam", {"rate": 0.1}, marks=pytest.mark.slow),
        (predicted_rate.EPS, "ellipse", "rmsprop", {"rate": 0.01}),
        pytest.param(predicted_rate.LINE_SEARCH, "ellipse", "backtracking", {}, marks=pytest.mark.slow),
        pytest.param(predicted_rate.NOT_SMOOTH, "ellipse", "rprop", {"rate": 0.1}, marks=pytest.mark.slow),
    ],
)
def test_the_table_says_why_rates_differ(word, name, rule, options):
    param = {key: options.pop(key) for key in ("condition", "angle") if key in options}
    assert row_of(name, rule, **options, **({"param": param} if param else {}))["rate_note"] == word


def test_a_direction_that_is_not_excited_explains_the_rate_that_is_seen():
    row = row_of("ellipse", "sgd", 0.005, start=[0.0, 1.0])
    # of the eigenvalues 1 and 100 only the second one acts: 1 - 0.005 * 100
    assert row["rate_observed"] == pytest.approx(0.5, rel=1e-12)
    assert row["rate_predicted"] == pytest.approx(0.995, rel=1e-12)


def test_a_circle_has_equal_eigenvalues_and_no_double_root():
    steps = rate_notes._has_double_root(np.diag([0.5, 0.5]), 50)
    defective = rate_notes._has_double_root(np.array([[0.5, 1.0], [0.0, 0.5]]), 50)
    nearly = [rate_notes._has_double_root(np.array([[0.5, 1.0], [0.0, 0.5 - gap]]), 50) for gap in (0.001, 0.1)]
    assert [steps, defective, *nearly] == [False, True, True, False]


def test_the_linear_model_is_the_run_on_a_quadratic():
    program = program_of("ellipse", "nesterov", 0.004, starts=[[0.3, -2.0]], steps=300, momentum=0.8)
    facts = facts_of(program.surface)
    jacobian = predicted_rate.jacobian_at(program, facts.minimisers[0])
    found = predicted_rate.linear_errors(program, facts.minimisers[0], jacobian, 300)
    path = trace(program)[0]
    assert len(path.x) == 301
    np.testing.assert_allclose(found, path.x, rtol=0, atol=1e-13)


def compared(**options):
    """Runs of sgd on the ellipse: their block and frame."""
    spec = validated(RunSpec, {"surface": ["ellipse"], "solver": ["sgd"], "learning_rate": 0.015, **options})
    block = make_plan(spec).blocks[0]
    runs = runs_of_rows(block, np.arange(len(block)), execute(block.program))
    return block, runs


def test_a_run_that_was_not_replayed_is_said_to_be():
    block, runs = compared(starts=3)
    paths = paths_of(block, [1])
    found = compare_with_theory(block, runs, paths)
    assert found["rate_note"].tolist() == [observed_rate.NOT_REPLAYED, "", observed_rate.NOT_REPLAYED]
    assert found["rate_predicted"].notna().all()
    assert found["rate_observed"].notna().tolist() == [False, True, False]


def test_what_no_cause_bears_out_is_unexplained():
    block, _ = compared()
    path = paths_of(block, [0])[0]
    facts = block.facts
    seen = rate_notes.Seen(
        block.program, facts.minimisers[0], facts.hessians[0], path, path.loss, 1e-300, "reached", True
    )
    # a steady run at 0.985, of which another rate is claimed
    assert rate_notes.note_of(seen, 0.985, 0.985, "", True) == ""
    assert rate_notes.note_of(seen, 0.9, 0.985, "", True) == rate_notes.UNKNOWN


# ---- sweeps: from what is stored, without JAX


@pytest.mark.slow
def test_a_stored_sweep_has_the_same_notes_without_jax(tmp_path):
    spec = {
        "surface": ["ellipse"],
        "solver": ["nesterov", "rmsprop"],
        "learning_rate": [0.01, 0.004],
        "param": {"condition": [10, 100]},
        "steps": 500,
    }
    result = gdbench.sweep(spec, out=tmp_path / "s", plots=False)
    assert len(result.table) == 4
    assert set(result.table["rate_note"]) == {rate_notes.TRANSIENT, predicted_rate.EPS}
    code = (
        "import sys; from pathlib import Path; from gdbench.results.derive import read_frames_of_shards\n"
        f"table = read_frames_of_shards(Path({str(tmp_path / 's')!r})).table\n"
        "assert 'jax' not in sys.modules\nprint(table.to_csv(index=False))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (tmp_path / "s" / "table.csv").read_text().strip()


def test_a_sweep_of_before_has_no_notes_and_is_read_all_the_same(tmp_path):
    spec = {"surface": ["ellipse"], "solver": ["rmsprop"], "learning_rate": [0.01, 0.1], "steps": 500}
    result = gdbench.sweep(spec, out=tmp_path / "s", plots=False)
    assert result.table["rate_note"].tolist() == [predicted_rate.EPS]
    (tmp_path / "s" / "theory.csv").unlink()
    assert read_frames_of_shards(tmp_path / "s").table["rate_note"].tolist() == [""]
    old = read_optional(tmp_path / "s", "theory", ["run", "rate_observed", "rate_predicted", "message"])
    assert with_notes(result.runs, old) is result.runs


def test_the_terminal_names_each_reason_once():
    result = gdbench.run(["ellipse"], ["sgd", "nesterov", "rmsprop", "adam"], learning_rate=0.01, plots=False)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(results_table(result.table))
    lines = console.export_text().splitlines()
    marks = {line.split()[0]: line.split()[-1] for line in lines if line.startswith("  ") and "reached" in line}
    assert "¹" not in marks["sgd"]
    assert [marks[name] for name in ("nesterov", "rmsprop", "adam")] == ["¹", "²", "³"]
    assert [line.strip() for line in lines[-3:]] == ["¹ not yet asymptotic", "² eps decides", "³ adaptive"]
    # a table of before there were notes
    console.print(results_table(result.table.drop(columns="rate_note")))
    assert "¹" not in console.export_text()


@pytest.mark.slow
def test_a_double_root_is_no_excuse_for_a_late_start():
    # at the best settings of its minimum, but most of the way leads down a valley of constant slope
    low, high = np.sqrt(0.4), np.sqrt(20.0)
    rate, momentum = 4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2
    row = row_of("long-valley", "momentum", rate, set={"momentum": momentum}, rtol=1e-12)
    assert row["rate_observed"] > 1.05 * row["rate_predicted"]
    assert row["rate_note"] == rate_notes.TRANSIENT
