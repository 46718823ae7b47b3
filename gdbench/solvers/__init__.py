"""The update rules; importing this package registers them."""

from gdbench.solvers.base import SOLVERS, Solver, solver

# in the order in which `gdbench list` shows them
from gdbench.solvers import momentum, adaptive, adam, per_weight, line_search, second_order  # isort: skip

__all__ = ["SOLVERS", "Solver", "adam", "adaptive", "line_search", "momentum", "per_weight", "second_order", "solver"]
