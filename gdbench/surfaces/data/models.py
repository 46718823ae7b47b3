"""Models of a user's table: linear, logistic and softmax regression and networks, all with weight decay.

E is the mean over examples of the squared error or of the cross-entropy in nats, plus weight_decay / 2 times the sum of
the squared weights; intercepts and biases do not decay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench import compilation
from gdbench.errors import UsageError, unknown
from gdbench.surfaces.linear import linear_neuron, logistic_neuron
from gdbench.surfaces.networks import MOST_WEIGHTS, Network

MOST_HIDDEN = 10  # layers


def linear(x: Array, inputs: Array, targets: Array, *, weight_decay: float = 0.0) -> Array:
    """E of the outputs `inputs @ x` `[N, n]`, whose last column is the intercept's, against `targets` `[N]`."""
    return linear_neuron(x, inputs, targets) + 0.5 * weight_decay * jnp.sum(x[:-1] ** 2)


def logistic(x: Array, inputs: Array, targets: Array, *, weight_decay: float = 0.0) -> Array:
    """E of the logistic function of `inputs @ x` `[N, n]` against `targets` `[N]` in {0, 1}."""
    return logistic_neuron(x, inputs, targets) + 0.5 * weight_decay * jnp.sum(x[:-1] ** 2)


def linear_outputs(x: Array, inputs: Array) -> Array:
    """What a linear or a logistic neuron makes of its inputs, before the logistic function, `[N]`."""
    return inputs @ x


def cross_entropy(outputs: Array, targets: Array) -> Array:
    """The mean of -log of the softmax of `outputs` `[N, k]` at the classes `targets` `[N]`, numbers from 0."""
    # of a one-hot row and not by index: a gather and its gradient are slow in lanes
    own = jnp.sum(jnp.where(_hot(targets, outputs.shape[1]), outputs, 0), axis=1)
    return jnp.mean(jax.nn.logsumexp(outputs, axis=1) - own)


def _hot(targets: Array, classes: int) -> Array:
    return targets[:, None] == jnp.arange(classes, dtype=targets.dtype)


@dataclass(frozen=True)
class Softmax:
    """Softmax regression on `classes` classes; the weights of the first are 0.

    x `[p (classes - 1)]` is a matrix `[p, classes - 1]`, row after row, the last row the intercepts. The decay is over
    all classes, about their mean: it is the same whichever class is the first.
    """

    classes: int

    def outputs(self, x: Array, inputs: Array) -> Array:
        """What goes into the softmax, `[N, classes]`."""
        z = inputs @ x.reshape(-1, self.classes - 1)
        return jnp.concatenate([jnp.zeros_like(z[:, :1]), z], axis=1)

    def __call__(self, x: Array, inputs: Array, targets: Array, *, weight_decay: float = 0.0) -> Array:
        """E against the classes `targets` `[N]`."""
        w = x.reshape(-1, self.classes - 1)[:-1]
        spread = jnp.sum(w * w) - jnp.sum(jnp.sum(w, axis=1) ** 2) / self.classes
        return cross_entropy(self.outputs(x, inputs), targets) + 0.5 * weight_decay * spread


@dataclass(frozen=True)
class Multilayer:
    """A network between `features` inputs and one output, of a number or of two classes, or one for each of `classes`.

    classes : 0 for regression. Its output is linear; of two classes it goes through the logistic function, of more
    through a softmax. Every unit has a bias. hidden : the units of the hidden layers, such as "8,4".
    """

    features: int
    classes: int

    def network(self, hidden: str, activation: str) -> Network:
        """The network with these hidden layers."""
        last = self.classes if self.classes > 2 else 1
        return Network((self.features, *hidden_sizes(hidden), last), True, unit_of(activation), "linear")

    def outputs(self, x: Array, inputs: Array, *, hidden: str, activation: str) -> Array:
        """The network's outputs, `[N]`, of more than two classes `[N, classes]`."""
        outputs = self.network(hidden, activation).outputs(x, inputs)
        return outputs if self.classes > 2 else outputs[:, 0]

    def __call__(
        self,
        x: Array,
        inputs: Array,
        targets: Array,
        *,
        weight_decay: float = 0.0,
        hidden: str = "8",
        activation: str = "tanh",
    ) -> Array:
        """E against numbers or classes, `targets` `[N]`."""
        network = self.network(hidden, activation)
        outputs = self.outputs(x, inputs, hidden=hidden, activation=activation)
        if not self.classes:
            error = jnp.mean((outputs - targets) ** 2)
        elif self.classes == 2:
            error = jnp.mean(jax.nn.softplus(outputs) - targets * outputs)
        else:
            error = cross_entropy(outputs, targets)
        squares = [jnp.sum(matrix[:-1] ** 2) for matrix in network.matrices(x)]
        return error + 0.5 * weight_decay * jnp.sum(jnp.stack(squares))


