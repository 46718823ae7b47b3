"""The update rules; importing this package registers them."""

from gdbench.solvers import adaptive, momentum
from gdbench.solvers.base import SOLVERS, Solver, solver

__all__ = ["SOLVERS", "Solver", "adaptive", "momentum", "solver"]
