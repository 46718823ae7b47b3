"""A sweep from its file to its tables: every run has its row, the table follows from the rows, what fails says so."""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.stats import qmc

import gdbench
from gdbench.cli.app import call
from gdbench.columns import COLUMNS
from gdbench.planning.search_space import space_of, trial_points
from gdbench.solvers import SOLVERS
from gdbench.spec.sweep import Range, Rates
from gdbench.surfaces import SURFACES

SMALL = """
surface: {ellipse: {condition: [10, 100]}, double-well: }
solver: {sgd: , momentum: {momentum: [0.5, 0.9]}}
learning_rate: {log: [1e-3, 1], num: 5}
starts: 3
steps: 200
targets: [1e-1, 0.003]
"""
STATUSES = {"reached", "diverged", "stationary", "budget", "error"}


def read(path):
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def sweep(text, *flags, name="a", code=0):
    """Sweep a file as the command line does; the result's folder, and what was printed and said."""
    Path(f"{name}.yaml").write_text(text)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = call(["sweep", f"{name}.yaml", "--quiet", *flags])
    assert found == code, err.getvalue()
    return Path("results") / name, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """`SMALL`, swept once with its pictures: the folder in which it was, what was printed and what was said."""
    with contextlib.chdir(tmp_path_factory.mktemp("small")):
        folder, out, err = sweep(SMALL)
        return Path.cwd() / folder, out, err


def test_every_planned_run_has_its_row(small):
    folder, out, err = small
    runs, table = read(folder / "runs.csv"), read(folder / "table.csv")
    at = ["steps_at_1e-1", "steps_at_0.003"]
    parameters = ["surface.condition", "surface.angle", "surface.dimension", "surface.tilt"]
    assert list(runs.columns) == [
        *COLUMNS,
        *at,
        "learning_rate",
        "convention",
        "momentum",
        *parameters,
        "start.0",
        "start.1",
    ]
    assert runs["run"].tolist() == list(range((2 + 1) * (1 + 2) * 5 * 3))
    assert set(runs["status"]) <= STATUSES
    names = ["surface", "surface.condition", "solver", "learning_rate", "momentum", "start", "seed"]
    assert not runs.duplicated(names).any()
    for column, count in zip(names, (2, 2, 2, 5, 2, 3, 1), strict=True):
        assert len(runs[column].dropna().unique()) == count, column
    assert sorted(runs["learning_rate"].unique()) == sorted(np.geomspace(1e-3, 1, 5))
    # the same starts for every solver and setting
    assert all(len(own["start.0"].unique()) == 1 for _, own in runs.groupby(["surface", "start"]))
    reached = runs["status"] == "reached"
    assert runs.loc[reached, "steps"].equals(runs.loc[reached, "steps_to_target"].astype(int))
    assert runs.loc[~reached, "steps_to_target"].isna().all()
    assert (runs["steps_at_1e-1"] <= runs["steps_at_0.003"]).all()
    parquet = pd.read_parquet(folder / "runs.parquet")
    assert list(parquet.columns) == list(runs.columns)
    for name in runs.columns:
        if pd.api.types.is_numeric_dtype(runs[name]) and name != "message":
            ours = parquet[name].astype(float).to_numpy()
            np.testing.assert_array_equal(ours, runs[name].to_numpy(float), err_msg=name)
    problems = ["ellipse condition=10", "ellipse condition=100", "double-well"]
    assert sorted(zip(table["problem"], table["solver"], strict=True)) == sorted(
        (problem, solver) for problem in problems for solver in ("sgd", "momentum")
    )
    assert json.loads((folder / "manifest.json").read_text())["runs"] == len(runs)
    pictures = {"trajectory.png", "sensitivity.png", "profile.png", "grid.png", "convergence.png"}
    assert pictures <= {path.name for path in folder.iterdir()}
    assert "ellipse condition=100" in out
    assert err.splitlines()[-1] == f"Written to results/{folder.name}"


