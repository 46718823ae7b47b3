"""Imports: the contracts of `pyproject.toml` hold (`lint-imports` checks them), and nothing heavy loads at the door."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

HEAVY = ("numpy", "jax", "jaxlib", "pandas", "pyarrow", "matplotlib", "scipy", "sklearn", "optax", "distributed")


def loaded_by(statement):
    """Which of `HEAVY` a fresh process has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stderr.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["theory", "--help"], ["sweep", "--help"], ["--version"]]
)
def test_help_is_light(words):
    # `main` without its os._exit, so that the process can still be asked what it has loaded
    assert loaded_by(f"sys.argv = {['gdbench', *words]}\nfrom gdbench.cli.app import call\nassert call() == 0") == []


def test_import_is_light():
    assert loaded_by("import gdbench; dir(gdbench); gdbench.__version__") == []
    assert "jax" in loaded_by("import gdbench; gdbench.SURFACES")


def test_pictures_load_no_jax():
    found = loaded_by("import gdbench.plots, gdbench.results.statistics, gdbench.results.comparison")
    assert "matplotlib" in found
    assert not {"jax", "jaxlib", "scipy"} & set(found)
