"""The oracle: a solver asks it for values and derivatives of an error surface, and it counts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int


@dataclass
class Evaluations:
    """The evaluations that one step makes, counted while JAX traces it.

    looped : those of value, gradient and Hessian made in `Oracle.while_loop`. Only the running program knows how many;
    None without such a loop.
    """

    value: int = 0
    grad: int = 0
    hess: int = 0
    key: bool = False
    looped: Int[Any, "3"] = None


class Oracle:
    """The error surface as a solver sees it within one step.

    `function` maps `x` to a scalar. `known` is a point with its value and gradient, computed already: asking for them
    there costs nothing, but counts, because the solver did ask. `noise(call)` is added to the gradient of that call,
    counted from 0 within the step; a call that the solver repeats in a loop of JAX is one call.
    """

    def __init__(
        self,
        function: Callable[[Float[Array, "n"]], Float[Array, ""]],
        *,
        key: Callable[[], Array] | None = None,
        known: tuple[Float[Array, "n"], Float[Array, ""], Float[Array, "n"]] | None = None,
        noise: Callable[[int], Float[Array, "n"]] | None = None,
    ) -> None:
        self._function = function
        self._key = key
        self._known = known
        self._noise = noise
        self._noisy_calls = 0
        self.evaluations = Evaluations()

    def value(self, x: Float[Array, "n"]) -> Float[Array, ""]:
        """Return f(x)."""
        self.evaluations.value += 1
        # Surprising, but meant: the known point is the very object that was handed in. While JAX traces, an equal copy
        # of it (even x + 0) has no numbers to compare, so f is computed again there. The result is the same.
        if self._known is not None and x is self._known[0]:
            return self._known[1]
        return self._function(x)

    def grad(self, x: Float[Array, "n"]) -> Float[Array, "n"]:
        """Return the gradient of f at `x`, with the noise of this call if the program has any."""
        # free only for the known object itself, as in `value`
        if self._known is not None and x is self._known[0]:
            return self._noisy(self._known[2])
        return self._noisy(jax.grad(self._function)(x))

    def value_and_grad(self, x: Float[Array, "n"]) -> tuple[Float[Array, ""], Float[Array, "n"]]:
        """Return f(x) without noise and the gradient as `grad` returns it; count one of each."""
        self.evaluations.value += 1
        # free only for the known object itself, as in `value`
        if self._known is not None and x is self._known[0]:
            return self._known[1], self._noisy(self._known[2])
        value, gradient = jax.value_and_grad(self._function)(x)
        return value, self._noisy(gradient)

    def hessian(self, x: Float[Array, "n"]) -> Float[Array, "n n"]:
        """Return the Hessian of f at `x`."""
        self.evaluations.hess += 1
        return jax.hessian(self._function)(x)

    def hvp(self, x: Float[Array, "n"], v: Float[Array, "n"]) -> Float[Array, "n"]:
        """Multiply the Hessian at `x` by `v` without forming it; count one evaluation of the Hessian."""
        self.evaluations.hess += 1
        return jax.jvp(jax.grad(self._function), (x,), (v,))[1]

    def while_loop(self, condition: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any) -> Any:
        """Run `lax.while_loop(condition, body, carry)`; `body` may ask this oracle, and every turn counts.

        A line search needs it: only when it has run is it known how often it asked. `condition` must not ask.
        """

        def turn(carry: tuple[Any, Array]) -> tuple[Any, Array]:
            inner, spent = carry
            # Surprising, but meant: JAX traces this body once, and each turn of the loop asks as often as the trace
            # does. A fresh count takes the place of the step's during the trace; the loop then adds it in every turn.
            outer, self.evaluations = self.evaluations, Evaluations()
            inner = body(inner)
            each, self.evaluations = self.evaluations, outer
            outer.key |= each.key
            spent = spent + np.array([each.value, each.grad, each.hess], np.int32)
            return inner, spent if each.looped is None else spent + each.looped

        result, spent = lax.while_loop(lambda carry: condition(carry[0]), turn, (carry, jnp.zeros(3, jnp.int32)))
        looped = self.evaluations.looped
        self.evaluations.looped = spent if looped is None else looped + spent
        return result

    def uncounted(self) -> Callable[[Float[Array, "n"]], Float[Array, ""]]:
        """Return f for another library to evaluate and differentiate in its own loops; say how often with `count`.

        All its gradients have the noise of one call, as the gradients of one call in a loop have.
        """
        if self._noise is None:
            return self._function
        noise = self._noise(self._noisy_calls)
        self._noisy_calls += 1
        # the second term adds 0 to the value, and the noise to the gradient
        return lambda x: self._function(x) + jnp.dot(noise, x - lax.stop_gradient(x))

    def count(self, *, value: Any = 0, grad: Any = 0, hess: Any = 0) -> None:
        """Count evaluations made with `uncounted`: numbers, or scalars that only the running program knows."""
        spent = [value, grad, hess]
        if all(isinstance(number, int) for number in spent):
            self.evaluations.value += value
            self.evaluations.grad += grad
            self.evaluations.hess += hess
            return
        counted = jnp.stack([jnp.asarray(number).astype(jnp.int32) for number in spent])
        looped = self.evaluations.looped
        self.evaluations.looped = counted if looped is None else looped + counted

    def _noisy(self, gradient: Float[Array, "n"]) -> Float[Array, "n"]:
        call = self._noisy_calls
        self._noisy_calls += 1
        self.evaluations.grad += 1
        return gradient if self._noise is None else gradient + self._noise(call)

    @property
    def key(self) -> Array:
        """A random key of this run's seed and this step."""
        self.evaluations.key = True
        return jax.random.key(0) if self._key is None else self._key()
