"""The numbers that a reader can look up: steps to E <= 1e-6 in float64, at rates that theory gives."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.programs import program_of, status_of, steps_to_target

import gdbench
from gdbench.engine.stream import execute
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of

ABSOLUTE = {"rtol": 0.0, "atol": 1e-6}


def heavy_ball(low, high):
    """Polyak's optimal rate and momentum for eigenvalues from `low` to `high`."""
    a, b = np.sqrt(low), np.sqrt(high)
    return 4 / (a + b) ** 2, ((b - a) / (b + a)) ** 2


@pytest.mark.parametrize(
    ("solver", "rate", "settings", "steps"),
    [
        ("sgd", 2 / 101, {}, 444),
        ("momentum", 4 / 11**2, {"momentum": (9 / 11) ** 2}, 69),
        ("nesterov", 0.01, {"momentum": 9 / 11}, 84),
        ("rmsprop", 0.01, {}, 137),
        ("adagrad", 0.5, {}, 16),
        ("adam", 0.1, {}, 82),
    ],
)
def test_ellipse(solver, rate, settings, steps):
    program = program_of("ellipse", solver, rate, param={"condition": 100.0}, steps=1000, **ABSOLUTE, **settings)
    assert program.starts.tolist() == [[1.0, 1.0]]
    assert steps_to_target(program) == steps


RATIO = np.sqrt(200 / 0.02)
BALL_RATE, BALL_MOMENTUM = heavy_ball(0.02, 200.0)


@pytest.mark.parametrize(
    ("solver", "rate", "settings", "steps"),
    [
        ("sgd", 2 / 200.02, {}, 36272),
        ("sgd", 1 / 200, {}, 69075),
        ("momentum", BALL_RATE, {"momentum": BALL_MOMENTUM}, 708),
        ("nesterov", 1 / 200, {"momentum": (RATIO - 1) / (RATIO + 1)}, 919),
    ],
)
def test_unscaled(solver, rate, settings, steps):
    program = program_of("unscaled", solver, rate, starts=[0.0, 0.0], steps=100_000, **ABSOLUTE, **settings)
    assert steps_to_target(program) == steps


def test_the_whole_way_by_the_public_function():
    result = gdbench.run(["ellipse"], ["adam"], learning_rate=0.1, rtol=0.0, atol=1e-6)
    assert result.runs["status"].tolist() == ["reached"]
    assert result.runs["steps_to_target"].tolist() == [82]
    assert result.runs["loss_final"].iloc[0] <= 1e-6 < result.trajectory["loss"].iloc[-2]


@pytest.mark.parametrize("surface", ["scaled", "centered"])
def test_a_circle_takes_sgd_one_step(surface):
    assert steps_to_target(program_of(surface, "sgd", 0.5, starts=[0.0, 0.0], **ABSOLUTE)) == 1


def test_double_well_momentum_rolls_past_the_nearer_well():
    result = gdbench.run(["double-well"], ["sgd", "momentum", "nesterov"], learning_rate=0.01, start=[2.0], rtol=1e-12)
    runs = result.runs.set_index("solver")
    assert runs["start.0"].tolist() == [2.0] * 3
    ends = result.trajectory.groupby("run")["x0"].last()
    # the published digits
    assert [round(x, 4) for x in ends[runs["run"]]] == [0.9601, -1.0356, -1.0356]
    assert runs["minimum"].tolist() == [1, 0, 0]
    assert runs.loc["sgd", "status"] == "stationary"
    assert runs.loc[["momentum", "nesterov"], "status"].tolist() == ["reached", "reached"]
    assert runs.loc["sgd", "gap"] > 0.5


QUADRATICS = {
    # largest eigenvalue of the Hessian, by hand: of the neurons 2 λ(mean of i iᵀ)
    "ellipse": 100.0,
    "unscaled": 200.0,
    "scaled": 2.0,
    "uncentered": float(np.linalg.eigvalsh(np.array([[101.0, 101.0], [101.0, 99.0]]).T @ [[101, 101], [101, 99]])[-1]),
    "centered": 2.0,
}


@pytest.mark.parametrize("name", QUADRATICS)
def test_sgd_is_stable_up_to_two_over_the_largest_eigenvalue(name):
    largest = QUADRATICS[name]
    eigenvalues = np.linalg.eigvalsh(facts_of(SURFACES[name]).hessians[0])
    assert eigenvalues[-1] == pytest.approx(largest, rel=1e-12)
    # the slow direction shrinks by 1 - 2/k a step: 1e-6 takes about 7 k/2 steps, for k = 40 000 too
    program = program_of(name, "sgd", np.array([0.99, 1.01]) * 2 / largest, steps=400_000, rtol=1e-6)
    records = execute(program)
    assert status_of(records) == ["reached", "diverged"]
    assert records.loss_final[0] <= 1e-6 * records.loss_start[0]
    assert records.loss_final[1] > 1e6 * (1 + records.loss_start[1])


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_for_speed")
def test_rates_per_weight_cure_what_lies_along_the_axes_and_nothing_else():
    result = gdbench.run(
        ["uncentered", "unscaled"], ["adagrad", "rmsprop", "momentum"], steps=30_000, rtol=1e-6, plots=False
    )
    status = result.table.set_index(["surface", "solver"])["status"]
    assert status["uncentered", "momentum"] == "reached"
    assert status["uncentered", "adagrad"] != "reached"
    assert status["uncentered", "rmsprop"] != "reached"
    assert status["unscaled", "adagrad"] == status["unscaled", "rmsprop"] == "reached"
    # not by one unlucky rate: none of the grid does
    runs = result.runs[(result.runs["surface"] == "uncentered") & (result.runs["solver"] != "momentum")]
    assert len(runs) == 128
    assert not (runs["status"] == "reached").any()
