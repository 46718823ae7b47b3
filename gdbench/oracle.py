"""What a solver may ask of an error surface at a point: the value, derivatives, and how often it asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
from jax import Array


@dataclass
class Evaluations:
    """Evaluations that one step makes, counted while JAX traces it."""

    value: int = 0
    grad: int = 0
    hess: int = 0
    key: bool = False


class Oracle:
    """The error surface as a solver sees it within one step.

    `function` maps `x` `[n]` to a scalar. `known` is a point whose value and gradient are at hand already: asking
    for them there costs nothing, but counts, because the solver did ask.
    """

    def __init__(
        self,
        function: Callable[[Array], Array],
        *,
        key: Callable[[], Array] | None = None,
        known: tuple[Array, Array, Array] | None = None,
    ) -> None:
        self._function = function
        self._key = key
        self._known = known
        self.evaluations = Evaluations()

    def value(self, x: Array) -> Array:
        """f(x), a scalar."""
        self.evaluations.value += 1
        if self._known is not None and x is self._known[0]:
            return self._known[1]
        return self._function(x)

    def grad(self, x: Array) -> Array:
        """The gradient of f at `x`, `[n]`."""
        self.evaluations.grad += 1
        if self._known is not None and x is self._known[0]:
            return self._known[2]
        return jax.grad(self._function)(x)

    def value_and_grad(self, x: Array) -> tuple[Array, Array]:
        """f(x) and its gradient; counts as one of each."""
        self.evaluations.value += 1
        self.evaluations.grad += 1
        if self._known is not None and x is self._known[0]:
            return self._known[1], self._known[2]
        return jax.value_and_grad(self._function)(x)

    def hessian(self, x: Array) -> Array:
        """The Hessian of f at `x`, `[n, n]`."""
        self.evaluations.hess += 1
        return jax.hessian(self._function)(x)

    def hvp(self, x: Array, v: Array) -> Array:
        """The Hessian at `x` times `v`, `[n]`, without forming the Hessian; counts as one Hessian evaluation."""
        self.evaluations.hess += 1
        return jax.jvp(jax.grad(self._function), (x,), (v,))[1]

    @property
    def key(self) -> Array:
        """A random key of this run's seed and this step."""
        self.evaluations.key = True
        return jax.random.key(0) if self._key is None else self._key()