def test_the_table_follows_from_the_rows(small):
    folder = small[0]
    runs, table = read(folder / "runs.csv"), read(folder / "table.csv")
    runs["steps_to_target"] = runs["steps_to_target"].fillna(np.inf)
    for row in table.itertuples():
        name, _, condition = row.problem.partition(" condition=")
        own = runs[(runs["surface"] == name) & (runs["solver"] == row.solver)]
        own = own[own["surface.condition"] == float(condition)] if condition else own
        settings = ["learning_rate"] if row.solver == "sgd" else ["learning_rate", "momentum"]
        scored = own.groupby(settings).agg(
            reached=("status", lambda status: (status == "reached").sum()),
            steps=("steps_to_target", "median"),
            loss=("loss_final", "median"),
        )
        scored = scored.reset_index().sort_values(
            ["reached", "steps", "loss", "learning_rate"], ascending=[False, True, True, True]
        )
        best = scored.iloc[0]
        assert best["learning_rate"] == row.learning_rate
        assert row.trials == len(scored)
        assert row.tuning_runs == len(own)
        assert row.success == best["reached"] / 3
        assert row.steps_to_target == best["steps"]
        assert row.loss_final == best["loss"]


def test_a_second_time_computes_nothing_and_changes_nothing(small, monkeypatch):
    folder = small[0]
    monkeypatch.chdir(folder.parent.parent)

    def refuse(tasks, **_):
        assert list(tasks) == []
        return iter(())

    monkeypatch.setattr("gdbench.runner.local_threads.execute_tasks", refuse)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "timings.json"}
    sweep(SMALL, "--no-plots")
    # the same by its own configuration
    assert call(["sweep", str(folder / "config.yaml"), "--name", "a", "--no-plots", "--quiet"]) == 0
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_the_configuration_of_a_run_can_be_swept_and_gives_the_same_numbers(here):
    arguments = [
        "-f",
        "ellipse",
        "-f",
        "rosenbrock",
        "-s",
        "momentum",
        "-s",
        "adam",
        "--rates",
        "1e-3,1,6",
        "--seed",
        "4",
    ]
    arguments += ["--set", "momentum=0.8", "--set", "adam.eps=1e-6", "--param", "condition=20", "--starts", "2"]
    arguments += ["--steps", "150", "--rtol", "1e-3", "--noise", "0.01", "--no-plots", "--name", "run"]
    assert call(["run", *arguments]) == 0
    assert call(["sweep", "results/run/config.yaml", "--name", "sweep", "--no-plots", "--quiet"]) == 0
    runs, again = read("results/run/runs.csv"), read("results/sweep/runs.csv")
    # theory is set beside the chosen runs of a sweep, and beside all of a run
    shared = [name for name in runs.columns if name not in ("rate_observed", "rate_predicted")]
    assert len(runs) == 2 * 2 * 6 * 2
    pd.testing.assert_frame_equal(again[shared], runs[shared], check_exact=True, check_dtype=False)
    table, swept = read("results/run/table.csv"), read("results/sweep/table.csv")
    shared = [name for name in swept.columns if name in table.columns]
    assert {"learning_rate", "success", "steps_to_target", "loss_final", "rate_observed"} <= set(shared)
    swept = swept.sort_values(["surface", "solver"], ignore_index=True)
    pd.testing.assert_frame_equal(
        swept[shared], table.sort_values(["surface", "solver"], ignore_index=True)[shared], check_dtype=False
    )


# ---- tuning


TUNED = """
surface: [ellipse, rosenbrock]
solver: [sgd, momentum, adam]
tune: {trials: 6, holdout_starts: 4}
starts: 2
steps: 300
seed: 5
"""


def settings_of(runs):
    names = ["learning_rate", "momentum", "b1", "b2", "eps"]
    return [name for name in names if runs[name].notna().any()]


