"""Conditions of a run beyond budget and target: goals, bounds, annealed noise, examples in turn, early stopping."""

from __future__ import annotations

from dataclasses import fields, replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.programs import assert_same_bits, program_of

import gdbench
from gdbench.engine.program import Conditions
from gdbench.engine.stream import execute, trace
from gdbench.errors import UsageError
from gdbench.statuses import Status
from gdbench.surfaces import surface
from gdbench.surfaces.data.holdout import held_out_rows, with_held_out


@pytest.fixture(scope="module")
def ridge():
    @surface(register=False, start=(0.5, 1e-3), goal=lambda x: jnp.abs(x[1]) > 1, name="ridge")
    def made(x):
        """Falls for ever along x1."""
        return x[0] ** 2 - x[1] ** 2

    return made


def of(made, solver="sgd", rate=0.1, steps=100, **settings):
    """A program of `made` at its start, a run for each rate."""
    program = program_of("ellipse", solver, rate, steps=steps)
    names = {item.name for item in fields(Conditions)}
    under = {"gtol": 0.0, **{name: settings.pop(name) for name in names & set(settings)}}
    return replace(
        program,
        surface=made,
        parameters=dict(made.parameters),
        surface_options=dict(made.options),
        data=made.data,
        starts=np.tile(made.start_point(made.dimension), (len(program), 1)),
        f_star=np.full(len(program), np.nan),
        conditions=replace(program.conditions, **under),
        **settings,
    )


# ---- a goal


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_goal_ends_a_run_as_reached_at_its_first_step(ridge, dtype):
    program = of(ridge, rate=[0.1, 0.01], dtype=dtype)
    records = execute(program)
    # x1 grows by 1.2 a step: 1e-3 1.2^38 = 1.02; by 1.02 a step it needs 349
    assert 1e-3 * 1.2**37 < 1 < 1e-3 * 1.2**38
    assert records.steps.tolist() == [38, 100]
    assert records.status[0] == Status.REACHED
    assert records.status[1] != Status.REACHED
    assert abs(records.x[0, 1]) > 1


def test_a_goal_counts_in_tables(ridge):
    result = gdbench.run([ridge], "sgd", learning_rate=0.1, plots=False)
    assert result.table["status"].tolist() == ["reached"]
    assert result.table["steps_to_target"].tolist() == [38]


# ---- bounds


def test_bounds_hold_every_iterate():
    @surface(register=False, start=(0.9,), bounds=(-1.0, 1.0), name="slope", minimisers=[(-1.0,)])
    def slope(x):
        """Falls to the left."""
        return x[0]

    program = of(slope, rate=0.3, steps=20)
    path = trace(program)[0].x[:, 0]
    np.testing.assert_allclose(path[:8], [0.9, 0.6, 0.3, 0.0, -0.3, -0.6, -0.9, -1.0], atol=1e-15)
    assert (path[7:] == -1).all()
    result = gdbench.run([slope], "sgd", learning_rate=0.3, plots=False)
    assert result.runs["status"].tolist() == ["reached"]


# ---- gtol 0


def test_no_gradient_ends_a_run_where_gtol_is_zero():
    @surface(register=False, start=(0.0,), name="level")
    def level(x):
        """Level at its start."""
        return x[0] ** 3

    still = of(level, steps=10, gtol=1e-12)
    assert execute(still).status.tolist() == [Status.STATIONARY]
    going = of(level, steps=10, gtol=0.0)
    assert execute(going).steps.tolist() == [10]


# ---- examples in turn


def test_examples_are_visited_in_turn_where_they_are_not_shuffled():
    @surface(register=False, start=(0.0,), data=([1.0, 2.0, 4.0, 8.0, 16.0],), name="five")
    def five(x, slopes):
        """A mean of slopes."""
        return jnp.mean(slopes) * x[0]

    def steps(size, **settings):
        program = of(five, rate=1.0, steps=12, batch_size=size, **settings)
        return -np.diff(trace(program)[0].x[:, 0])

    assert steps(1, shuffle=False).tolist() == [1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 1, 2]
    # three steps an epoch; the last one is filled from the beginning
    np.testing.assert_allclose(steps(2, shuffle=False)[:6], [1.5, 6, 8.5, 1.5, 6, 8.5], rtol=1e-15)
    shuffled = steps(1)
    assert sorted(shuffled[:5]) == [1, 2, 4, 8, 16]
    assert shuffled.tolist() != steps(1, shuffle=False).tolist()


