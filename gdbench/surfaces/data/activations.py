"""Activations of a network's units by name: any function of JAX that works number by number."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdbench import compilation
from gdbench.errors import UsageError, unknown

# what a misspelt name may have meant; every other function of jax.nn or jax.numpy that works number by number will do
USUAL = (
    "celu elu gelu hard_sigmoid hard_silu hard_tanh identity leaky_relu log_sigmoid mish relu relu6 selu sigmoid silu "
    "soft_sign softplus sparse_plus squareplus swish abs arctan cos exp sin sinc square tanh"
).split()
# negative, zero, small and large numbers, none of them where a function jumps
SAMPLES = (-2.3, -0.1, 0.9, 3.1)


@lru_cache
def activation(name: str) -> Callable[[Any], Any]:
    """The function `name` of `jax.nn`, or else of `jax.numpy`.

    Raises `UsageError` where there is none, or where it is no function of one number: tried on numbers, one by one and
    all together, which must give the same.
    """
    found = None if name.startswith("_") else getattr(jax.nn, name, None) or getattr(jnp, name, None)
    if not callable(found):
        raise unknown("activation", name, USUAL)
    if not _by_number(found):
        raise UsageError(f"'{name}' is no activation: it does not work number by number, as {', '.join(USUAL[-4:])} do")
    made: Callable[[Any], Any] = found
    return made


def _by_number(function: Callable[[Any], Any]) -> bool:
    """Whether `function` maps a matrix of reals as it maps its numbers, to reals of the same type."""

    def both_ways(matrix: Any) -> Any:
        return function(matrix), [function(number) for number in matrix.reshape(-1)]

    shape = (2, len(SAMPLES) // 2)
    try:
        with jax.enable_x64(True):
            for dtype in (jnp.float32, jnp.float64):
                kinds = jax.eval_shape(both_ways, jax.ShapeDtypeStruct(shape, dtype))
                if any(kind.dtype != dtype for kind in jax.tree.leaves(kinds)):
                    return False
            samples = np.array(SAMPLES).reshape(shape)
            together, alone = jax.jit(both_ways, compiler_options=compilation.known(compilation.ONCE))(samples)
    except Exception:  # whatever asks for other arguments is no activation
        return False
    # the last bits may depend on how many numbers are mapped at once
    return together.shape == shape and np.allclose(np.reshape(alone, shape), together, 1e-12, 1e-14, equal_nan=True)
