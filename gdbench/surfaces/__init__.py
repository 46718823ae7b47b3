"""The error surfaces; importing this package registers them."""

from gdbench.surfaces.base import SURFACES, Surface, surface

# in the order in which `gdbench list` shows them
from gdbench.surfaces import quadratic, linear, minima, classic, counterexamples, networks  # isort: skip

__all__ = ["SURFACES", "Surface", "classic", "counterexamples", "linear", "minima", "networks", "quadratic", "surface"]
