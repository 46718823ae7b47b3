"""Plug-ins of installed packages, by entry point."""

from importlib.metadata import EntryPoint

import pytest

from gdbench import SOLVERS, plugins
from gdbench.cli import call


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
