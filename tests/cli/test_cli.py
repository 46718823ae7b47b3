"""The command line as a user meets it: files, tables, exit codes, sentences."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers.sweep_folders import content, wait_until

from gdbench.cli.app import call
from gdbench.columns import COLUMNS

QUICK = ["--no-plots", "--rates", "1e-3,1,8", "--steps", "500"]


def gdbench(*arguments, env=None, **options):
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "gdbench", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


def test_the_main_job_writes_everything(here, capsys):
    assert call(["run", "--surface", "ellipse", "--solver", "rmsprop"]) == 0
    out, err = capsys.readouterr()
    folder = here / "results" / "ellipse-rmsprop"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "config.yaml",
        "contours.npz",
        "convergence.png",
        "curves.csv",
        "environment.json",
        "manifest.json",
        "runs.csv",
        "runs.parquet",
        "sensitivity.png",
        "shards",
        "table.csv",
        "theory.csv",
        "timings.json",
        "trajectory.csv",
        "trajectory.png",
    ]
    assert "rmsprop" in out
    assert "64 learning rates × 1 start = 64 runs" in out
    assert str(Path("results/ellipse-rmsprop")) in err
    runs = pd.read_csv(folder / "runs.csv", keep_default_na=False, na_values=[""])
    assert tuple(runs.columns[: len(COLUMNS)]) == COLUMNS
    rest = ["learning_rate", "decay", "eps", "convention", "surface.condition", "surface.angle", "surface.dimension"]
    assert list(runs.columns[len(COLUMNS) :]) == [*rest, "start.0", "start.1"]
    assert list(runs["run"]) == list(range(64))
    table = pd.read_csv(folder / "table.csv")
    best = runs[runs["status"] == "reached"].sort_values(["steps_to_target", "loss_final"]).iloc[0]
    assert table["learning_rate"].item() == best["learning_rate"]
    assert table["steps_to_target"].item() == best["steps_to_target"]
    trajectory = pd.read_csv(folder / "trajectory.csv")
    assert list(trajectory.columns) == ["run", "step", "x0", "x1", "loss", "grad_norm"]
    assert list(trajectory["run"].unique()) == [best["run"]]
    assert trajectory["loss"].iloc[-1] == best["loss_final"]
    assert len(trajectory) == best["steps"] + 1


def test_a_second_run_gets_a_folder_of_its_own(here):
    for _ in range(2):
        assert call(["run", "-f", "ellipse", "-s", "sgd", *QUICK]) == 0
    assert sorted(os.listdir("results")) == ["ellipse-sgd", "ellipse-sgd-2"]


def test_config_reproduces_every_byte(here):
    wide = ["-f", "ellipse", "-f", "double-well", "-s", "momentum", "-s", "adam", "--starts", "3", "--steps", "800"]
    assert call(["run", *wide, "--rates", "1e-3,1,12", "--seed", "7", "--set", "b1=0.8", "--name", "first"]) == 0
    assert call(["run", "--config", "results/first/config.yaml", "--name", "second"]) == 0
    first, second = here / "results" / "first", here / "results" / "second"
    assert content(first) == content(second)
    assert {"profile.png", "trajectory-double-well.png"} <= set(content(first))
    runs = pd.read_csv(first / "runs.csv")
    assert len(runs) == 2 * 2 * 12 * 3
    assert runs.groupby("surface")["start.0"].nunique().tolist() == [3, 3]
    assert set(runs.loc[runs["solver"] == "adam", "b1"]) == {0.8}


def test_a_flag_overrides_the_file(here):
    Path("c.yaml").write_text("surface: [ellipse]\nsolver: [sgd]\nsteps: 7\nlearning_rate: 1e-3\n")
    assert call(["run", "--config", "c.yaml", "--steps", "9", "--name", "a", "--no-plots"]) == 0
    assert pd.read_csv("results/a/runs.csv")["steps"].tolist() == [9]


def test_a_fixed_learning_rate_tunes_nothing(here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "sgd", "--learning-rate", "0.01", "--name", "a"]) == 0
    assert "Nothing was tuned" in capsys.readouterr().out
    table = pd.read_csv("results/a/table.csv")
    assert table[["tuned", "trials", "tuning_runs"]].iloc[0].tolist() == [False, 1, 1]
    assert not Path("results/a/sensitivity.png").exists()


def test_the_edge_of_the_grid_is_said(here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "sgd", "--rates", "1e-4,1e-2,8", "--no-plots", "--name", "a"]) == 0
    assert "edge of the grid" in capsys.readouterr().out
    assert pd.read_csv("results/a/table.csv")["tuning_edge"].item() == "high"


def test_json_is_json(here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "sgd", *QUICK, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["surface"], row["solver"], row["trials"]) for row in rows] == [("ellipse", "sgd", 8)]
    assert call(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"sgd", "adam"} <= {item["name"] for item in listed["solvers"]}
    assert call(["show", "unscaled", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["condition_number"] == pytest.approx(10_000)
    assert shown["minimisers"][0]["x"] == [10.0, 0.1]


@pytest.mark.parametrize("name", ["ellipse", "double-well", "multi-minima", "nesterov"])
def test_show(here, capsys, name):
    assert call(["show", name]) == 0
    out = capsys.readouterr().out
    assert "formula" in out
    assert "source" in out
    if name != "nesterov":
        assert "o start  x minimiser" in out
        assert call(["show", name, "--png", "it.png"]) == 0
        assert Path("it.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_plot_draws_the_same_again_without_jax(here):
    surfaces = ["-f", "ellipse", "-f", "double-well", "--param", "dimension=3"]
    assert call(["run", *surfaces, "-s", "sgd", "-s", "adam", "--rates", "1e-3,1,8", "--name", "a"]) == 0
    pictures = {path: path.read_bytes() for path in Path("results/a").glob("*.png")}
    assert len(pictures) == 8
    assert Path("results/a/plane.png") in pictures
    for path in pictures:
        path.unlink()
    program = (
        "import sys; from gdbench.cli.app import call; code = call(['plot', 'results/a']); "
        "sys.exit(code or 9 * ('jax' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in pictures} == pictures


def test_results_are_never_overwritten_unseen(here, capsys):
    arguments = ["run", "-f", "ellipse", "-s", "sgd", *QUICK, "--name", "a"]
    assert call(arguments) == 0
    before = content(Path("results/a"))
    others = [*arguments, "--seed", "3"]
    assert call(others) == 2
    assert "holds another result (seed differs): choose another --name, or --force" in capsys.readouterr().err
    assert content(Path("results/a")) == before
    # the same request has all its runs there already
    assert call(arguments) == 0
    assert "all 8 runs are stored already" in capsys.readouterr().err
    assert content(Path("results/a")) == before
    assert call([*others, "--force"]) == 0
    Path("results/mine").mkdir()
    Path("results/mine/thesis.txt").write_text("irreplaceable")
    assert call([*arguments[:-1], "mine", "--force"]) == 2
    assert "not a result folder" in capsys.readouterr().err
    assert Path("results/mine/thesis.txt").read_text() == "irreplaceable"


def test_a_plug_in_that_raises_gives_error_rows_and_the_others_go_on(here, capsys):
    Path("p.py").write_text(
        "import gdbench, jax.numpy as jnp\n"
        "@gdbench.surface(start=(1.0, 1.0))\n"
        "def broken_surface(x): raise RuntimeError('boom')\n"
        "@gdbench.surface(start=(1.0, 1.0))\n"
        "def vector_surface(x): return x\n"
        "@gdbench.solver(init=jnp.zeros_like)\n"
        "def broken_solver(oracle, x, v, *, learning_rate): return x, jnp.zeros(3)\n"
    )
    both = ["-f", "broken-surface", "-f", "vector-surface", "-f", "ellipse", "-s", "sgd", "-s", "broken-solver"]
    assert call(["run", "--plugin", "p.py", *both, "--rates", "1e-3,1,8", "--name", "a"]) == 1
    out, err = capsys.readouterr()
    assert "boom" in err
    assert "expected one number" in err
    assert "5 of 6" in err
    assert "Traceback" not in out + err
    runs = pd.read_csv("results/a/runs.csv")
    assert len(runs) == 3 * 2 * 8
    assert set(runs.loc[runs["surface"] == "broken-surface", "status"]) == {"error"}
    good = runs[(runs["surface"] == "ellipse") & (runs["solver"] == "sgd")]
    assert "reached" in set(good["status"])
    assert runs.loc[runs["status"] == "error", "message"].notna().all()
    assert Path("results/a/trajectory.png").exists()


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_had_finished(here):
    Path("p.py").write_text(
        "import os, pathlib, threading, gdbench, jax.numpy as jnp\n"
        # on one core one thread runs programs: it begins the heavy one when the ellipse's has ended
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "@gdbench.surface(start=(0.5,) * 60)\n"
        "def heavy(x):\n"
        "    if threading.current_thread().name == 'gdbench-0': pathlib.Path('begun').touch()\n"
        "    y = x\n"
        "    for _ in range(30): y = jnp.sin(y[:, None] * x[None, :]).sum(axis=1)\n"
        "    return 1e-9 * jnp.sum(x) + 1e-30 * jnp.sum(y)\n"  # a slope without end
    )
    names = ["-f", "ellipse", "-f", "heavy", "-s", "sgd"]
    arguments = [sys.executable, "-m", "gdbench", "run", "--plugin", "p.py", *names, "--steps", "1000000"]
    process = subprocess.Popen([*arguments, "--name", "a", "--atol", "1"], stderr=subprocess.PIPE, text=True)
    # the shard of the ellipse is stored while the heavy one runs
    wait_until(lambda: Path("begun").exists() and list(Path("results/a/shards").glob("*.parquet")), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert set(pd.read_csv("results/a/runs.csv")["surface"]) == {"ellipse"}


def test_help_names_every_option_of_the_configuration():
    from gdbench.spec.run import RunSpec
    from gdbench.spec.sweep import flags

    text = gdbench("run", "--help", env={"COLUMNS": "200"}).stdout
    for name in flags(RunSpec):
        assert f"--{name.replace('_', '-')}" in text, name


def test_version_and_bare_command():
    assert gdbench("--version").stdout.startswith("gdbench 0.")
    bare = gdbench()
    assert bare.returncode == 0
    assert "run" in bare.stdout


def test_a_plug_in_that_only_half_works_keeps_its_runs(here, capsys):
    Path("p.py").write_text(
        "import gdbench, jax\n"
        "@jax.custom_vjp\n"
        "def same(x): return x * 1.0\n"
        "same.defvjp(lambda x: (x, None), lambda residual, g: (g,))\n"
        "@gdbench.solver(name='no [red]forward')\n"
        "def no_forward(oracle, x, *, learning_rate): return same(x) - learning_rate * oracle.grad(x)\n"
        "@gdbench.solver()\n"
        "def raises(oracle, x, *, learning_rate): raise ValueError('no')\n"
        "@gdbench.solver()\n"
        "def fixed(oracle, x): return x - 0.01 * oracle.grad(x)\n"
    )
    solvers = ["-s", "no [red]forward", "-s", "fixed", "-s", "sgd"]
    assert call(["run", "--plugin", "p.py", "-f", "ellipse", *solvers, "--no-plots", "--name", "a"]) == 0
    out = capsys.readouterr().out
    assert "no [red]forward" in out
    assert "every solver but fixed" in out
    table = pd.read_csv("results/a/table.csv").set_index("solver")
    assert table.loc["no [red]forward", "steps_to_target"] == table.loc["sgd", "steps_to_target"]
    assert pd.isna(table.loc["no [red]forward", "rate_predicted"])
    assert table.loc["no [red]forward", "message"].startswith("no predicted rate: raised TypeError")
    assert table.loc["sgd", "rate_predicted"] < 1
    assert pd.isna(table.loc["sgd", "message"])
    # nothing but failures, in more dimensions than a picture has
    many = ["-f", "ellipse", "--param", "dimension=5", "-s", "raises"]
    assert call(["run", "--plugin", "p.py", *many, "--name", "b"]) == 1
    assert "raised ValueError: no" in capsys.readouterr().err


def test_json_repeats_the_table_exactly(here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "sgd", "--no-plots", "--name", "a", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    table = pd.read_csv("results/a/table.csv")
    for name in ("learning_rate", "loss_final", "rate_observed"):
        assert row[name] == table[name].item()
    assert row["steps_at_1e-8"] is None


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("table.csv", lambda text: text.replace("solver", "slover", 1), "it has no column 'solver'"),
        ("trajectory.csv", lambda text: text.replace(",1,", ",oops,", 1), "column 'step': 'oops' is not a number"),
        ("runs.csv", lambda text: "".join(text.splitlines(keepends=True)[:2]), "which runs.csv lacks"),
        ("curves.csv", lambda text: "", "cannot be read"),
    ],
)
def test_a_damaged_result_without_shards_is_recognised(here, capsys, file, change, sentence):
    """A result folder that was made before runs had shards is read from its tables."""
    assert call(["run", "-f", "ellipse", "-s", "sgd", *QUICK, "--name", "a"]) == 0
    Path("results/a/manifest.json").unlink()
    assert call(["plot", "results/a"]) == 0
    path = Path("results/a") / file
    path.write_text(change(path.read_text()))
    assert call(["plot", "results/a"]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert sentence in err
    assert file in err


@pytest.mark.parametrize("file", ["theory.csv", "trajectory.csv", "curves.csv", "contours.npz"])
def test_a_damaged_result_is_recognised(here, capsys, file):
    command = ["run", "-f", "ellipse", "-s", "sgd", *QUICK, "--name", "a"]
    assert call(command) == 0
    whole = content(Path("results/a"))
    path = Path("results/a") / file
    path.write_bytes(path.read_bytes()[:-7])
    assert call(["plot", "results/a"]) == 2
    said = f"gdbench: '{path}' is damaged: it is not what was written; the same command writes it again\n"
    assert capsys.readouterr().err.endswith(said)
    assert call(command) == 0
    assert content(Path("results/a")) == whole


def test_a_lost_shard_of_a_run_is_told_and_computed_again(here, capsys):
    command = ["run", "-f", "ellipse", "-s", "sgd", "-s", "momentum", *QUICK, "--name", "a"]
    assert call(command) == 0
    whole = content(Path("results/a"))
    min(Path("results/a/shards").iterdir()).unlink()
    capsys.readouterr()
    assert call(["table", "results/a"]) == 0
    assert "runs are there; the same `gdbench run` computes the rest" in capsys.readouterr().err
    assert call(command) == 0
    assert content(Path("results/a")) == whole


def test_a_narrow_terminal_cuts_no_number(here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert call(["run", "-f", "ellipse", "-s", "momentum", "--starts", "2", "--no-plots", "--name", "a"]) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    assert "0.948683" in out