@pytest.mark.parametrize("metric", ["steps_to_target", "loss_best"])
def test_tuning_chooses_on_some_starts_and_reports_on_others(here, metric):
    folder, out, _ = sweep(TUNED, "--no-plots", "--set", f"tune.metric={metric}")
    runs, table = read(folder / "runs.csv"), read(folder / "table.csv").set_index(["problem", "solver"])
    assert len(runs) == 2 * 3 * 6 * (2 + 4)
    runs["steps_to_target"] = runs["steps_to_target"].fillna(np.inf)
    for (surface, solver), own in runs.groupby(["surface", "solver"]):
        row, names = table.loc[surface, solver], settings_of(own)
        assert len(own[names].drop_duplicates()) == 6
        tuning, held_out = own[own["start"] < 2], own[own["start"] >= 2]
        assert not set(tuning["start.0"]) & set(held_out["start.0"])
        scored = tuning.groupby(names).agg(
            reached=("status", lambda status: (status == "reached").sum()),
            steps=("steps_to_target", "median"),
            final=("loss_final", "median"),
            best=("loss_best", "median"),
        )
        scored = scored.reset_index()
        if metric == "loss_best":
            chosen = scored.sort_values(["best", "reached", "steps"], ascending=[True, False, True]).iloc[0]
        else:
            chosen = scored.sort_values(["reached", "steps", "final"], ascending=[False, True, True]).iloc[0]
        assert [row[name] for name in names] == [chosen[name] for name in names]
        reported = held_out[(held_out[names] == chosen[names].to_numpy(dtype=float)).all(axis=1)]
        assert len(reported) == row["starts"] == 4
        assert row["tuning_starts"] == 2
        assert row["trials"] == 6
        assert row["tuning_runs"] == len(tuning) == 12
        assert row["tuning_success"] == chosen["reached"] / 2
        assert row["tuning_steps_to_target"] == chosen["steps"]
        assert row["success"] == (reported["status"] == "reached").mean()
        assert row["steps_to_target"] == reported["steps_to_target"].median()
        # the mean of the two middle ones, to rounding
        assert row["loss_final"] == pytest.approx(reported["loss_final"].median(), rel=1e-14)
    # the same points on every surface, and starts of which each solver got the same
    for _, own in runs.groupby("solver"):
        names = settings_of(own)
        points = [part[names].drop_duplicates().to_numpy() for _, part in own.groupby("surface")]
        assert np.array_equal(*points)
    assert "6" in out


def test_trials_are_the_sobol_points_of_scipy():
    adam, trials, seed = SOLVERS["adam"], 11, 5
    space = space_of(adam, (), Rates(low=1e-4, high=1.0), {"adam.b2": Range(linear=(0.9, 0.999))})
    assert list(space) == ["learning_rate", "b1", "b2", "eps"]
    points = trial_points(adam, space, trials, seed)
    generator = np.random.default_rng([seed, zlib.crc32(b"adam")])
    unit = qmc.Sobol(4, scramble=True, rng=generator).random(16)[:trials]
    np.testing.assert_allclose(points["learning_rate"], 1e-4 ** (1 - unit[:, 0]))
    np.testing.assert_allclose(1 - points["b1"], 1e-3 ** (1 - unit[:, 1]))
    np.testing.assert_allclose(points["b2"], 0.9 + 0.099 * unit[:, 2])
    np.testing.assert_allclose(points["eps"], 1e-12 * 1e9 ** unit[:, 3])
    # more trials go on where fewer stopped
    assert np.array_equal(trial_points(adam, space, 16, seed)["b1"][:trials], points["b1"])
    assert not np.isin(trial_points(adam, space, trials, seed + 1)["b1"], points["b1"]).any()


