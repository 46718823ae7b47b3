"""The files in configs/: each runs, at small size, and its table says what its first lines promise."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gdbench.cli.app import call
from gdbench.surfaces import SURFACES
from gdbench.surfaces.data.dataset import design_matrix, load
from gdbench.surfaces.data.preprocessing import preprocess
from gdbench.surfaces.facts import facts_of

CONFIGS = Path(__file__).parent.parent / "configs"
COURSE = ["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam"]


def small(name, *flags):
    """Sweep `configs/NAME.yaml` with `flags`; its runs and its table."""
    assert call(["sweep", str(CONFIGS / f"{name}.yaml"), "--quiet", "--no-plots", *flags]) == 0
    return read(name)


def read(name):
    folder = Path("results") / name
    return tuple(
        pd.read_csv(folder / file, keep_default_na=False, na_values=[""]) for file in ("runs.csv", "table.csv")
    )


def files_run(source):
    """Return the names of the files in configs/ that the tests in `source` run: by a helper above, or by path."""
    names = set()
    for test in ast.parse(source).body:
        for node in ast.walk(test) if isinstance(test, ast.FunctionDef) else ():
            match node:
                case ast.Call(func=ast.Name("small" | "run_and_swept" | "swept"), args=[ast.Constant(name), *_]):
                    names.add(name)
                case ast.BinOp(left=ast.Name("CONFIGS"), right=ast.Constant(name)):
                    names.add(name.removesuffix(".yaml"))
    return names


def test_every_file_has_its_test():
    assert files_run("LIST = ['a']\ndef test_a(): assert small('b') == swept(CONFIGS / 'c.yaml', 'd')") == {"b", "c"}
    run = {name for file in Path(__file__).parent.rglob("test_*.py") for name in files_run(file.read_text())}
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == run
    for path in CONFIGS.glob("*.yaml"):
        assert path.read_text().startswith("# "), f"{path.name} says what it is for"


@pytest.mark.slow
def test_quick(here, capsys):
    runs, table = small("quick", "--set", "learning_rate.num=6", "--set", "starts=2", "--set", "steps=400")
    problems = ["ellipse condition=10", "ellipse condition=100", "multi-minima"]
    assert set(zip(table["problem"], table["solver"], strict=True)) == {
        (problem, solver) for problem in problems for solver in ("sgd", "momentum", "adam")
    }
    assert len(runs) == 3 * (1 + 2 + 1) * 6 * 2
    assert set(runs.loc[runs["solver"] == "momentum", "momentum"]) == {0.5, 0.9}
    assert {"steps_at_1e-1", "steps_at_1e-3", "steps_at_1e-6"} <= set(table.columns)
    assert (table["success"] > 0).sum() >= 6
    assert "ellipse condition=100" in capsys.readouterr().out


@pytest.mark.slow
def test_momentum_map(here):
    flags = ["--set", "set.momentum.num=21", "--set", "learning_rate.num=41", "--set", "starts=2", "--set", "steps=600"]
    runs, table = small("momentum-map", *flags)
    assert len(runs) == 2 * 2 * 21 * 41 * 2
    table = table.set_index(["problem", "solver"])
    rate, momentum = runs["learning_rate"], runs["momentum"]
    for condition in (10, 100):
        curvature = np.linalg.eigvalsh(facts_of(SURFACES["ellipse"].with_parameters(condition=condition)).hessians[0])
        low, high = curvature[0], curvature[-1]
        assert high / low == pytest.approx(condition)
        # Polyak 1964: the heavy ball is fastest at m* = ((sqrt k - 1) / (sqrt k + 1))^2, a = (1 + sqrt m*)^2 / L, where
        # each step shrinks the distance by sqrt m*
        optimum = ((np.sqrt(condition) - 1) / (np.sqrt(condition) + 1)) ** 2
        best = table.loc[f"ellipse condition={condition}", "momentum"]
        assert best["success"] == 1
        # the map has a momentum every 0.05 and four rates in each doubling, and its optimum is flat
        assert best["momentum"] == pytest.approx(optimum, abs=0.11)
        assert best["learning_rate"] == pytest.approx((1 + np.sqrt(optimum)) ** 2 / high, rel=0.35)
        # 1e-6 of the loss at sqrt m* a step; the double eigenvalue costs a factor k at first
        ideal = np.log(1e-6) / np.log(optimum)
        assert ideal <= best["steps_to_target"] <= 2 * ideal
        # no solver without momentum comes near: k / 2 steps for each factor e of the loss, at the best
        plain = runs[(runs["surface.condition"] == condition) & (momentum == 0) & (runs["solver"] == "momentum")]
        assert plain["steps_to_target"].min() > 1.2 * best["steps_to_target"]
        # the edge of convergence: 2 (1 + m) / L of the heavy ball, 2 (1 + m) / (L (1 + 2 m)) of Nesterov's method
        for solver, edge in (
            ("momentum", 2 * (1 + momentum) / high),
            ("nesterov", 2 * (1 + momentum) / (high * (1 + 2 * momentum))),
        ):
            own = (runs["surface.condition"] == condition) & (runs["solver"] == solver)
            beyond = runs[own & (rate > 1.001 * edge)]
            inside = runs[own & (rate < 0.9 * edge)]
            assert len(beyond) > 100
            assert len(inside) > 100
            assert not (beyond["status"] == "reached").any()
            assert (beyond["loss_final"] > beyond["loss_start"]).mean() > 0.9
            assert not (inside["status"] == "diverged").any()
            assert (inside["loss_final"] < inside["loss_start"]).all()


@pytest.mark.slow
def test_scale_and_center(here, capsys):
    _, table = small("scale-and-center", "--set", "rates.num=13", "--set", "starts=2", "--set", "steps=2000")
    out = capsys.readouterr().out
    surfaces = ["unscaled", "scaled", "uncentered", "centered"]
    surfaces += [f"wine-{how}" for how in ("raw", "center", "scale", "standardize")]
    assert list(dict.fromkeys(table["problem"])) == surfaces
    assert (table.groupby("problem")["solver"].agg(list) == pd.Series([COURSE] * 8, sorted(surfaces))).all()
    condition = table.drop_duplicates("problem").set_index("problem")["condition_number"]
    assert condition["unscaled"] == pytest.approx(1e4)
    assert condition["scaled"] == pytest.approx(1)
    assert condition["uncentered"] > 100 * condition["centered"]
    wine = load("sklearn:wine", None)
    for how in ("raw", "center", "scale", "standardize"):
        # E is a mean of squares: its Hessian is 2 X'X / N
        singular = np.linalg.svd(design_matrix(preprocess(wine, how)), compute_uv=False)
        assert condition[f"wine-{how}"] == pytest.approx((singular[0] / singular[-1]) ** 2, rel=1e-6)
    assert condition["wine-standardize"] < min(condition[f"wine-{how}"] for how in ("raw", "center", "scale")) / 10
    steps = table.set_index(["problem", "solver"])["steps_to_target"]
    for mended, left in (("scaled", "unscaled"), ("centered", "uncentered"), ("wine-standardize", "wine-raw")):
        assert steps[mended, "sgd"] < steps[left, "sgd"] / 3
        assert np.isfinite(steps[mended, "sgd"])
    assert "Condition number at the minimum" in out


@pytest.mark.slow
def test_course(here):
    flags = ["--set", "tune.trials=8", "--set", "tune.holdout_starts=3", "--set", "starts=2", "--set", "steps=1000"]
    runs, table = small("course", *flags)
    problems = set(table["problem"])
    named = {problem.partition(" ")[0] for problem in problems}
    prepared = {f"wine-{how}" for how in ("raw", "center", "scale", "standardize", "whiten")}
    formulas = "long-valley plateau saddle monkey-saddle himmelblau rastrigin rosenbrock beale double-well".split()
    neurons = "unscaled scaled uncentered centered contradictory multi-minima backprop ellipse".split()
    assert named == {*formulas, *neurons, *prepared}
    assert {"contradictory batch_size=1", "contradictory batch_size=2", "ellipse condition=10"} <= problems
    assert len(table) == len(problems) * len(COURSE) == 24 * 6
    assert len(runs) == 24 * 6 * 8 * 5
    assert set(table["trials"]) == {8}
    assert set(table["tuning_runs"]) == {8 * 2}
    assert set(table["tuning_starts"]) == {2}
    assert set(table["starts"]) == {3}
    assert table["success"].mean() > 0.3
    scores = pd.read_csv("results/course/scores.csv")
    assert set(scores["solver"]) == set(COURSE)


def run_and_swept(name):
    """A configuration of `gdbench run`, run and swept, both at small size: the run's runs and table."""
    flags = ["--rates", "1e-3,1,7", "--steps", "300", "--no-plots"]
    assert call(["run", "--config", str(CONFIGS / f"{name}.yaml"), *flags, "--name", "run"]) == 0
    swept, _ = small(name, "--set", "rates={low: 1e-3, high: 1, num: 7}", "--set", "steps=300")
    runs, table = read("run")
    shared = [name for name in runs.columns if name not in ("rate_observed", "rate_predicted", "message")]
    pd.testing.assert_frame_equal(swept[shared], runs[shared], check_exact=True, check_dtype=False)
    return runs, table


