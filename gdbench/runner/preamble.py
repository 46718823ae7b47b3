"""Write what is known before the first step: the configuration and the environment."""

from __future__ import annotations

from pathlib import Path

from gdbench.results.files import write_bytes, write_json
from gdbench.results.folder import environment
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import dump_config


def write_preamble(folder: Path, spec: SweepSpec) -> None:
    """Write `config.yaml` and `environment.json`."""
    from gdbench.solvers import SOLVERS  # imports JAX, which reading a result must not

    write_bytes(folder / "config.yaml", dump_config(spec).encode("utf-8", "surrogateescape"))
    packages = {SOLVERS[name].package for name in spec.solver if name in SOLVERS}
    write_json(folder / "environment.json", environment(packages - {""}))