def test_factors_are_tried_on_their_own_side_of_one():
    def tried(name):
        solver = SOLVERS[name]
        space = space_of(solver, (), Rates(), {})
        points = trial_points(solver, space, 256, 0)
        for setting, default in solver.hyperparameters.items():
            assert setting == "learning_rate" or points[setting].min() < default < points[setting].max(), setting
        return points

    gains, rprop, backtracking = tried("gains"), tried("rprop"), tried("backtracking")
    # every gain starts at 1
    assert gains["low"].max() <= 1 <= gains["high"].min()
    assert rprop["low"].max() < rprop["high"].min()
    assert rprop["up"].min() > 1
    for shorter in (gains["down"], rprop["down"], backtracking["shrink"], backtracking["c1"]):
        assert 0 < shorter.min() < shorter.max() < 1
    # a range that the user gives counts before ours
    given = space_of(SOLVERS["rprop"], (), Rates(), {"up": Range(log=(1.1, 1.5))})
    assert given["up"] == Range(log=(1.1, 1.5))


def test_a_value_given_is_not_tuned(here):
    folder, _, _ = sweep(TUNED, "--no-plots", "--set", "set.momentum=0.9", "--set", "solver.adam.learning_rate=0.1")
    runs = read(folder / "runs.csv")
    assert set(runs.loc[runs["solver"] == "momentum", "momentum"]) == {0.9}
    assert set(runs.loc[runs["solver"] == "adam", "learning_rate"]) == {0.1}
    counts = runs.groupby(["surface", "solver"]).size()
    assert set(counts) == {6 * 6}


# ---- what fails


BROKEN = """
import gdbench, jax.numpy as jnp

@gdbench.surface(start=(1.0, 1.0))
def surface_raises(x): raise RuntimeError("boom")
@gdbench.surface(start=(1.0, 1.0))
def surface_nan(x): return jnp.sum(x) * jnp.nan
@gdbench.surface(start=(1.0, 1.0))
def surface_vector(x): return x
@gdbench.surface(start=(1.0, 1.0))
def surface_single(x): return jnp.sum(x**2).astype(jnp.float32)
@gdbench.surface(start=(1.0, 1.0))
def surface_complex(x): return jnp.sum(x) * (1 + 1j)

@gdbench.solver()
def solver_raises(oracle, x, *, learning_rate): raise ValueError("no")
@gdbench.solver()
def solver_nan(oracle, x, *, learning_rate): return x * jnp.nan
@gdbench.solver(init=lambda x: jnp.zeros(()))
def solver_nan_later(oracle, x, count, *, learning_rate):
    return jnp.where(count > 2, jnp.nan, x - learning_rate * oracle.grad(x)), count + 1
@gdbench.solver()
def solver_shape(oracle, x, *, learning_rate): return x[:1]
@gdbench.solver()
def solver_whole(oracle, x, *, learning_rate): return x.astype(jnp.int32)
@gdbench.solver(init=jnp.zeros_like)
def solver_state(oracle, x, v, *, learning_rate): return x, jnp.zeros(3)
"""
SAID = {
    ("ellipse", "sgd"): ({"budget", "reached"}, None),
    ("ellipse", "solver-raises"): ({"error"}, "solver 'solver-raises' on 'ellipse': raised ValueError: no"),
    ("ellipse", "solver-nan"): ({"error"}, "solver 'solver-nan' made the weights not a number in its first step"),
    ("ellipse", "solver-nan-later"): ({"diverged"}, None),
    ("ellipse", "solver-shape"): ({"error"}, "has shape (1,) and type float64 after a step, expected (2,) and float64"),
    ("ellipse", "solver-whole"): ({"error"}, "type int32 after a step, expected (2,) and float64"),
    ("ellipse", "solver-state"): ({"error"}, "the state of solver 'solver-state' has shape (3,)"),
    ("surface-raises", "sgd"): ({"error"}, "surface 'surface-raises' raised RuntimeError: boom"),
    ("surface-nan", "sgd"): ({"error"}, "surface 'surface-nan' is not a number at the start"),
    ("surface-vector", "sgd"): (
        {"error"},
        "surface 'surface-vector' returned an array of shape (2,), expected one number",
    ),
    ("surface-single", "sgd"): ({"error"}, "surface 'surface-single' returned type float32 where it was given float64"),
    ("surface-complex", "sgd"): ({"error"}, "surface 'surface-complex' returned a complex number, expected a real one"),
}