@pytest.mark.slow
def test_gallery(here):
    runs, table = run_and_swept("gallery")
    lessons = ["ellipse", "unscaled", "uncentered", "multi-minima"]
    assert set(zip(table["problem"], table["solver"], strict=True)) == {(p, s) for p in lessons for s in COURSE}
    assert len(runs) == 4 * 6 * 7
    assert set(table["trials"]) == {7}


@pytest.mark.slow
def test_wine(here):
    runs, table = run_and_swept("wine")
    ways = [f"wine-{how}" for how in ("raw", "center", "scale", "standardize")]
    assert len(runs) == 4 * 3 * 7
    condition = table.drop_duplicates("problem").set_index("problem")["condition_number"]
    assert list(condition.index) == ways
    assert condition["wine-standardize"] < condition["wine-center"] < condition["wine-raw"]
    losses = table.set_index(["problem", "solver"])["loss_final"]
    assert losses["wine-standardize", "sgd"] < losses["wine-raw", "sgd"]


@pytest.mark.slow
def test_moons(here):
    flags = ["--set", "solver=[sgd, momentum]", "--set", "learning_rate=[0.01, 0.5]", "--set", "seeds=2"]
    runs, table = small("moons", *flags, "--set", "steps=300")
    assert len(runs) == 2 * 2 * 2
    assert set(runs["surface.batch_size"]) == {15}
    assert set(runs["surface.holdout"]) == {0.25}
    # a line has the moons right but for their horns
    assert ((table["test_accuracy"] > 0.8) & (table["test_accuracy"] < 1)).all()
    # the loss has a minimum, and mini-batches come near it
    assert (table["success"] > 0).all()
    assert (runs.loc[runs["status"] == "reached", "distance"] < 3).all()
    steps = table.set_index("solver")["steps_to_target"]
    assert steps["momentum"] < steps["sgd"]


