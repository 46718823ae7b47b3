"""The elongated ellipse, in any dimension."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.surfaces.base import surface


def _eigenvalues(condition: Float[Array, ""] | float, dimension: int) -> Float[Array, "n"]:
    """Space eigenvalues evenly in log from 1 to `condition`; both ends are exact, for tests against closed forms."""
    ends = jnp.asarray(condition)
    if dimension == 1:
        return jnp.ones_like(ends)[None]
    inner = ends ** jnp.asarray([i / (dimension - 1) for i in range(1, dimension - 1)], ends.dtype)
    return jnp.concatenate([jnp.ones_like(ends)[None], inner, ends[None]])


@surface(
    start=np.ones,
    minimisers=lambda dimension, **_: np.zeros((1, dimension)),
    limits={"condition": (0.0, float("inf"))},
    any_dimension=True,
    formula="½ Σ λᵢ yᵢ²,  λ log-spaced from 1 to condition,  y = x with its first plane turned by angle degrees",
    source="the quadratic model of every smooth minimum; Nocedal and Wright 2006, section 3.3",
    note="Away from its axes the gradient is nearly orthogonal to the long axis, which is where the minimum lies.",
)
def ellipse(x: Float[Array, "n"], *, condition: float = 100.0, angle: float = 0.0) -> Float[Array, ""]:
    """The elongated ellipse: a quadratic whose axes differ by the square root of its condition number."""
    if x.shape[0] > 1:
        turn = jnp.deg2rad(angle)
        cosine, sine = jnp.cos(turn), jnp.sin(turn)
        turned = jnp.stack([cosine * x[0] + sine * x[1], cosine * x[1] - sine * x[0]])
        x = jnp.concatenate([turned, x[2:]]) if x.shape[0] > 2 else turned
    return 0.5 * jnp.sum(_eigenvalues(condition, x.shape[0]).astype(x.dtype) * x * x)