@pytest.mark.slow
def test_what_fails_gives_rows_that_say_so_and_the_others_go_on(here):
    Path("p.py").write_text(BROKEN)
    for kind, pairs in (("ellipse", "solver"), ("sgd", "surface")):
        names = [pair[1] if pairs == "solver" else pair[0] for pair in SAID if kind in pair]
        other = "surface" if pairs == "solver" else "solver"
        text = f"{other}: {kind}\n{pairs}: [{', '.join(names)}]\nlearning_rate: [0.01, 0.02]\nsteps: 60\nplugin: p.py\n"
        folder, out, err = sweep(text, name=pairs, code=1)
        runs = read(folder / "runs.csv")
        assert len(runs) == 2 * len(names)
        for (surface, solver), (statuses, message) in SAID.items():
            own = runs[(runs["surface"] == surface) & (runs["solver"] == solver)]
            if not len(own):
                continue
            assert set(own["status"]) <= statuses, (surface, solver)
            assert (
                own["message"].isna().all()
                if message is None
                else own["message"].str.contains(message, regex=False).all()
            )
        failed = sum(SAID[pair][0] == {"error"} for pair in SAID if kind in pair)
        where = f"in {failed} of {len(names)} combinations of surface and solver: "
        assert f"gdbench: {2 * failed} of {2 * len(names)} runs failed, {where}" in err
        assert f"; and {failed - 3} more, in the column 'message' of the runs" in err
        assert "Traceback" not in out + err
        assert (folder / "trajectory.png").is_file()
        if pairs == "solver":  # again: the rows are stored, and the end is the same
            assert sweep(text, name=pairs, code=1)[2] == err


def test_a_surface_on_which_every_solver_fails(here):
    Path("p.py").write_text(BROKEN)
    text = (
        "surface: surface-raises\nsolver: [sgd, adam]\nplugin: p.py\ntune: {trials: 4, holdout_starts: 2}\nsteps: 5\n"
    )
    folder, _, err = sweep(text, code=1)
    assert "2 of 2 combinations" in err
    assert set(read(folder / "runs.csv")["status"]) == {"error"}


@pytest.mark.slow
def test_names_of_plug_ins_never_leave_the_folder(here):
    Path("p.py").write_text(
        "import gdbench, jax.numpy as jnp\n"
        "for title in ('../../climbs', 'a/b', '..', 'C:\\\\x', 'a [red]b', 'é λ', '-rf'):\n"
        "    @gdbench.surface(start=(1.0, 1.0), minimisers=[(0.0, 0.0)], name=title)\n"
        "    def bowl(x): return jnp.sum(x**2)\n"
        "@gdbench.solver(name='/../step')\n"
        "def step(oracle, x, *, learning_rate): return x - learning_rate * oracle.grad(x)\n"
    )
    text = "surface: ['../../climbs', 'a/b', '..', 'C:\\x', 'a [red]b', 'é λ', '-rf']\nsolver: '/../step'\n"
    text += "learning_rate: [0.1, 0.2]\nplugin: p.py\n"
    folder, out, _ = sweep(text)
    assert "a [red]b" in out
    assert sorted(path.name for path in here.iterdir()) == ["a.yaml", "p.py", "results"]
    assert [path.name for path in (here / "results").iterdir()] == ["a"]
    for path in folder.iterdir():
        assert path.is_file() or path.name == "shards"
    pictures = [path.name for path in folder.glob("trajectory-*.png")]
    assert len(pictures) == 7
    assert list(read(folder / "table.csv")["problem"].unique()) == [
        "../../climbs",
        "a/b",
        "..",
        "C:\\x",
        "a [red]b",
        "é λ",
        "-rf",
    ]


# ---- stochastic gradients, precision