@pytest.mark.slow
def test_ruder(here, capsys):
    assert call(["sweep", str(CONFIGS / "ruder.yaml"), "--dry-run", "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    named = [(block["surface"], block["solver"]) for block in blocks]
    pairs = {(surface, solver) for surface in ("beale", "long-valley", "saddle") for _, solver in named}
    assert len(pairs) >= 3 * 24
    assert set(named) == pairs
    few = "[sgd, momentum, adagrad, adam, newton]"  # all of them compile for minutes
    runs, table = small("ruder", "--set", f"solver={few}", "--set", "rates.num=9", "--set", "steps=600")
    table = table.set_index(["problem", "solver"])
    # Newton's method goes to where the gradient vanishes, here two saddles; where the valley's slope is all but
    # constant, it goes |x0|³ / width² far
    newton = runs[runs["solver"] == "newton"].set_index("surface")
    assert newton["status"].to_dict() == {"beale": "stationary", "long-valley": "diverged", "saddle": "stationary"}
    assert newton.loc["beale", "loss_final"] == pytest.approx(14.203125, rel=1e-9)  # Beale's function at (0, 1)
    # along the valley plain descent needs more than |x0| / (rate slope) steps, with rates below 2 / steep
    steps = table["steps_to_target"]
    assert steps["long-valley", "sgd"] > 8 / (0.1 * 0.2)
    assert steps["long-valley", "momentum"] < steps["long-valley", "sgd"] / 3
    assert steps["long-valley", "adam"] < steps["long-valley", "sgd"] / 3
    # it leaves the saddle at the largest rate, by the factor 1 + 2 lr a step
    rate = table.loc[("saddle", "sgd"), "learning_rate"]
    assert rate == pytest.approx(0.12)
    assert steps["saddle", "sgd"] == np.floor(np.log(1000) / np.log(1 + 2 * rate)) + 1
    assert steps["saddle", "adam"] < steps["saddle", "momentum"] < steps["saddle", "sgd"]
    assert call(["animate", "results/ruder", "--seconds", "0.5"]) == 0
    assert Path("results/ruder/animation.gif").exists()
