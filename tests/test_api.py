"""gdbench from Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import gdbench
from gdbench.results.folder import read_frames

FEW = {"rates": {"low": 1e-3, "high": 1.0, "num": 8}, "steps": 300}


def test_run_gives_frames_and_figures():
    result = gdbench.run(["ellipse", "double-well"], ["sgd", "adam"], **FEW)
    assert len(result.runs) == 2 * 2 * 8
    assert list(result.table["solver"]) == ["sgd", "adam"] * 2
    assert set(result.trajectory["run"]) <= set(result.runs["run"])
    assert {"trajectory.png", "convergence.png", "sensitivity.png", "profile.png"} <= set(result.figures())
    assert result.failure == ""


def test_the_callers_jax_configuration_is_left_alone():
    before = {name: getattr(jax.config, name) for name in ("jax_enable_x64", "jax_compilation_cache_dir")}
    gdbench.run(["ellipse"], ["sgd"], **FEW)
    assert {name: getattr(jax.config, name) for name in before} == before
    assert jnp.ones(1).dtype == jnp.float32 or before["jax_enable_x64"]


def test_objects_that_are_registered_nowhere():
    @gdbench.surface(start=(2.0, 1.0), minimisers=[(0.0, 0.0)], register=False)
    def bowl(x, *, steep=3.0):
        return jnp.sum(x**2) + steep * x[1] ** 2

    @gdbench.solver(register=False)
    def half_step(oracle, x, *, learning_rate):
        return x - 0.5 * learning_rate * oracle.grad(x)

    result = gdbench.run([bowl], [half_step, "sgd"], **FEW, param={"steep": 4.0})
    assert set(result.runs["surface.steep"]) == {4.0}
    # half the step at twice the rate is the same run
    halves = gdbench.run([bowl], [half_step], learning_rate=0.1).runs
    wholes = gdbench.run([bowl], ["sgd"], learning_rate=0.05).runs
    assert halves["steps"].tolist() == wholes["steps"].tolist()
    assert "bowl" not in gdbench.SURFACES


@pytest.mark.slow
def test_saved_frames_read_back_exactly(tmp_path):
    result = gdbench.run(["ellipse", "double-well"], ["sgd", "momentum"], out=tmp_path / "r", starts=2, **FEW)
    again = read_frames(tmp_path / "r")
    for name in ("runs", "table", "trajectory", "curves"):
        ours, theirs = getattr(result, name), getattr(again, name)
        assert list(ours.columns) == list(theirs.columns)
        for column in ours.columns:
            if pd.api.types.is_numeric_dtype(ours[column]):
                left, right = (frame[column].astype("Float64").to_numpy(float, np.nan) for frame in (ours, theirs))
                np.testing.assert_array_equal(left, right, err_msg=f"{name}.{column}")
    for surface, parts in result.contours.items():
        np.testing.assert_array_equal(parts["loss"], again.contours[surface]["loss"])


def test_the_same_starts_for_every_solver_and_every_selection():
    both = gdbench.run(["double-well", "ellipse"], ["sgd", "adam"], starts=4, seed=3, **FEW).runs
    one = gdbench.run(["ellipse"], ["adam"], starts=4, seed=3, **FEW).runs
    picked = both[both["surface"] == "ellipse"]
    for solver in ("sgd", "adam"):
        rows = picked[picked["solver"] == solver]
        assert sorted(rows["start.0"].unique()) == sorted(one["start.0"].unique())
    same = picked[picked["solver"] == "adam"].reset_index(drop=True)
    pd.testing.assert_series_equal(same["loss_final"], one["loss_final"])


def test_wrong_requests_raise_what_the_command_line_prints():
    with pytest.raises(gdbench.GdbenchError, match="did you mean 'ellipse'"):
        gdbench.run(["elipse"], ["sgd"])
    with pytest.raises(gdbench.GdbenchError, match="unknown key 'step'; did you mean 'steps'"):
        gdbench.run(["ellipse"], ["sgd"], step=3)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_for_speed")
def test_data_set_preprocessed(here):
    rows = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 50.0, 1.0] + [0.0, 0.0, 30.0]
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    frame["y"] = 2 * frame["a"] - frame["b"] + frame["c"] + 1
    frame.to_csv("t.csv", index=False)
    how = ["raw", "center", "scale", "standardize"]
    result = gdbench.run(solvers=["sgd", "momentum"], data="t.csv", target="y", preprocess=how)
    table = result.table
    assert list(table["problem"].unique()) == [f"t-{name}" for name in how]
    condition = table.drop_duplicates("problem").set_index("problem")["condition_number"]
    inputs = np.column_stack([rows, np.ones(200)])
    assert condition["t-raw"] == pytest.approx(np.linalg.cond(inputs) ** 2, rel=1e-6)
    assert condition["t-standardize"] < 2
    steps = table.set_index(["problem", "solver"])["steps_to_target"]
    assert steps["t-standardize", "sgd"] < 50
    assert steps["t-raw", "sgd"] > 50 * steps["t-standardize", "sgd"]