# ---- annealed noise


def test_annealed_noise_is_the_same_draw_made_smaller():
    flat = surface(register=False, start=(0.0, 0.0), name="flat")(lambda x: jnp.sum(x) * 0.0)
    steady = of(flat, rate=1.0, steps=50, noise=0.5)
    annealed = of(flat, rate=1.0, steps=50, noise=0.5, noise_decay=0.55)
    first, second = (np.diff(trace(program)[0].x, axis=0) for program in (steady, annealed))
    # Neelakantan et al. 2015, equation 1: variance η / (1 + t)^γ, t from 0
    shrinks = (1.0 + np.arange(50)) ** (-0.55 / 2)
    np.testing.assert_allclose(second, first * shrinks[:, None], rtol=1e-12, atol=1e-13)


def test_noise_decay_is_an_axis_like_noise():
    spec = {"surface": "ellipse", "solver": "sgd", "learning_rate": 0.001, "steps": 5}
    result = gdbench.sweep({**spec, "noise": [0.1, 0.2], "noise_decay": [0.0, 0.5]}, plots=False)
    pairs = list(zip(result.runs["surface.noise"], result.runs["surface.noise_decay"], strict=True))
    assert pairs == [(0.1, 0.0), (0.1, 0.5), (0.2, 0.0), (0.2, 0.5)]
    assert result.runs["loss_final"].nunique() == 4
    plain = gdbench.sweep({**spec, "noise": [0.1, 0.2]}, plots=False).runs["loss_final"]
    assert result.runs["loss_final"].tolist()[::2] == plain.tolist()


# ---- early stopping


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(3)
    inputs = generator.normal(size=(24, 6))
    targets = inputs @ generator.normal(size=6) + 2 * generator.normal(size=24)
    return inputs, targets


@pytest.fixture(scope="module")
def neuron(table):
    @surface(register=False, start=np.zeros(6), data=table, name="neuron")
    def made(x, inputs, targets):
        """A linear neuron on a noisy table."""
        return jnp.mean((inputs @ x - targets) ** 2)

    return with_held_out(made, 0.5, 7)


def plain_loop(made, rate, patience, steps):
    """Early stopping as a plain loop: where it stops, the lowest held-out loss and its step."""
    (inputs, targets), (others, wanted) = made.data, made.held_out
    w, lowest, when = np.zeros(inputs.shape[1]), np.inf, 0
    for step in range(steps + 1):
        held_out = np.mean((others @ w - wanted) ** 2)
        if held_out < lowest:
            lowest, when = held_out, step
        if step - when >= patience or step == steps:
            return step, lowest, when
        w = w - rate * 2 * inputs.T @ (inputs @ w - targets) / len(inputs)
    raise AssertionError


def test_held_out_rows_are_a_share_chosen_by_the_seed():
    mask = held_out_rows(100, 0.25, 0)
    assert mask.sum() == 25
    assert (held_out_rows(100, 0.25, 0) == mask).all()
    assert (held_out_rows(100, 0.25, 1) != mask).any()


def test_patience_ends_a_run_where_a_plain_loop_stops(neuron):
    rates = [0.01, 0.03, 0.1]
    program = of(neuron, rate=rates, steps=2000, patience=5)
    records = execute(program)
    for run, rate in enumerate(rates):
        step, lowest, when = plain_loop(neuron, rate, 5, 2000)
        assert step < 2000
        assert records.steps[run] == step
        assert records.status[run] == Status.STOPPED
        assert records.held_out_step[run] == when
        assert records.held_out_loss[run] == pytest.approx(lowest, rel=1e-12)
    # the trace is the run
    assert [len(path.loss) - 1 for path in trace(program)] == records.steps.tolist()
    few = execute(program.take(np.array([2, 0])))
    assert_same_bits(few, records, np.array([2, 0]))


def test_without_patience_the_held_out_loss_is_only_watched(neuron):
    program = of(neuron, rate=0.1, steps=300)
    records = execute(program)
    _, lowest, when = plain_loop(neuron, 0.1, 301, 300)
    assert records.steps.tolist() == [300]
    assert records.held_out_step[0] == when
    assert records.held_out_loss[0] == pytest.approx(lowest, rel=1e-12)


