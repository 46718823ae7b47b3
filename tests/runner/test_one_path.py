"""Run, sweep, theory and Python walk one path: one model, one store with two forms, one result that is read back."""

import inspect
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from helpers.sweep_folders import content

import gdbench
from gdbench.cli.app import call
from gdbench.results.folder import Frames
from gdbench.spec.run import RunSpec
from gdbench.spec.sweep import SweepSpec, flags, json_schema

SWEEP = {
    "surface": {"ellipse": {"condition": [10, 100]}, "rosenbrock": None},
    "solver": ["sgd", "momentum"],
    "rates": {"low": 1e-3, "high": 1.0, "num": 4},
    "starts": 3,
    "steps": 60,
}
RUN = {"surfaces": ["ellipse", "rosenbrock"], "solvers": ["sgd", "momentum"], "steps": 60, "starts": 2}
RUN["rates"] = SWEEP["rates"]


def assert_same_result(found, wanted):
    """All frames of two results are the same, value for value."""
    for name in (item.name for item in fields(Frames)):
        ours, theirs = getattr(found, name), getattr(wanted, name)
        if isinstance(theirs, pd.DataFrame):
            pd.testing.assert_frame_equal(
                ours, theirs, check_dtype=False, check_categorical=False, check_exact=True, obj=name
            )
        elif name == "summaries":
            assert list(ours) == list(theirs)
            for key, frame in theirs.items():
                pd.testing.assert_frame_equal(ours[key], frame, check_dtype=False, check_exact=True, obj=key)
        elif name == "contours":
            assert list(ours) == list(theirs)
        elif name != "seconds":
            assert ours == theirs, name


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_a_result_is_read_back_as_it_was_returned(here, kind):
    made = gdbench.run(**RUN, out="a", plots=False) if kind == "run" else gdbench.sweep(SWEEP, out="a", plots=False)
    found = gdbench.read_result("a")
    assert type(found) is type(made) is gdbench.Result
    assert isinstance(found.spec, RunSpec if kind == "run" else SweepSpec)
    assert bool(found.summaries) == (kind == "sweep")
    assert_same_result(found, made)
    assert sorted(found.figures()) == sorted(made.figures())


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_a_saved_result_is_a_whole_folder(here, kind, capsys):
    """What was computed in memory and saved equals, file by file, what was computed into the folder."""
    make = (lambda **o: gdbench.run(**RUN, **o)) if kind == "run" else (lambda **o: gdbench.sweep(SWEEP, **o))
    make(out="direct", plots=False)
    make().save("saved", plots=False)
    assert content(Path("saved")) == content(Path("direct"))
    before = content(Path("saved"))
    assert call(["table", "saved"]) == 0
    assert content(Path("saved")) == before
    capsys.readouterr()
    # and what is read back can be saved elsewhere
    gdbench.read_result("saved").save("again", plots=False)
    assert content(Path("again")) == before


def test_saving_replaces_another_result_and_nothing_else(here):
    gdbench.run("ellipse", "sgd", learning_rate=0.01, steps=20).save("a", plots=False)
    again = gdbench.run("ellipse", "momentum", learning_rate=0.01, steps=20)
    again.save("a", plots=False)
    assert_same_result(gdbench.read_result("a"), again)
    Path("b").mkdir()
    Path("b/mine.txt").write_text("precious")
    with pytest.raises(gdbench.GdbenchError, match="not a result folder"):
        again.save("b")
    assert [path.name for path in Path("b").iterdir()] == ["mine.txt"]


ARGUMENTS = ["run", "-f", "ellipse", "-f", "rosenbrock", "-s", "sgd", "-s", "momentum", "--steps", "60", "--no-plots"]


def test_a_run_goes_on_where_it_was_stopped(here, capsys):
    assert call(ARGUMENTS) == 0
    (folder,) = Path("results").iterdir()
    wanted = content(folder)
    stored = sorted((folder / "shards").iterdir())
    assert len(stored) == 4
    # as a kill leaves it: two shards are there, no table yet
    for path in [*stored[:2], folder / "table.csv", folder / "timings.json", folder / "runs.csv"]:
        path.unlink()
    capsys.readouterr()
    assert call(ARGUMENTS) == 0
    assert "128 of 256 runs are stored already" in capsys.readouterr().err
    assert [path.name for path in Path("results").iterdir()] == [folder.name]
    assert content(folder) == wanted
    # what is finished is left alone: the same request gets a folder of its own
    assert call(ARGUMENTS) == 0
    assert sorted(path.name for path in Path("results").iterdir()) == [folder.name, f"{folder.name}-2"]


def test_every_option_comes_from_the_model(capsys):
    keys = set(SweepSpec.model_fields)
    assert set(RunSpec.model_fields) == keys == set(json_schema()["properties"])
    parameters = inspect.signature(gdbench.run).parameters
    assert keys - {"surface", "solver"} <= set(parameters)
    for name in keys - {"surface", "solver"}:
        assert f"\n{name} : {SweepSpec.model_fields[name].description}" in gdbench.run.__doc__
    assert call(["run", "--help"]) == 0
    text = capsys.readouterr().out
    options = flags(RunSpec)
    assert keys - set(options) == {"seeds", "targets", "tune"}
    for name in options:
        assert f"--{name.replace('_', '-')}" in text


def test_several_values_are_for_sweeps():
    with pytest.raises(gdbench.GdbenchError, match=r"steps.* has several values; .*`gdbench sweep`"):
        gdbench.run("ellipse", "sgd", steps=[10, 20])
    # one value may be written in any of the ways of a sweep
    found = gdbench.run({"ellipse": {"condition": 7}}, ["sgd"], steps=[10], learning_rate={"log": [0.1, 0.1], "num": 1})
    assert found.runs["surface.condition"].tolist() == [7.0]


INTERRUPTED = """
import gc, os, signal, sys, time
from gdbench.cli.app import _interrupt

def collecting(phase, info):
    # what is raised in here Python prints and forgets
    if phase == "start" and not sent:
        sent.append(os.kill(os.getpid(), signal.SIGINT))
        for _ in range(1000):
            pass

sent = []
signal.signal(signal.SIGALRM, _interrupt)
signal.signal(signal.SIGINT, _interrupt)
try:
    gc.callbacks.append(collecting)
    gc.collect()
    time.sleep(20)
except KeyboardInterrupt:
    print("heard")
"""


def test_ctrl_c_within_a_garbage_collection_is_not_lost():
    """JAX has such a callback; it is known by being one, not by its name."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "heard\n"
    assert done.stderr == ""


def test_jax_still_collects_in_a_callback():
    """Else `_interrupt` looks for something that is not there any more."""
    code = "import gc, jax; jax.numpy.zeros(1); print(len(gc.callbacks))"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) >= 1
