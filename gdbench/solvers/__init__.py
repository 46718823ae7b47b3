"""The update rules; importing this package registers them."""

from gdbench.solvers.base import SOLVERS, Solver, solver

# The order is the one in which `gdbench list` shows them.
from gdbench.solvers import momentum, adaptive, adam, nadam, adam_second_moments, radam  # isort: skip
from gdbench.solvers import per_weight, line_search, second_order, from_optax  # isort: skip

__all__ = [
    "SOLVERS",
    "Solver",
    "adam",
    "adam_second_moments",
    "adaptive",
    "from_optax",
    "line_search",
    "momentum",
    "nadam",
    "per_weight",
    "radam",
    "second_order",
    "solver",
]
