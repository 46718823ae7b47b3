"""Benchmark optimizers on error surfaces: tuned with equal budgets, checked against closed forms, in seconds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdbench.api import run, sweep
    from gdbench.errors import GdbenchError
    from gdbench.runner.result import Result, read_result
    from gdbench.solvers import SOLVERS, Solver, solver
    from gdbench.solvers.from_optax import from_optax
    from gdbench.solvers.oracle import Oracle
    from gdbench.surfaces import SURFACES, Surface, surface

__version__ = "0.1.0"

_HOME = {
    "GdbenchError": "gdbench.errors",
    "Oracle": "gdbench.solvers.oracle",
    "Result": "gdbench.runner.result",
    "SOLVERS": "gdbench.solvers",
    "SURFACES": "gdbench.surfaces",
    "Solver": "gdbench.solvers",
    "Surface": "gdbench.surfaces",
    "from_optax": "gdbench.solvers.from_optax",
    "read_result": "gdbench.runner.result",
    "run": "gdbench.api",
    "solver": "gdbench.solvers.base",
    "surface": "gdbench.surfaces.base",
    "sweep": "gdbench.api",
}

__all__ = [
    "SOLVERS",
    "SURFACES",
    "GdbenchError",
    "Oracle",
    "Result",
    "Solver",
    "Surface",
    "__version__",
    "from_optax",
    "read_result",
    "run",
    "solver",
    "surface",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import gdbench` itself loads neither JAX nor pandas."""
    if name not in _HOME:
        raise AttributeError(f"module 'gdbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
