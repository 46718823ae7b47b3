"""The error surfaces; importing this package registers them."""

from gdbench.surfaces import classic, linear, minima, quadratic
from gdbench.surfaces.base import SURFACES, Surface, surface

__all__ = ["SURFACES", "Surface", "classic", "linear", "minima", "quadratic", "surface"]