@dataclass(frozen=True)
class Score:
    """R² of a model's `outputs` `[N]`, or the share of examples whose class it predicts, of `[N]` or `[N, k]`."""

    outputs: Callable[..., Array]
    classifies: bool

    def __call__(self, x: Array, inputs: Array, targets: Array, variance: Array, **options: Any) -> Array:
        """On examples whose `targets` `[N]` have that `variance` about their mean; 0 or -inf where outputs overflow."""
        outputs = self.outputs(x, inputs, **options)
        if self.classifies:
            found = (outputs > 0).astype(targets.dtype) if outputs.ndim == 1 else jnp.argmax(outputs, axis=1)
            right = (found.astype(targets.dtype) == targets) & jnp.isfinite(outputs.reshape(len(targets), -1)).all(1)
            return jnp.mean(right.astype(x.dtype))
        error = jnp.mean((outputs - targets) ** 2)
        # no output is no better than one infinitely far off
        return 1 - jnp.where(jnp.isnan(error), jnp.inf, error) / jnp.where(variance > 0, variance, jnp.nan)


@dataclass(frozen=True)
class Chances:
    """The probability of the second class `[p]`, of several outputs that of each `[p, k]`, by a model's `outputs`.

    intercept : whether the outputs are of points with a last column of ones.
    """

    outputs: Callable[..., Array]
    intercept: bool

    def __call__(self, x: Array, points: Array, **options: Any) -> Array:
        """At `points` `[p, features]`."""
        if self.intercept:
            points = jnp.concatenate([points, jnp.ones_like(points[:, :1])], axis=1)
        outputs = self.outputs(x, points, **options)
        return jax.nn.sigmoid(outputs) if outputs.ndim == 1 else jax.nn.softmax(outputs, axis=1)


def hidden_sizes(hidden: str) -> tuple[int, ...]:
    """The units of every hidden layer in a text such as "8,4"."""
    words = [word.strip() for word in hidden.split(",")]
    shown = hidden if len(hidden) <= 40 else f"{hidden[:38]}.."
    # of a number with thousands of digits nothing is to be computed
    if not all(word.isdecimal() and word.isascii() and len(word) < 10 and int(word) for word in words):
        raise UsageError(f"hidden must be numbers of units by layer, such as 8 or 8,4, not '{shown}'")
    if len(words) > MOST_HIDDEN:
        raise UsageError(f"hidden: at most {MOST_HIDDEN} layers, not {len(words)}")
    return tuple(map(int, words))


@dataclass(frozen=True)
class Architecture:
    """What follows from the options of a `Multilayer`: weights and the units that they go into, start and box.

    The start is Glorot and Bengio's (2010, PMLR 9:249, eq. 16): weights uniform within √(6 / (from + to)) of 0, drawn
    with `seed`, biases 0. The box, of random starts, has those bounds for weights and biases.
    """

    model: Multilayer
    seed: int

    def __call__(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of the surface."""
        network = self.model.network(options["hidden"], options["activation"])
        if network.dimension > MOST_WEIGHTS:
            raise UsageError(f"hidden: {options['hidden']} makes more than 1 000 000 weights")
        hidden = ",".join(map(str, network.sizes[1:-1]))
        draw, start, bounds = np.random.default_rng([self.seed, 0x6C0]), [], []
        for rows, columns in network.shapes:
            bound = np.sqrt(6 / (rows - 1 + columns))
            weights = draw.uniform(-bound, bound, (rows, columns))
            weights[-1] = 0.0
            start.append(weights.reshape(-1))
            bounds.append(np.full(rows * columns, bound))
        box = np.concatenate(bounds)
        return {
            "options": {**options, "hidden": hidden},
            "dimension": network.dimension,
            "filters": network.filters,
            "start": np.concatenate(start),
            "box": (-box, box),
        }


# what a misspelt name may have meant; every other function of jax.nn or jax.numpy that works number by number will do
USUAL = (
    "celu elu gelu hard_sigmoid hard_silu hard_tanh identity leaky_relu log_sigmoid mish relu relu6 selu sigmoid silu "
    "soft_sign softplus sparse_plus squareplus swish abs arctan cos exp sin sinc square tanh"
).split()

# negative, zero, small and large numbers, none of them where a function jumps
SAMPLES = (-2.3, -0.1, 0.9, 3.1)


@lru_cache
def unit_of(name: str) -> Callable[[Any], Any]:
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
