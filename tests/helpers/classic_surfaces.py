"""The classic surfaces: their names, and what their tests share."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from gdbench import compilation
from gdbench.surfaces import SURFACES, basins, classic, least_squares, multimodal, rugged

MODULES = {module.__name__ for module in (basins, classic, least_squares, multimodal, rugged)}
# The course's own stand in the same file as other surfaces with several minima.
COURSE = {"multi-minima", "double-well"}
CLASSIC = [name for name in SURFACES if SURFACES[name].function.__module__ in MODULES and name not in COURSE]


@cache
def of_length(name, n):
    made = SURFACES[name]
    return made if made.dimension == n else made.with_parameters(dimension=n)


@cache
def gradient_function(made):
    return jax.jit(jax.grad(made), compiler_options=compilation.known(compilation.ONCE))


def gradient_of(made, x):
    with jax.enable_x64(True):
        return np.asarray(gradient_function(made)(jnp.asarray(x, jnp.float64)))
