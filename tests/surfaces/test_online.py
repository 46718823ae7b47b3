"""Online, mini-batch, batch: the cycles of contradictory examples, in numbers and in a picture; and a hidden ravine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.programs import program_of, status_of

import gdbench
from gdbench.engine.stream import execute, trace
from gdbench.errors import UsageError
from gdbench.planning.plan import make_plan
from gdbench.plots import batches, style
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of, values

CONFIGS = Path(__file__).parents[2] / "configs"
RATES = np.array([0.01, 0.1, 0.25, 0.45, 0.5, 0.7, 0.9])


def weights(examples, batch, rates=RATES, steps=2000):
    """The weight `[rates, steps + 1]` after each step of plain descent that takes the examples in turn."""
    program = program_of(
        "contradictory", "sgd", rates, param={"examples": examples}, steps=steps, known_minimum=False, starts=[-1.0]
    )
    return np.array([path.x[:, 0] for path in trace(program.under(batch_size=batch, shuffle=False))])


# ---- the cycle


@pytest.mark.parametrize("examples", [2, 8])
def test_the_surface_is_its_examples(examples):
    made = SURFACES["contradictory"].with_parameters(examples=examples)
    targets = np.repeat([0.0, 2.0], examples // 2)
    w = np.linspace(-3, 3, 11)
    wanted = np.mean((w[:, None] - targets) ** 2, axis=1)
    np.testing.assert_allclose(values(made, w[:, None]), wanted, rtol=1e-14)
    facts = facts_of(made)
    assert (facts.f_star, facts.minimisers.tolist()) == (1.0, [[1.0]])
    assert len(made.data[0]) == len(made.data[1]) == examples


@pytest.mark.parametrize("examples", [3, 0, -2, 100_002])
def test_a_wrong_number_of_examples_is_a_sentence(examples):
    with pytest.raises(UsageError, match=f"must be an even number from 2 to 100 000, not {examples}"):
        SURFACES["contradictory"].with_parameters(examples=examples)


def test_one_at_a_time_ends_in_the_cycle_of_two_points():
    found = weights(2, 1)
    # after an odd step, the target 0 was seen last; (1 - 2 · 0.01)^2000 is 3e-18
    wanted = np.stack([(1 - 2 * RATES) / (1 - RATES), 1 / (1 - RATES)], axis=1)
    np.testing.assert_allclose(found[:, -2:], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.ptp(found[:, -2:], axis=1), 2 * RATES / (1 - RATES), rtol=1e-12)
    # and on the way there each round shrinks the distance to it by (1 - 2 lr)²
    rounds = np.arange(21)
    distance = (-1 - wanted[:, 1:]) * (1 - 2 * RATES[:, None]) ** (2 * rounds)
    np.testing.assert_allclose(found[:, : 2 * 21 : 2], wanted[:, 1:] + distance, rtol=1e-12, atol=1e-12)


def test_a_batch_of_both_leaves_no_cycle():
    found = weights(2, 2, steps=300)
    wanted = 1 - 2 * (1 - 2 * RATES[:, None]) ** np.arange(301)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 4, 8])
def test_larger_batches_leave_narrower_cycles(batch):
    found = weights(8, batch)
    rounds = 8 // batch
    last = found[:, -rounds:]  # 2000 steps are whole rounds
    if batch == 8:
        np.testing.assert_allclose(last, 1, rtol=1e-12)
        return
    q = (1 - 2 * RATES) ** (rounds // 2)
    # highest after the last of the targets 2, lowest after the last of the targets 0: 1 ± (1 - q)/(1 + q)
    np.testing.assert_allclose(last[:, -1], 1 + (1 - q) / (1 + q), rtol=1e-12)
    np.testing.assert_allclose(last[:, rounds // 2 - 1], 1 - (1 - q) / (1 + q), rtol=1e-12, atol=1e-12)
    smooth = RATES <= 0.5  # a larger rate swings about each target, too
    np.testing.assert_allclose(np.ptp(last, axis=1)[smooth], (2 * (1 - q) / (1 + q))[smooth], rtol=1e-12)


def test_the_examples_that_an_option_decides_are_held_out_after_it():
    spec = {"surface": {"contradictory": {"examples": [2, 8]}}, "solver": ["sgd"], "holdout": 0.5, "learning_rate": 0.1}
    found = [block.surface for block in make_plan(validated(SweepSpec, spec)).blocks]
    assert [[len(made.data[0]), len(made.held_out[0])] for made in found] == [[1, 1], [4, 4]]
    for made in found:
        assert sorted([*made.data[1], *made.held_out[1]]) == [0.0] * len(made.data[1]) + [2.0] * len(made.data[1])
        # a parameter or the same option again leaves them as they are
        again = made.with_parameters(examples=made.options["examples"])
        assert again.data is made.data


# ---- the experiment and its picture


@pytest.fixture(scope="module")
def experiment():
    """The experiment of configs/, swept."""
    return gdbench.sweep((CONFIGS / "online-batch").with_suffix(".yaml"), plots=False)


def test_online_batch_ends_as_its_first_lines_say(experiment):
    table = experiment.table
    assert table["status"].tolist() == ["budget", "budget", "budget", "reached"]
    path = experiment.trajectory.groupby("run")["x0"]
    widths = [np.ptp(x.to_numpy()[-9:]) for _, x in path]
    # of the start, 0.6^48 is left
    np.testing.assert_allclose(widths[:3], [1.541, 0.941, 0.5], atol=5e-4)
    assert abs(float(path.get_group(3).iloc[-1]) - 1) < 2e-3  # the target is 4e-6 above the minimum, a square
    # a batch of all examples is not random, and its rate is seen
    assert table["rate_observed"].iloc[-1] == pytest.approx(0.6, rel=1e-9)
    assert np.isnan(table["rate_observed"].iloc[:-1].astype(float)).all()


def test_the_picture_has_a_line_for_each_size_of_batch(experiment):
    figure = experiment.figures()["batches.png"]
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step (updates)", "weight w")
    paths = [line for line in axes.lines if len(line.get_xdata()) > 2]
    wanted = [own["x0"].tolist() for _, own in experiment.trajectory.groupby("run")]
    assert [line.get_ydata().tolist() for line in paths] == wanted
    assert len({line.get_color() for line in paths}) == 4
    low, high = axes.get_ylim()
    assert low < min(map(min, wanted))
    assert high > max(map(max, wanted))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "1 example a step\nswings 1.54 wide",
        "2 examples a step\nswings 0.941 wide",
        "4 examples a step\nswings 0.5 wide",
        "8 examples a step\narrives after 14 steps",
        "minimum",
    ]
    assert figure.texts[0].get_text() == "Online, mini-batch, batch: contradictory, sgd at lr 0.2"


def frames_of(sizes, x, *, dimension=1, solvers=("sgd",), rates=(0.1,)):
    """Runs, table, trajectory and contours of made-up paths, one per size of batch, solver and rate."""
    cells = [(size, solver, rate) for solver in solvers for rate in rates for size in sizes]
    runs = pd.DataFrame(
        {
            "run": range(len(cells)),
            "problem": [f"line batch_size={size}" for size, _, _ in cells],
            "surface": "line",
            "solver": [solver for _, solver, _ in cells],
            "learning_rate": [rate for *_, rate in cells],
            "status": "budget",
            "surface.batch_size": [size for size, _, _ in cells],
        }
    )
    parts = [pd.DataFrame({"run": run, "step": range(len(x)), "x0": x}) for run in runs["run"]]
    contours = {name: {"dimension": dimension, "u": np.array([-2.0, 2.0])} for name in runs["problem"]}
    return runs, runs[["problem", "surface", "solver", "learning_rate"]], pd.concat(parts), contours


def pictures(*frames):
    with style.look():
        return dict(batches.figures(*frames))


def test_without_several_sizes_or_with_more_weights_there_is_no_picture():
    swing = [0.0, 1.0, 0.0, 1.0]
    assert list(pictures(*frames_of([1, 4], swing))) == ["batches.png"]
    assert pictures(*frames_of([4], swing)) == {}
    assert pictures(*frames_of([1, 4], swing, dimension=2)) == {}
    runs, *rest = frames_of([1, 4], swing)
    assert pictures(runs.drop(columns="surface.batch_size"), *rest) == {}
    assert pictures(runs, rest[0], pd.DataFrame(columns=["run", "step", "x0"]), rest[2]) == {}


def test_many_sizes_solvers_and_wild_weights_are_drawn(recwarn):
    figure = pictures(*frames_of([2**i for i in range(10)], [0.0, 1.0, 0.0, 1.0]))["batches.png"]
    labels = [text.get_text().partition("\n")[0] for text in figure.legends[0].get_texts()]
    assert labels[0] == "1 example a step"
    assert labels[-1] == "512 examples a step"
    assert len(labels) == batches.LINES
    several = pictures(*frames_of([1, 4], [0.0, 1.0, 0.0], solvers=("sgd", "adam")))["batches.png"]
    assert [axes.get_title(loc="left") for axes in several.axes] == ["line, sgd", "line, adam"]
    wild = pictures(*frames_of([1, 4], [0.0, 1.0, 1e300, np.inf]))["batches.png"]
    assert wild.axes[0].get_ylim()[1] < 2
    assert "diverges" in wild.legends[0].get_texts()[0].get_text()
    gone = pictures(*frames_of([1, 4], [np.nan, np.nan]))["batches.png"]
    assert "no finite weight to draw" in [text.get_text() for text in gone.axes[0].texts]
    for figure in (several, wild, gone):
        figure.canvas.draw()
    assert not recwarn.list


# ---- the ravine that the printed targets hide


@pytest.mark.parametrize("second_target", [0.0, 2.0, -1.5])
def test_unscaled_has_the_minimiser_of_its_targets(second_target):
    made = SURFACES["unscaled"].with_parameters(second_target=second_target)
    inputs, targets = np.array([[0.1, 10], [0.1, -10]]), np.array([2, second_target])
    facts = facts_of(made)
    np.testing.assert_allclose(facts.minimisers[0], np.linalg.solve(inputs, targets), rtol=1e-13, atol=1e-15)
    assert facts.f_star == pytest.approx(0, abs=1e-28)
    points = np.random.default_rng(2).normal(size=(20, 2))
    wanted = [np.mean((inputs @ w - targets) ** 2) for w in points]
    np.testing.assert_allclose(values(made, points), wanted, rtol=1e-12)


def test_with_the_printed_targets_the_start_hides_the_ravine():
    param = {"second_target": np.array([2.0, 0.0])}
    program = program_of("unscaled", "sgd", 50.0, param=param, steps=300, rtol=1e-12)
    records = execute(program)
    assert status_of(records) == ["reached", "diverged"]
    assert records.steps[0] == 1
    assert records.x[0].tolist() == [20.0, 0.0]
    # elsewhere the ravine is there all the same
    assert status_of(execute(replace(program, starts=program.starts + np.array([0.0, 0.01])))) == ["diverged"] * 2
