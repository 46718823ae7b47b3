"""What a solver may ask of an error surface at a point: the value, derivatives, and how often it asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax


@dataclass
class Evaluations:
    """Evaluations that one step makes, counted while JAX traces it.

    looped : `[3]`, int32, those of value, gradient and Hessian made in `Oracle.while_loop`, of which only the running
    program knows how many; None where there is no such loop.
    """

    value: int = 0
    grad: int = 0
    hess: int = 0
    key: bool = False
    looped: Any = None


class Oracle:
    """The error surface as a solver sees it within one step.

    `function` maps `x` `[n]` to a scalar. `known` is a point whose value and gradient are at hand already: asking
    for them there costs nothing, but counts, because the solver did ask. `noise(call)` `[n]` is added to the gradient
    of that call, counted from 0 within the step; a call that the solver repeats in a loop of JAX is one call.
    """

    def __init__(
        self,
        function: Callable[[Array], Array],
        *,
        key: Callable[[], Array] | None = None,
        known: tuple[Array, Array, Array] | None = None,
        noise: Callable[[int], Array] | None = None,
    ) -> None:
        self._function = function
        self._key = key
        self._known = known
        self._noise = noise
        self._noisy_calls = 0
        self.evaluations = Evaluations()

    def value(self, x: Array) -> Array:
        """f(x), a scalar."""
        self.evaluations.value += 1
        if self._known is not None and x is self._known[0]:
            return self._known[1]
        return self._function(x)

    def grad(self, x: Array) -> Array:
        """The gradient of f at `x`, `[n]`, with the noise of this call where the program has any."""
        if self._known is not None and x is self._known[0]:
            return self._noisy(self._known[2])
        return self._noisy(jax.grad(self._function)(x))

    def value_and_grad(self, x: Array) -> tuple[Array, Array]:
        """f(x), exact, and its gradient as `grad` gives it; counts as one of each."""
        self.evaluations.value += 1
        if self._known is not None and x is self._known[0]:
            return self._known[1], self._noisy(self._known[2])
        value, gradient = jax.value_and_grad(self._function)(x)
        return value, self._noisy(gradient)

    def hessian(self, x: Array) -> Array:
        """The Hessian of f at `x`, `[n, n]`."""
        self.evaluations.hess += 1
        return jax.hessian(self._function)(x)

    def hvp(self, x: Array, v: Array) -> Array:
        """The Hessian at `x` times `v`, `[n]`, without forming the Hessian; counts as one Hessian evaluation."""
        self.evaluations.hess += 1
        return jax.jvp(jax.grad(self._function), (x,), (v,))[1]

    def while_loop(self, condition: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any) -> Any:
        """`lax.while_loop(condition, body, carry)` in which `body` may ask this oracle: every turn of it counts.

        A line search needs it: how often it asks is known when it has run. `condition` must not ask.
        """

        def turn(carry: tuple[Any, Array]) -> tuple[Any, Array]:
            inner, spent = carry
            outer, self.evaluations = self.evaluations, Evaluations()
            inner = body(inner)
            own, self.evaluations = self.evaluations, outer
            outer.key |= own.key
            spent = spent + np.array([own.value, own.grad, own.hess], np.int32)
            return inner, spent if own.looped is None else spent + own.looped

        made, spent = lax.while_loop(lambda carry: condition(carry[0]), turn, (carry, jnp.zeros(3, jnp.int32)))
        looped = self.evaluations.looped
        self.evaluations.looped = spent if looped is None else looped + spent
        return made

    def uncounted(self) -> Callable[[Array], Array]:
        """f for another library to evaluate, and differentiate, in loops of its own: say how often with `count`.

        All its gradients have the noise of one call, as those of one call in a loop have.
        """
        if self._noise is None:
            return self._function
        noise = self._noise(self._noisy_calls)
        self._noisy_calls += 1
        # adds 0 to the value, and the noise to the gradient
        return lambda x: self._function(x) + jnp.dot(noise, x - lax.stop_gradient(x))

    def count(self, *, value: Any = 0, grad: Any = 0, hess: Any = 0) -> None:
        """Count evaluations made with `uncounted`: numbers, or scalars of which only the running program knows."""
        spent = [value, grad, hess]
        if all(isinstance(number, int) for number in spent):
            self.evaluations.value += value
            self.evaluations.grad += grad
            self.evaluations.hess += hess
            return
        counted = jnp.stack([jnp.asarray(number).astype(jnp.int32) for number in spent])
        looped = self.evaluations.looped
        self.evaluations.looped = counted if looped is None else looped + counted

    def _noisy(self, gradient: Array) -> Array:
        call = self._noisy_calls
        self._noisy_calls += 1
        self.evaluations.grad += 1
        return gradient if self._noise is None else gradient + self._noise(call)

    @property
    def key(self) -> Array:
        """A random key of this run's seed and this step."""
        self.evaluations.key = True
        return jax.random.key(0) if self._key is None else self._key()
