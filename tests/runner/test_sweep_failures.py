"""One bad value stops nobody else: rows say what is wrong, the rest stands, and the end of the sweep tells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gdbench.cli.app import call
from gdbench.cli.sentences import budget_sentence
from gdbench.planning.plan import make_sweep_plan
from gdbench.results import derive
from gdbench.spec.sweep import SweepSpec

PLUGIN = """
import jax.numpy as jnp
import numpy as np

import gdbench


@gdbench.surface(start=(1.0, 1.0), minimisers=lambda dimension, c: np.zeros((1, 2)))
def holed(x, *, c=1.0):
    return jnp.where(jnp.all(x == 0) & (c > 5), jnp.nan, jnp.sum(x * x))


def _points(dimension, c):
    if c > 5:
        raise ValueError("bad c")
    return np.zeros((1, 2))


@gdbench.surface(start=(1.0, 1.0), minimisers=_points)
def moody(x, *, c=1.0):
    return c * jnp.sum(x * x)


@gdbench.solver()
def choosy(oracle, x, *, learning_rate, mode="ok"):
    if mode == "bad":
        raise RuntimeError("bad mode")
    return x - learning_rate * oracle.grad(x)
"""


@pytest.fixture
def plugin(here):
    Path("plug.py").write_text(PLUGIN)
    return here


def sweep(text, *flags):
    Path("f.yaml").write_text(f"plugin: [plug.py]\nlearning_rate: [0.1, 0.2]\nsteps: 50\n{text}")
    return call(["sweep", "f.yaml", "--no-plots", "-q", *flags])


def stored():
    return pd.read_csv("results/f/runs.csv", keep_default_na=False, na_values=[""])


def test_a_surface_that_is_no_number_at_its_minimum_still_runs(plugin):
    assert sweep("surface: {holed: {c: [1, 9]}, ellipse: }\nsolver: [sgd]\nstarts: 2\n") == 0
    runs = stored()
    holed = runs[runs["surface"] == "holed"]
    assert set(holed.loc[holed["surface.c"] == 1, "status"]) == {"reached"}
    # no target is known there, so that no run can reach one
    assert set(holed.loc[holed["surface.c"] == 9, "status"]) == {"budget"}
    assert np.isinf(holed.loc[holed["surface.c"] == 9, "distance"]).all()


def test_one_value_that_fails_leaves_the_others_of_its_surface_alone(plugin, capsys):
    assert sweep("surface: {moody: {c: [1, 9, 2]}}\nsolver: [sgd]\nstarts: 3\n") == 1
    runs = stored()
    assert list(runs["run"]) == list(range(18))
    bad = runs["surface.c"] == 9
    assert set(runs.loc[bad, "status"]) == {"error"}
    assert set(runs.loc[bad, "message"]) == {"surface 'moody' raised ValueError: bad c"}
    assert set(runs.loc[~bad, "status"]) == {"reached"}
    err = capsys.readouterr().err
    assert "6 of 18 runs failed, in 1 of 3 combinations of surface and solver: surface 'moody' raised" in err
    # and they are the runs that they would be alone
    assert sweep("surface: {moody: {c: [1, 2]}}\nsolver: [sgd]\nstarts: 3\n", "--name", "alone") == 0
    alone = pd.read_csv("results/alone/runs.csv")
    pd.testing.assert_frame_equal(
        runs[~bad].drop(columns=["run", "message", "rate_observed", "rate_predicted"]).reset_index(drop=True),
        alone.drop(columns=["run", "message", "rate_observed", "rate_predicted"]),
        check_dtype=False,
    )


def test_runs_that_fail_are_told_though_others_were_chosen(plugin, capsys):
    assert sweep("surface: [scaled]\nsolver: {choosy: {mode: [bad, ok]}}\n") == 1
    assert pd.read_csv("results/f/table.csv")["mode"].tolist() == ["ok"]
    err = capsys.readouterr().err
    assert "2 of 4 runs failed" in err
    assert "raised RuntimeError: bad mode" in err


def test_a_sweep_without_a_shard_says_so(plugin, capsys):
    assert sweep("surface: [ellipse]\nsolver: [sgd]\n") == 0
    for path in Path("results/f/shards").iterdir():
        path.unlink()
    capsys.readouterr()
    for command in ("table", "plot"):
        assert call([command, "results/f"]) == 2
        assert "no finished shard yet" in capsys.readouterr().err


def test_an_unfinished_sweep_is_not_compared(plugin, capsys):
    text = "surface: [ellipse, rosenbrock]\nsolver: [sgd]\nstarts: 3\n"
    assert sweep(text) == 0
    assert sweep(text, "--name", "g") == 0
    stored_runs, _, _ = derive.stored_runs(Path("results/g"))
    stored_runs.files[-1][1].unlink()
    capsys.readouterr()
    assert call(["compare", "results/f", "results/g", "--fail-on-regression"]) == 2
    assert "'results/g' is not finished: 6 of 12 runs are missing" in capsys.readouterr().err
    # what is there is drawn, without pictures of paths that are not known yet
    for name in ("theory.csv", "trajectory.csv", "curves.csv", "contours.npz"):
        (Path("results/g") / name).unlink()
    assert call(["plot", "results/g"]) == 0
    assert "6 of 12 runs are there" in capsys.readouterr().err
    drawn = {path.name for path in Path("results/g").glob("*.png")}
    assert "sensitivity.png" in drawn
    assert not {"trajectory.png", "convergence.png"} & drawn


def test_a_problem_is_compared_with_itself_whatever_it_is_called(plugin, capsys):
    rest = "solver: [sgd]\nstarts: 8\n"
    assert sweep("surface: {ellipse: {condition: [3, 50]}}\n" + rest) == 0
    assert sweep("surface: {ellipse: {condition: 3}}\n" + rest, "--name", "g") == 0
    capsys.readouterr()
    assert call(["compare", "results/f", "results/g"]) == 0
    out = capsys.readouterr().out
    assert "identical" in out
    assert "1 identical" in out


def test_a_budget_is_equal_where_only_surfaces_differ():
    table = pd.DataFrame(
        {"problem": ["a", "a", "b", "b"], "solver": ["s", "t"] * 2, "trials": 8, "tuning_runs": [24, 24, 8, 8]}
    ).assign(tuned=True, tuning_steps=10, tuning_edge="", starts=1)
    assert "equal on each surface: 8 to 24 runs" in budget_sentence(table)
    table.loc[0, "tuning_runs"] = 16
    assert "NOT equal" in budget_sentence(table)


def test_the_plan_says_what_a_row_stands_for(plugin, capsys):
    text = "surface: {ellipse: {dimension: [2, 3]}}\nsolver: {choosy: {mode: [ok, bad]}}\ndtype: [float32, float64]\n"
    assert sweep(text, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "ellipse dimension=3 dtype=float64" in out
    assert "choosy mode=bad" in out
    assert make_sweep_plan(SweepSpec(surface=["ellipse"], solver=["sgd"])).runs == 64