@pytest.mark.parametrize("how", [pytest.param("batch_size", marks=pytest.mark.slow), "noise"])
def test_stochastic_runs_differ_by_seed_and_repeat(here, how):
    where = "data: sklearn:wine\npreprocess: standardize\n" if how == "batch_size" else "surface: ellipse\n"
    value = "16" if how == "batch_size" else "0.1"
    text = f"{where}solver: [sgd, momentum]\nlearning_rate: [0.01]\nsteps: 30\nseeds: 3\n{how}: {value}\n"
    runs = read(sweep(text, "--no-plots")[0] / "runs.csv")
    again = read(sweep(text, "--no-plots", name="again")[0] / "runs.csv")
    pd.testing.assert_frame_equal(runs, again, check_exact=True)
    assert sorted(runs["seed"].unique()) == [0, 1, 2]
    assert (runs.groupby("solver")["loss_final"].nunique() == 3).all()
    assert set(runs[f"surface.{how}"]) == {float(value)}
    # the run of the same name, with the seed of the sweep's second row
    shown = ["--data", "sklearn:wine", "--preprocess", "standardize"] if how == "batch_size" else ["-f", "ellipse"]
    flags = ["--seed", "1", "--steps", "30", "--learning-rate", "0.01", f"--{how.replace('_', '-')}", value]
    assert call(["run", *shown, "-s", "sgd", *flags, "--no-plots", "--name", "run"]) == 0
    alone = read("results/run/runs.csv")
    same = runs[(runs["solver"] == "sgd") & (runs["seed"] == 1)]
    assert alone["loss_final"].tolist() == same["loss_final"].tolist()


def test_noise_and_precision_are_axes(here):
    text = "surface: ellipse\nsolver: sgd\nlearning_rate: 0.01\nsteps: 40\ndtype: [float32, float64]\nnoise: [0, 0.1]\n"
    folder, _, _ = sweep(text, "--no-plots")
    runs, table = read(folder / "runs.csv"), read(folder / "table.csv")
    assert runs["surface.dtype"].tolist() == ["float32", "float32", "float64", "float64"]
    assert runs["surface.noise"].tolist() == [0, 0.1, 0, 0.1]
    single, double = runs["loss_final"][0], runs["loss_final"][2]
    assert single != double
    assert single == pytest.approx(double, rel=1e-4)  # forty steps in 24 bits
    assert len(table) == 4
    assert "ellipse noise=0.1 dtype=float32" in set(table["problem"])
    alone = gdbench.run(["ellipse"], ["sgd"], learning_rate=0.01, steps=40, dtype="float32").runs
    assert alone["loss_final"].item() == single


# ---- sizes and what is stored


def test_many_rows_stay_parquet_alone(here, monkeypatch):
    monkeypatch.setattr("gdbench.results.derive.CSV_ROWS", 44)
    folder, _, _ = sweep(SMALL, "--no-plots")
    assert not (folder / "runs.csv").exists()
    assert len(pd.read_parquet(folder / "runs.parquet")) == 135
    monkeypatch.setattr("gdbench.results.derive.CSV_ROWS", 135)
    sweep(SMALL, "--no-plots")
    assert len(read(folder / "runs.csv")) == 135


def test_dry_run_tells_and_writes_nothing(here):
    text = SMALL.replace("steps: 200", "steps: [50, 200]")
    _, out, err = sweep(text, "--dry-run", "--json")
    plan = json.loads(out)
    assert plan["runs"] == 2 * 135
    assert plan["most_steps"] == 135 * 50 + 135 * 200
    assert plan["shards"] == 2 * 2 * 2
    assert plan["shards_stored"] == 0
    assert sum(block["runs"] for block in plan["blocks"]) == plan["runs"]
    assert plan["programs"] <= 8
    assert plan["bytes"] > 0
    assert err == ""
    assert [path.name for path in here.iterdir()] == ["a.yaml"]
    _, out, _ = sweep(text, "--dry-run")
    assert "270 runs in" in out
    assert "at most 33 750 steps" in out
    assert "2 condition, 5 learning_rate" in out
    folder, _, _ = sweep(SMALL, "--no-plots")
    assert json.loads(sweep(SMALL, "--dry-run", "--json")[1])["shards_stored"] == 4
    # half of a wider sweep is there already
    assert json.loads(sweep(text, "--dry-run", "--json")[1])["shards_stored"] in (0, 4)
    assert sum(path.stat().st_size for path in folder.rglob("*.parquet")) < 30 * plan["bytes"]


