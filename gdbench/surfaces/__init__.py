"""The error surfaces; importing this package registers them."""

from gdbench.surfaces.base import SURFACES, Surface, surface

# The order is the one in which `gdbench list` shows them.
from gdbench.surfaces import quadratic, linear, multimodal, classic, basins, rugged, least_squares  # isort: skip
from gdbench.surfaces import counterexamples, networks  # isort: skip

__all__ = [
    "SURFACES",
    "Surface",
    "basins",
    "classic",
    "counterexamples",
    "least_squares",
    "linear",
    "multimodal",
    "networks",
    "quadratic",
    "rugged",
    "surface",
]
