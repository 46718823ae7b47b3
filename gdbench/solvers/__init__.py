"""The update rules; importing this package registers them."""

from gdbench.solvers.base import SOLVERS, Solver, solver

# in the order in which `gdbench list` shows them
from gdbench.solvers import momentum, adaptive, adam  # isort: skip

__all__ = ["SOLVERS", "Solver", "adam", "adaptive", "momentum", "solver"]