@pytest.mark.slow
def test_table_and_plot_derive_the_same_bytes_without_jax(small):
    folder = small[0]
    kept = ("table.csv", "ert.csv", "profile.csv", "data_profile.csv", "ecdf.csv", "scores.csv", "expected_best.csv")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.suffix == ".png" or path.name in kept}
    assert len(before) > len(kept) + 6
    for command in ("table", "plot"):
        for path in before:
            if (path.suffix == ".png") == (command == "plot"):
                path.unlink()
        program = (
            f"import sys; from gdbench.cli.app import call; code = call(['{command}', '{folder}']); "
            "sys.exit(code or 9 * ('jax' in sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before


# ---- from Python


def test_a_sweep_from_python_gives_frames_and_figures_and_leaves_nothing(here, monkeypatch):
    before = {name: getattr(jax.config, name) for name in ("jax_enable_x64", "jax_compilation_cache_dir")}
    monkeypatch.setattr(tempfile, "tempdir", str(here / "tmp"))
    (here / "tmp").mkdir()
    spec = {"surface": "ellipse", "solver": ["sgd", "momentum"], "learning_rate": np.geomspace(1e-3, 1, 6), "starts": 2}
    result = gdbench.sweep(spec, steps=80)
    assert len(result.runs) == 2 * 6 * 2
    assert set(result.runs["steps"]) - {80}
    assert result.runs["steps"].max() == 80
    assert list(result.table["solver"]) == ["sgd", "momentum"]
    assert {"start.0", "start.1"} <= set(result.runs.columns)
    assert {"trajectory.png", "sensitivity.png", "convergence.png"} <= set(result.figures())
    assert {name: getattr(jax.config, name) for name in before} == before
    assert list((here / "tmp").iterdir()) == []
    assert sorted(path.name for path in here.iterdir()) == ["tmp"]
    assert "learning_rate" in spec


def test_a_sweep_of_a_file_from_python_is_the_sweep_of_the_command(small, here):
    folder = small[0]
    Path("a.yaml").write_text(SMALL)
    result = gdbench.sweep("a.yaml", out="mine", plots=False)
    for name in ("runs.csv", "table.csv", "config.yaml", "runs.parquet", "scores.csv"):
        assert Path("mine", name).read_bytes() == (folder / name).read_bytes(), name
    assert len(result.runs) == 135
    # calling again goes on, and another specification is refused
    assert len(gdbench.sweep("a.yaml", out="mine", plots=False).runs) == 135
    with pytest.raises(gdbench.GdbenchError, match=r"another result \(steps differs\)"):
        gdbench.sweep("a.yaml", out="mine", plots=False, steps=7)
    with pytest.raises(gdbench.GdbenchError, match=r"^the specification: unknown surface 'elipse'; did you mean"):
        gdbench.sweep({"surface": "elipse", "solver": "sgd"})
    with pytest.raises(gdbench.GdbenchError, match=r"^unknown surface 'elipse'"):
        gdbench.sweep("a.yaml", surface="elipse")
    Path("a.yaml").write_text("surface: ellipse\nsolver:\n  sgd: {momentum: 0.9}\n")
    with pytest.raises(gdbench.GdbenchError, match=r"^a\.yaml, line 3: unknown hyperparameter 'momentum' of solver"):
        gdbench.sweep("a.yaml", steps=5)
    assert "ellipse" in SURFACES
