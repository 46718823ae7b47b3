"""Failures that theory predicts: the named experiments in `configs/` end as they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gdbench
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import values
from gdbench.theory import rate_notes
from gdbench.theory.drift import drifts

CONFIGS = Path(__file__).parents[1] / "configs"


def swept(name, **overrides):
    return gdbench.sweep(CONFIGS / f"{name}.yaml", plots=False, **overrides)


def paths(result):
    """The iterates of every drawn run of one weight, by solver and steps."""
    runs = result.runs.set_index("run")
    drawn = result.trajectory.groupby("run")["x0"]
    return {(str(runs.loc[run, "solver"]), int(runs.loc[run, "steps"])): path.to_numpy() for run, path in drawn}


# ---- heavy ball


def test_three_cycle_has_the_gradient_of_the_paper():
    x = np.array([-3.0, 0.5, 0.999, 1.0, 1.5, 1.999, 2.0, 3.3])
    step = 1e-6
    made = SURFACES["three-cycle"]
    quotient = (values(made, (x + step)[:, None]) - values(made, (x - step)[:, None])) / (2 * step)
    wanted = np.select([x < 1, x < 2], [25 * x, x + 24], 25 * x - 24)
    # rounding of f over the step
    np.testing.assert_allclose(quotient, wanted, rtol=1e-5)


def test_heavy_ball_ends_in_the_cycle_and_the_others_arrive():
    result = swept("heavy-ball-cycle")
    status = dict(zip(result.table["solver"], result.table["status"], strict=True))
    assert status == {"momentum": "budget", "sgd": "reached", "nesterov": "reached"}
    notes = result.table.set_index("solver")["rate_note"]
    assert notes["momentum"] == rate_notes.CYCLE
    path = paths(result)["momentum", 1000]
    last = path[-3:]
    cycle = np.array([792.0, -2208.0, 2592.0]) / 1225
    place = int(np.argmin(np.abs(last - cycle[0])))
    np.testing.assert_allclose(np.roll(last, -place), cycle, rtol=1e-12)
    assert path[0] == 3.3


# ---- Rprop


def test_rprop_runs_away_where_sgd_stands_still():
    found = paths(swept("rprop-mini-batches"))
    assert abs(found["sgd", 10][-1]) < 1e-15
    assert abs(found["sgd", 100][-1]) < 1e-14
    # nine steps growing by 1.2 and one back of half the last
    down, back = 0.1 * (1.2**9 - 1) / 0.2, 0.1 * 1.2**8 / 2
    assert found["rprop", 10][-1] == pytest.approx(back - down, rel=1e-12)
    assert found["rprop", 10][-1] == pytest.approx(-1.865, abs=5e-4)  # as the course prints it
    assert found["rprop", 100][-1] < -25
    assert np.abs(found["rmsprop", 100]).max() < 0.05


# ---- Adagrad


def test_only_diagonal_adagrad_sees_a_rotation():
    table = swept("adagrad-rotation").table.assign(angle=lambda frame: frame["problem"].astype(str))
    steps = {name: rows["steps_to_target"].tolist() for name, rows in table.groupby("solver")}
    assert len(set(steps["adagrad-full"])) == 1
    assert steps["adagrad"] == sorted(set(steps["adagrad"]))
    assert steps["adagrad"][0] <= steps["adagrad-full"][0]
    assert steps["adagrad"][1] > 10 * steps["adagrad-full"][1]


def test_full_matrix_adagrads_iterates_turn_with_the_surface():
    result = swept("adagrad-rotation", solver=["adagrad-full"], steps=12)
    weights = ["x0", "x1"]
    straight, *turned = (path[weights].to_numpy() for _, path in result.trajectory.groupby("run"))
    for angle, path in zip((15, 30, 45), turned, strict=True):
        turn = np.deg2rad(angle)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        # square roots of a matrix lose some digits
        np.testing.assert_allclose(path, straight @ matrix.T, rtol=1e-9, atol=1e-9)


# ---- Adam


def reddis_example(largest, steps):
    """The iterates of Adam without a first moment on Reddi's line in numpy; `largest` makes it AMSGrad."""
    x, square, most, found = 0.0, 0.0, 0.0, [0.0]
    for t in range(1, steps + 1):
        slope = 3.0 if t % 3 == 1 else -1.0
        square = 0.1 * square + 0.9 * slope**2
        # Adam corrects for the start at zero, AMSGrad of the paper does not
        most = max(most, square) if largest else square / (1 - 0.1**t)
        x = float(np.clip(x - 0.5 / np.sqrt(t) * slope / (np.sqrt(most) + (0 if largest else 1e-8)), -1, 1))
        found.append(x)
    return np.array(found)


def test_adam_ends_at_the_worst_point_and_amsgrad_at_the_best():
    result = swept("adam-nonconvergence")
    status = dict(zip(result.table["solver"], result.table["status"], strict=True))
    assert status == {"adam": "budget", "amsgrad": "reached"}
    found = {solver: path for (solver, _), path in paths(result).items()}
    assert found["adam"][-1] > 0.9
    assert found["amsgrad"][-1] == -1
    for solver, path in found.items():
        plain = reddis_example(solver == "amsgrad", len(path) - 1)
        np.testing.assert_allclose(path, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_a_minimum_at_infinity_is_never_reached():
    result = swept("minimum-at-infinity")
    runs, table = result.runs.set_index("solver"), result.table.set_index("solver")
    assert table["status"].to_dict() == {"sgd": "reached", "rmsprop": "budget", "adam": "budget"}
    assert table["message"]["sgd"] == ""
    infimum = 14.203125 - 13.875**2 / 14
    paths = result.trajectory.set_index("run")
    for solver in ("rmsprop", "adam"):
        path = paths.loc[runs["run"][solver]]
        assert infimum < path["loss"].iloc[-1] < 0.6
        assert path["x0"].iloc[-1] < -9
        assert abs(path["x1"].iloc[-1] - 1) < 0.15
        # it has not come to rest
        assert path["x0"].iloc[-1] < path["x0"].iloc[-1000] < path["x0"].iloc[-2000]
        assert table["message"][solver].startswith("drifts off")


def walk(way, steps=400):
    """Iterates along the first of two weights, away from a minimiser at 0, and a falling loss."""
    k = np.arange(steps + 1)
    return np.column_stack([way(k), np.zeros(steps + 1)]), 1 + 1 / (1 + k)


@pytest.mark.parametrize(
    ("way", "drifting"),
    [
        (lambda k: np.log(1 + k), True),
        (lambda k: 0.1 * k, True),
        (lambda k: 0.2 * np.log(1 + k), False),  # within the box
        (lambda k: 5 - 4 * 0.99**k, False),  # towards 5
        (lambda k: 20 - np.log(1 + k), False),  # towards the minimiser
        (lambda k: 3 + np.sin(k), False),  # to and fro
    ],
)
def test_what_drifts_off(way, drifting):
    x, loss = walk(way)
    box = np.full(2, -2.0), np.full(2, 2.0)
    assert drifts(x, loss, np.zeros((1, 2)), *box) == drifting
    assert not drifts(x, loss[::-1], np.zeros((1, 2)), *box), "its loss rises"
    assert not drifts(x, loss, np.zeros((0, 2)), *box), "no minimiser is known"
