"""Plug-ins of installed packages, by entry point."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import gdbench
from gdbench import SOLVERS, plugins
from gdbench.cli.app import call
from gdbench.spec.yaml_file import read_yaml


@pytest.fixture
def installed(monkeypatch, tmp_path):
    (tmp_path / "some_package.py").write_text(
        "import gdbench\n"
        "@gdbench.solver()\n"
        "def from_a_package(oracle, x, *, learning_rate): return x - learning_rate * oracle.grad(x)\n"
    )
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('not today')\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries = [EntryPoint(name, name, plugins.GROUP) for name in ("broken_package", "some_package")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == plugins.GROUP else [])
    yield
    SOLVERS.discard("from-a-package")


def test_an_installed_plug_in_is_found_and_a_broken_one_stops_nothing(installed, here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "from-a-package", "--learning-rate", "0.01", "--no-plots"]) == 0
    out, err = capsys.readouterr()
    assert "from-a-package" in out
    assert "'broken_package' is left out: raised RuntimeError: not today" in err


def test_a_file_is_loaded_once(here):
    file = here / "once.py"
    file.write_text("import builtins\nbuiltins.loads = getattr(builtins, 'loads', 0) + 1\n")
    import builtins

    plugins.load_file(str(file))
    plugins.load_file("once.py")
    assert builtins.loads == 1
    del builtins.loads


def test_the_files_of_a_plug_in_are_its_own_and_its_helpers(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    (here / "deep_helper").mkdir()
    (here / "deep_helper" / "__init__.py").write_text("")
    (here / "deep_helper" / "inner.py").write_text("SCALE = 2.0\n")
    (here / "near_helper.py").write_text("import numpy\nfrom deep_helper.inner import SCALE\n")
    (here / "unrelated_helper.py").write_text("")
    (here / "first_plug.py").write_text("import gdbench, jax, near_helper\n")
    # what it imports is loaded already, and nothing but a number is taken of it
    (here / "second_plug.py").write_text("def late():\n    from near_helper import SCALE\n    return SCALE\n")
    (here / "third_plug.py").write_text("x = 1\n")
    helpers = [here / "deep_helper" / "__init__.py", here / "deep_helper" / "inner.py", here / "near_helper.py"]
    for name in ("first_plug", "second_plug", "third_plug"):
        plugins.load_file(f"{name}.py")
    assert plugins.files_of("first_plug.py") == [here / "first_plug.py", *helpers]
    assert plugins.files_of(here / "second_plug.py") == [here / "second_plug.py", *helpers]
    assert plugins.files_of("third_plug.py") == [here / "third_plug.py"]
    assert plugins.files_of(plugins) == [plugins._OURS / "plugins.py"]
    import near_helper

    assert set(plugins.files_of(near_helper)) == set(helpers)


OWN = """
import gdbench
@gdbench.solver()
def own_steps(oracle, x, *, learning_rate): return x - learning_rate * oracle.grad(x)
@gdbench.surface(start=[1.0, 2.0])
def own_ground(x): return x @ x
"""


def test_a_plug_in_flag_is_recorded_so_that_the_result_can_be_made_again(here, capsys):
    (here / "own.py").write_text(OWN)
    (here / "c.yaml").write_text("surface: own-ground\nsolver: own-steps\nlearning_rate: 0.1\nsteps: 9\n")
    assert call(["sweep", "c.yaml", "--plugin", "own.py", "--no-plots", "--name", "first"]) == 0
    assert read_yaml("results/first/config.yaml").values["plugin"] == ["own.py"]
    again = [sys.executable, "-m", "gdbench", "sweep", "results/first/config.yaml", "--no-plots", "--name", "again"]
    done = subprocess.run(again, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [(here / "results" / name / "runs.csv").read_text() for name in ("first", "again")]
    assert found[0] == found[1]
    # the flag beside the key names it once, and a wrong flag is no mistake of the file
    assert call(["sweep", "results/first/config.yaml", "--plugin", "own.py", "--dry-run"]) == 0
    capsys.readouterr()
    assert call(["sweep", "results/first/config.yaml", "--plugin", "no.py"]) == 2
    assert capsys.readouterr().err.startswith("gdbench: there is no plug-in file 'no.py'")


def test_plug_ins_from_python_are_a_text_or_a_list(here):
    (here / "own.py").write_text(OWN)
    for given in ("own.py", ["own.py"]):
        result = gdbench.run("own-ground", "own-steps", plugin=given, learning_rate=0.1, steps=9)
        assert result.table["solver"].tolist() == ["own-steps"]


def test_a_sweep_takes_objects_and_what_numpy_counts():
    def descend(oracle, x, *, learning_rate):
        return x - learning_rate * oracle.grad(x)

    mine = gdbench.solver(name="mine", register=False)(descend)
    ground = gdbench.surface(start=[1.0, 2.0], name="ground", register=False)(lambda x: x @ x)
    spec = {"surface": [ground, "ellipse"], "solver": mine, "steps": 5}
    spec |= {"learning_rate": {"log": np.array([1e-3, 0.1]), "num": np.int64(3)}, "seed": np.int64(2)}
    result = gdbench.sweep(spec)
    assert result.runs["surface"].tolist() == ["ground"] * 3 + ["ellipse"] * 3
    assert set(result.runs["solver"]) == {"mine"}
    assert set(result.runs["seed"]) == {2}
    alike = gdbench.sweep({**spec, "surface": "ellipse", "solver": ["sgd"]}).runs
    assert alike["loss_final"].tolist() == result.runs["loss_final"].tolist()[3:]
    with pytest.raises(gdbench.GdbenchError, match="unknown solver 'sdg'; did you mean 'sgd'"):
        gdbench.sweep({**spec, "solver": [mine, "sdg"]})
    with pytest.raises(gdbench.GdbenchError, match="duplicate solver 'mine'"):
        gdbench.sweep({**spec, "solver": [mine, mine]})