@pytest.fixture(scope="module")
def csv(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv"
    inputs, targets = table
    frame = pd.DataFrame(10 + 3 * inputs, columns=[f"f{i}" for i in range(6)]).assign(y=targets)
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("how", [pytest.param("raw", marks=pytest.mark.slow), "standardize"])
def test_a_table_is_split_before_it_is_prepared(csv, how):
    options = {"data": str(csv), "target": "y", "preprocess": [how], "holdout": 0.25, "learning_rate": 1e-3}
    result = gdbench.run([], "sgd", **options, steps=3000, patience=2000, plots=False)
    row = result.runs.iloc[0]
    frame = pd.read_csv(csv)
    mask = held_out_rows(24, 0.25, 0)
    inputs, targets = frame.drop(columns="y").to_numpy(), frame["y"].to_numpy()
    if how == "standardize":
        inputs = (inputs - inputs[~mask].mean(axis=0)) / inputs[~mask].std(axis=0)
    inputs = np.column_stack([inputs, np.ones(24)])
    best = np.linalg.lstsq(inputs[~mask], targets[~mask])[0]
    floor = np.mean((inputs[~mask] @ best - targets[~mask]) ** 2)
    assert row["loss_final"] - row["gap"] == pytest.approx(floor, rel=1e-9)
    # the iterate at the lowest held-out loss, in numpy
    w, losses = np.zeros(7), []
    for _ in range(int(row["steps"]) + 1):
        losses.append(np.mean((inputs[mask] @ w - targets[mask]) ** 2))
        w = w - 1e-3 * 2 * inputs[~mask].T @ (inputs[~mask] @ w - targets[~mask]) / (~mask).sum()
    assert row["held_out_loss"] == pytest.approx(min(losses), rel=1e-9)
    assert row["held_out_step"] == int(np.argmin(losses))
    assert row["surface.holdout"] == 0.25


@pytest.mark.slow
def test_early_stopping_in_a_sweep_with_mini_batches(csv):
    spec = {"data": str(csv), "target": "y", "preprocess": "standardize", "solver": ["sgd", "adam"], "steps": 2000}
    more = {"holdout": 0.25, "patience": [20, 200], "batch_size": 4, "learning_rate": [0.01, 0.1], "seeds": 2}
    runs = gdbench.sweep({**spec, **more}, plots=False).runs
    assert set(runs["status"].astype(str)) <= {"stopped", "reached", "budget"}
    stopped = runs[runs["status"] == "stopped"]
    assert len(stopped) > 4
    waited = stopped["steps"].astype(float) - stopped["held_out_step"].astype(float)
    assert (waited == stopped["surface.patience"].astype(float)).all()


def test_a_surface_may_have_batch_sizes_of_its_own():
    same = {"solver": "sgd", "learning_rate": 0.2, "shuffle": False, "steps": 20}
    own = {**same, "surface": {"contradictory": {"batch_size": [1, 2]}, "ellipse": None}}
    alone = {**same, "surface": "contradictory", "batch_size": [1, 2]}
    runs, expected = (gdbench.sweep(spec, plots=False).runs for spec in (own, alone))
    assert list(runs["problem"].astype(str)) == ["contradictory batch_size=1", "contradictory batch_size=2", "ellipse"]
    assert runs["surface.shuffle"].astype("boolean").tolist() == [False, False, pd.NA]
    # the cycle of two steps that plain descent ends in: 1/(1 - lr) after the target 2
    assert runs["loss_final"][0] == pytest.approx((1 / 0.8 - 1) ** 2 + 1, rel=1e-3)  # 20 steps: 0.6^20 from the cycle
    pd.testing.assert_series_equal(runs["loss_final"][:2], expected["loss_final"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"patience": 5}, "patience needs holdout"),
        ({"noise_decay": 0.5}, "noise_decay needs noise"),
        ({"shuffle": False}, "shuffle needs batch_size"),
        ({"holdout": 0.2}, "surface 'ellipse' has no examples to hold out"),
        ({"holdout": 1.0}, "holdout must be below 1, not 1.0"),
        ({"surfaces": "scaled", "holdout": 0.1}, "surface 'scaled': a share of 0.1 of 2 examples leaves none held out"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(UsageError) as caught:
        gdbench.run(options.pop("surfaces", "ellipse"), "sgd", **options)
    assert sentence in str(caught.value)
